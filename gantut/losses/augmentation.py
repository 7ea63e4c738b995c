"""Differentiable changes of images, applied to what the discriminator sees: real and fake alike, in its step and in the generator's.

With few images D learns them by heart. Changing all that it sees makes that harder, and because the changes are differentiable the
generator still receives its gradient. G does not learn to draw the changes as long as they can be undone on the average: chance decides
for each image anew whether and how it is changed. [zhao2020]
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from gantut.processes import drawn


class Augment(Protocol):
    """``augment(images, generator=None)``: images (N, C, H, W) in, as many of the same shape out, each changed by chance."""

    def __call__(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor: ...


def _uniform(x: Tensor, low: float, high: float, generator: torch.Generator | None) -> Tensor:
    """One draw per image, (N, 1, 1, 1)."""
    draws = drawn(
        torch.rand, (len(x), 1, 1, 1), generator=generator, device=x.device, dtype=x.dtype
    )
    return low + (high - low) * draws


def _integers(
    below: int, size: tuple[int, ...], x: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Draws from 0 … ``below`` − 1."""
    return drawn(partial(torch.randint, below), size, generator=generator, device=x.device)


def brightness(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Add one number from [−½, ½] to all pixels of an image."""
    return x + _uniform(x, -0.5, 0.5, generator)


def contrast(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Stretch an image's distance from its mean by a factor from [½, 3/2]."""
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return torch.lerp(mean, x, _uniform(x, 0.5, 1.5, generator))


def saturation(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Stretch each pixel's distance from its grey value by a factor from [0, 2]; a grey image stays as it is."""
    grey = x.mean(dim=1, keepdim=True)
    return torch.lerp(grey.expand_as(x), x, _uniform(x, 0.0, 2.0, generator))


def translate(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Move an image by up to an eighth of its side, whole pixels, and fill with zeros."""
    height, width = x.shape[2:]
    reach = [max(1, side // 8) for side in (height, width)]
    padded = F.pad(x, (reach[1], reach[1], reach[0], reach[0]))
    index = []
    for side, most in zip((height, width), reach, strict=True):
        shift = _integers(2 * most + 1, (len(x), 1), x, generator)
        index.append(shift + torch.arange(side, device=x.device))
    # Advanced indices at dimensions 0, 2 and 3 with a slice between them: the channels come last, and go back to their place.
    batch = torch.arange(len(x), device=x.device)[:, None, None]
    return padded[batch, :, index[0][:, :, None], index[1][:, None, :]].permute(0, 3, 1, 2)


def cutout(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Blank a square of half the side around a random centre, the part of it that lies inside the image."""
    height, width = x.shape[2:]
    rows, columns = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    centre = [_integers(side, (len(x), 1, 1, 1), x, generator) for side in (height, width)]
    inside = ((rows[:, None] - centre[0]).abs() <= height // 4) & (
        (columns - centre[1]).abs() <= width // 4
    )
    return x * ~inside


CHANGES: dict[str, Callable[[Tensor, torch.Generator | None], Tensor]] = {
    "brightness": brightness,
    "contrast": contrast,
    "saturation": saturation,
    "translate": translate,
    "cutout": cutout,
}


def augmentation(*names: str, probability: float = 1.0) -> Augment:
    """The named changes one after the other, each applied to each image with the given probability; all five without a name.

    A probability below 1 leaves some images unchanged, which keeps a change from being learnt as part of the data. [karras2020ada]

    Raises:
        ValueError: an unknown change, or a probability outside [0, 1]; when called: not images (N, C, H, W).
    """
    for name in names:
        if name not in CHANGES:
            raise ValueError(f"unknown augmentation {name!r}; known: {', '.join(CHANGES)}")
    if not 0 <= probability <= 1:
        raise ValueError(f"probability must lie in [0, 1], got {probability}")

    def augment(x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        if x.ndim != 4:
            raise ValueError(f"augmentation needs images (N, C, H, W), got {tuple(x.shape)}")
        for name in names or CHANGES:
            changed = CHANGES[name](x, generator)
            chosen = (
                drawn(torch.rand, (len(x), 1, 1, 1), generator=generator, device=x.device)
                < probability
            )
            x = torch.where(chosen, changed, x)
        return x

    return augment
