"""Printed digits, rendered from the fonts that ship with matplotlib and bent a little.

A data set of any size, without a download, in which it is known how each image was made.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gantut.data.batches import generator
from gantut.data.cache import cached
from gantut.data.datasets import ImageData
from gantut.data.images import SPLITS
from gantut.numerics import at_least, chosen

FONTS = (
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
    *("cmr10", "cmb10", "cmss10", "cmtt10"),
)
# name: (least, most), drawn uniformly: easy, hard. Angles in radians, shifts in shares of the side.
FACTORS = {
    "rotation": ((-0.12, 0.12), (-0.21, 0.21)),
    "shear": ((-0.12, 0.12), (-0.2, 0.2)),
    "scale": ((0.85, 1.0), (0.65, 0.9)),
    "shift_x": ((-0.04, 0.04), (-0.09, 0.09)),
    "shift_y": ((-0.04, 0.04), (-0.09, 0.09)),
    "stroke": ((-0.5, 0.5), (-1.0, 1.0)),
}
_MASK = 112  # the side of a font's masks in pixels
_VERSION = 1  # counts the ways of rendering, so that a cache does not serve an older one


def glyphs(
    n: int = 20_000,
    *,
    size: int = 28,
    hard: bool = False,
    seed: int = 0,
    split: str = "train",
    cache: bool = True,
) -> ImageData:
    """Printed digits, white on black, in twenty fonts, with labels and the factors that made them.

    Rotation, shear, scale, shift and stroke (negative is thin) are drawn uniformly and
    independently of one another.

    Args:
        n: the number of images.
        size: their side in pixels, at least 8.
        hard: draws the factors from wider ranges.
        seed: decides all draws.
        split: ``"train"`` or ``"test"``, independent draws from the same distribution.
        cache: keeps the images on the disk, since 20,000 take some seconds to render.

    Returns:
        Images (n, 1, size, size) of ten classes; ``factors`` holds ``rotation`` and ``shear`` in
        radians, ``scale``, ``shift_x`` and ``shift_y`` in shares of the side, ``stroke``, and the
        number of the ``font``, each (n,).

    Raises:
        ValueError: n < 1, a size below 8, an unknown split.

    Example:
        >>> images = glyphs(100, size=16, cache=False)
        >>> images.shape, images.classes, sorted(images.factors)[:3]
        ((1, 16, 16), 10, ['font', 'rotation', 'scale'])
    """
    chosen("split", split, SPLITS)
    at_least(1, n=n)
    at_least(8, size=size)
    options: dict[str, Any] = {"n": n, "size": size, "hard": hard, "seed": seed, "split": split}
    key = f"glyphs-{_VERSION}"
    content = cached(key, _render, **options) if cache else _render(**options)
    images, labels = content.pop("images"), content.pop("labels")
    return ImageData(images, labels, name="glyphs", classes=10, factors=content)


@functools.cache
def _masks() -> Tensor:
    """Each font's digits as soft masks (fonts, 10, _MASK, _MASK).

    They are centred, and their ink takes 60 % of the side at most.
    """
    from matplotlib import get_data_path
    from PIL import Image, ImageDraw, ImageFont

    folder = Path(get_data_path()) / "fonts" / "ttf"
    masks = torch.zeros(len(FONTS), 10, _MASK, _MASK)
    for f, name in enumerate(FONTS):
        font = ImageFont.truetype(str(folder / f"{name}.ttf"), 100)
        boxes = [font.getbbox(str(digit)) for digit in range(10)]
        # One scale per font, so that its digits keep their proportions.
        largest = max(max(right - left, bottom - top) for left, top, right, bottom in boxes)
        font = ImageFont.truetype(str(folder / f"{name}.ttf"), round(100 * 0.68 * _MASK / largest))
        for digit in range(10):
            left, top, right, bottom = font.getbbox(str(digit))
            picture = Image.new("L", (_MASK, _MASK))
            place = ((_MASK - left - right) / 2, (_MASK - top - bottom) / 2)
            ImageDraw.Draw(picture).text(place, str(digit), fill=255, font=font)
            masks[f, digit] = torch.from_numpy(np.array(picture)) / 255
    return masks


@functools.cache
def _blurred(std: float) -> Tensor:
    masks, reach = _masks(), math.ceil(3 * std)
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / std) ** 2)
    line = line / line.sum()
    flat = masks.flatten(0, 1)[:, None]
    flat = F.conv2d(flat, line.view(1, 1, -1, 1), padding=(reach, 0))
    return F.conv2d(flat, line.view(1, 1, 1, -1), padding=(0, reach)).view_as(masks)


def _render(n: int, size: int, hard: bool, seed: int, split: str) -> dict[str, Tensor]:
    g = generator(seed, SPLITS.index(split))
    labels = torch.randint(10, (n,), generator=g)
    fonts = torch.randint(len(FONTS), (n,), generator=g)
    factors = {}
    for name, ranges in FACTORS.items():
        low, high = ranges[hard]
        factors[name] = low + (high - low) * torch.rand(n, generator=g)
    # The level set of a blurred mask moves outwards as the level falls: the level is the stroke.
    masks = _blurred(0.025 * _MASK)
    images = torch.empty(n, 1, size, size, dtype=torch.uint8)
    for start in range(0, n, 500):
        part = slice(start, start + 500)
        chosen = masks[fonts[part], labels[part]][:, None]
        maps = _inverse_maps({name: values[part] for name, values in factors.items()})
        places = F.affine_grid(maps, [len(chosen), 1, 2 * size, 2 * size], align_corners=False)
        drawn = F.grid_sample(chosen, places, align_corners=False)
        level = 0.4 - 0.18 * factors["stroke"][part].view(-1, 1, 1, 1)
        ink = F.avg_pool2d(((drawn - level) * 6 + 0.5).clamp(0, 1), 2)
        images[part] = ink.mul(255).round().to(torch.uint8)
    return {"images": images, "labels": labels, "font": fonts.float(), **factors}


def _inverse_maps(factors: dict[str, Tensor]) -> Tensor:
    """The maps (n, 2, 3) from output to input places that rotate, shear, scale and shift the ink.

    Places run over [−1, 1].
    """
    c, s = factors["rotation"].cos(), factors["rotation"].sin()
    shear, zeros, ones = factors["shear"], torch.zeros_like(c), torch.ones_like(c)
    rotation = torch.stack([c, -s, s, c], 1).view(-1, 2, 2)
    slant = torch.stack([ones, shear, zeros, ones], 1).view(-1, 2, 2)
    inverse = torch.linalg.inv(factors["scale"].view(-1, 1, 1) * rotation @ slant)
    shift = 2 * torch.stack([factors["shift_x"], factors["shift_y"]], 1)[:, :, None]
    return torch.cat([inverse, -inverse @ shift], dim=2)
