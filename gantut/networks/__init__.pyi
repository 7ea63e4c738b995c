from .conditioning import (
    MinibatchStddev as MinibatchStddev,
    ProjectionHead as ProjectionHead,
)
from .conv import (
    ConvDecoder as ConvDecoder,
    ConvDiscriminator as ConvDiscriminator,
    ConvEncoder as ConvEncoder,
    ConvGenerator as ConvGenerator,
)
from .dcgan import DCGANDiscriminator as DCGANDiscriminator, DCGANGenerator as DCGANGenerator
from .grid import GridDecoder as GridDecoder, GridEncoder as GridEncoder
from .initialisation import seeded as seeded
from .joint import Packed as Packed, PairDiscriminator as PairDiscriminator
from .mlp import (
    MLPDecoder as MLPDecoder,
    MLPDiscriminator as MLPDiscriminator,
    MLPEncoder as MLPEncoder,
    MLPGenerator as MLPGenerator,
)
from .residual import (
    ResidualBlock as ResidualBlock,
    ResidualDiscriminator as ResidualDiscriminator,
    ResidualGenerator as ResidualGenerator,
)
from .style import StyleGenerator as StyleGenerator
from .waves import (
    Conv1dDecoder as Conv1dDecoder,
    Conv1dDiscriminator as Conv1dDiscriminator,
    Conv1dEncoder as Conv1dEncoder,
    Conv1dGenerator as Conv1dGenerator,
)
