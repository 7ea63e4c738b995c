"""The data sets by name, for the command line and for cells that loop over several."""

from collections.abc import Callable
from functools import partial
from typing import Any

from gantut.data.densities import DENSITIES
from gantut.data.drawn import faces
from gantut.data.folders import folder, recordings
from gantut.data.images import cifar10, digits, fashion_mnist, handwritten, mnist
from gantut.data.photos import photographs
from gantut.data.printed import glyphs
from gantut.data.speaking import spoken
from gantut.data.synthesis import vowels
from gantut.numerics import chosen

_FUNCTIONS = (
    handwritten,
    faces,
    glyphs,
    digits,
    mnist,
    fashion_mnist,
    cifar10,
    folder,
    spoken,
    vowels,
    recordings,
)
DATASETS: dict[str, Callable[..., Any]] = {
    **DENSITIES,
    **{function.__name__: function for function in _FUNCTIONS},
    # What is asked for by name is trained on, so it has examples of one size.
    "photographs": partial(photographs, size=64),
}


def load(name: str, **options: Any) -> Any:
    """Make or read the data set called ``name``.

    Args:
        name: a key of ``DATASETS``, such as ``"digits"``.
        options: those of the function of that name.

    Returns:
        What that function returns: a data set, or a ``Density`` for a cloud in the plane.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.

    Example:
        >>> len(load("digits", split="test"))
        360
    """
    return chosen("data set", name, DATASETS)(**options)
