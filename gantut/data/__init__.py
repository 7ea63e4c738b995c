"""Data that ends as tensors in memory, and batches that are a function of the step number."""

from collections.abc import Callable
from typing import Any

from gantut.data.batches import Batches
from gantut.data.densities import DENSITIES, Density, grid, pinwheel, ring, spirals, two_moons
from gantut.data.digits import digits
from gantut.data.glyphs import glyphs
from gantut.data.images import ImageData, TensorData
from gantut.data.sounds import SoundData, deemphasise, emphasise, recordings
from gantut.data.sources import cifar10, fashion_mnist, folder, mnist
from gantut.data.stacked import stacked
from gantut.data.vowels import VOWELS, synthesise, vowels

__all__ = [
    "DATASETS",
    "DENSITIES",
    "VOWELS",
    "Batches",
    "Density",
    "ImageData",
    "SoundData",
    "TensorData",
    "cifar10",
    "deemphasise",
    "digits",
    "emphasise",
    "fashion_mnist",
    "folder",
    "glyphs",
    "grid",
    "load",
    "mnist",
    "pinwheel",
    "recordings",
    "ring",
    "spirals",
    "stacked",
    "synthesise",
    "two_moons",
    "vowels",
]

DATASETS: dict[str, Callable[..., Any]] = {
    **DENSITIES,
    "digits": digits,
    "glyphs": glyphs,
    "mnist": mnist,
    "fashion_mnist": fashion_mnist,
    "cifar10": cifar10,
    "folder": folder,
    "vowels": vowels,
    "recordings": recordings,
}


def load(name: str, **options: Any) -> Any:
    """Make or read the data set called ``name``, with the options of its function.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.
    """
    if name not in DATASETS:
        raise ValueError(f"unknown data set {name!r}; known: {', '.join(sorted(DATASETS))}")
    return DATASETS[name](**options)
