"""Colour photographs that come with packages we use: whole, or as patches to train on."""

from functools import partial
from pathlib import Path
from typing import overload

import numpy as np
import torch
from torch import Tensor

from gantut.data.batches import generator
from gantut.data.datasets import ImageData
from gantut.data.shipped import shipped
from gantut.numerics import at_least, chosen, expect

_SKLEARN = partial(shipped, "sklearn", "datasets", "images")
_SKIMAGE = partial(shipped, "skimage", "data")
_MATPLOTLIB = partial(shipped, "matplotlib", "mpl-data", "sample_data")
# Tested on are two that were never compressed with a loss: on a photograph that was a JPEG once,
# JPEG finds its own grid of 8×8 blocks again, and no comparison with it is fair.
PHOTOGRAPHS = {
    "train": {
        "china": (_SKLEARN, "china.jpg"),
        "flower": (_SKLEARN, "flower.jpg"),
        "coffee": (_SKIMAGE, "coffee.png"),
        "rocket": (_SKIMAGE, "rocket.jpg"),
        "hopper": (_MATPLOTLIB, "grace_hopper.jpg"),
    },
    "test": {"astronaut": (_SKIMAGE, "astronaut.png"), "cat": (_SKIMAGE, "chelsea.png")},
}


@overload
def photographs(split: str = "train", *, size: None = None) -> dict[str, Tensor]: ...
@overload
def photographs(split: str = "train", *, size: int, n: int = 4000, seed: int = 0) -> ImageData: ...
def photographs(
    split: str = "train", *, size: int | None = None, n: int = 4000, seed: int = 0
) -> dict[str, Tensor] | ImageData:
    """Seven colour photographs, whole or as patches; the two of the test are never trained on.

    They come with scikit-learn, scikit-image and matplotlib, so nothing is downloaded. To train on:
    a pavilion in China, a flower, a cup of coffee, a rocket at night and Grace Hopper. To test on:
    the astronaut Eileen Collins, 512×512, with a face, stripes and small print; and a cat, 451×300,
    with fur and whiskers.

    Args:
        split: ``"train"`` (five photographs) or ``"test"`` (two).
        size: the side of a patch in pixels; without one, the whole photographs are given.
        n: the number of patches: as many from each photograph, on average, from everywhere in it.
        seed: decides the patches.

    Returns:
        Without a size, floats in [0, 1] by name, each (3, H, W). With one, images
        (n, 3, size, size) whose factors say the ``photograph`` (its place in ``PHOTOGRAPHS``) and
        the ``top`` and ``left`` of the patch.

    Raises:
        ModuleNotFoundError: scikit-image is not installed.
        ValueError: an unknown split, n below 1, or a size that does not fit into each photograph.

    Example:
        >>> {name: tuple(picture.shape) for name, picture in photographs("test").items()}
        {'astronaut': (3, 512, 512), 'cat': (3, 300, 451)}
        >>> photographs(size=64, n=100).shape
        (3, 64, 64)
    """
    files = chosen("split", split, PHOTOGRAPHS)
    pictures = {name: _bytes(folder(file)) for name, (folder, file) in files.items()}
    if size is None:
        return {name: picture / 255 for name, picture in pictures.items()}
    at_least(1, size=size, n=n)
    # How many places a patch can have in each photograph, down and across.
    places = torch.tensor([picture.shape[1:] for picture in pictures.values()]) - size + 1
    most = int(places.min()) + size - 1
    expect(
        isinstance(size, int) and size <= most,
        f"a patch of a whole number of pixels, at most {most}, the shortest side",
        f"{size=}",
    )
    source = generator(seed)
    which = torch.randint(len(pictures), (n,), generator=source)
    corner = (torch.rand(n, 2, generator=source, dtype=torch.float64) * places[which]).long()
    top, left = corner.unbind(1)
    stack = [*pictures.values()]
    patches = torch.stack(
        [
            stack[k][:, y : y + size, x : x + size]
            for k, y, x in zip(which.tolist(), top.tolist(), left.tolist(), strict=True)
        ]
    )
    factors = {"photograph": which, "top": top, "left": left}
    return ImageData(patches, name="photographs", factors=factors)


def _bytes(file: Path) -> Tensor:
    """One photograph as bytes (3, H, W)."""
    from PIL import Image

    with Image.open(file) as picture:
        return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1).contiguous()
