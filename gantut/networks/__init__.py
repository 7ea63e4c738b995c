"""Generators, discriminators, encoders and decoders. Shapes, classes and initialisation are arguments."""

from gantut.networks.bigan import PairDiscriminator
from gantut.networks.conditioning import AuxiliaryHead, MinibatchStddev, ProjectionHead
from gantut.networks.conv import ConvDecoder, ConvDiscriminator, ConvEncoder, ConvGenerator
from gantut.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gantut.networks.grid import GridDecoder, GridEncoder
from gantut.networks.initialisation import seeded
from gantut.networks.mlp import MLPDecoder, MLPDiscriminator, MLPEncoder, MLPGenerator
from gantut.networks.residual import ResidualBlock, ResidualDiscriminator, ResidualGenerator
from gantut.networks.waves import Conv1dDecoder, Conv1dDiscriminator, Conv1dEncoder, Conv1dGenerator

__all__ = [
    "NETWORKS",
    "AuxiliaryHead",
    "Conv1dDecoder",
    "Conv1dDiscriminator",
    "Conv1dEncoder",
    "Conv1dGenerator",
    "ConvDecoder",
    "ConvDiscriminator",
    "ConvEncoder",
    "ConvGenerator",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "GridDecoder",
    "GridEncoder",
    "MLPDecoder",
    "MLPDiscriminator",
    "MLPEncoder",
    "MLPGenerator",
    "MinibatchStddev",
    "PairDiscriminator",
    "ProjectionHead",
    "ResidualBlock",
    "ResidualDiscriminator",
    "ResidualGenerator",
    "create",
    "seeded",
]

NETWORKS = {
    "mlp_generator": MLPGenerator,
    "mlp_discriminator": MLPDiscriminator,
    "mlp_encoder": MLPEncoder,
    "mlp_decoder": MLPDecoder,
    "conv_generator": ConvGenerator,
    "conv_discriminator": ConvDiscriminator,
    "conv_encoder": ConvEncoder,
    "conv_decoder": ConvDecoder,
    "conv1d_generator": Conv1dGenerator,
    "conv1d_discriminator": Conv1dDiscriminator,
    "conv1d_encoder": Conv1dEncoder,
    "conv1d_decoder": Conv1dDecoder,
    "dcgan_generator": DCGANGenerator,
    "dcgan_discriminator": DCGANDiscriminator,
    "residual_generator": ResidualGenerator,
    "residual_discriminator": ResidualDiscriminator,
    "grid_encoder": GridEncoder,
    "grid_decoder": GridDecoder,
}


def create(name: str, *args, **options):
    """Build the network called ``name`` with the arguments of its class.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.
    """
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}; known: {', '.join(sorted(NETWORKS))}")
    return NETWORKS[name](*args, **options)
