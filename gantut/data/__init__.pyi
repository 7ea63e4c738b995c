from .batches import Batches as Batches
from .datasets import ImageData as ImageData, TensorData as TensorData
from .densities import (
    DENSITIES as DENSITIES,
    Density as Density,
    grid as grid,
    pinwheel as pinwheel,
    ring as ring,
    spirals as spirals,
    two_moons as two_moons,
)
from .drawn import FACE_FACTORS as FACE_FACTORS, draw_faces as draw_faces, faces as faces
from .folders import folder as folder, recordings as recordings
from .images import (
    cifar10 as cifar10,
    digits as digits,
    fashion_mnist as fashion_mnist,
    handwritten as handwritten,
    mnist as mnist,
    stacked as stacked,
)
from .printed import glyphs as glyphs
from .registry import DATASETS as DATASETS, load as load
from .speaking import spoken as spoken
from .synthesis import (
    PITCHES as PITCHES,
    VOWELS as VOWELS,
    deemphasise as deemphasise,
    emphasise as emphasise,
    response as response,
    synthesise as synthesise,
    vowels as vowels,
)
