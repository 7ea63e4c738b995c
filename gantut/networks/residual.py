"""Residual networks for images: each block adds a correction to its resized input, and the
correction begins at zero.

A block computes y = skip(x) + branch(x). The branch is activation, convolution, resizing,
activation, convolution: "pre-activation" [he2016]. Its last convolution begins with zero weights,
so that every block begins as its skip, and no depth makes a signal vanish or explode before
training has begun [zhang2019]. There is no normalisation: each output depends on its own input
alone, which penalties on the slope rely on [mescheder2018, huang2024].
"""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Unpack

import torch.nn.functional as F
from torch import Tensor, nn

from gantut.networks import base
from gantut.networks.base import Judging, Options
from gantut.networks.initialisation import LEAK, output
from gantut.networks.ladder import IMAGES
from gantut.networks.shapes import Shape
from gantut.numerics import at_least, expect

# Doubling each pixel and averaging four are adjoint up to a factor 4; the second undoes the first.
RESIZE: dict[str, Callable[[], nn.Module]] = {
    "none": nn.Identity,
    "up": partial(nn.Upsample, scale_factor=2, mode="nearest"),
    "down": partial(nn.AvgPool2d, 2),
}
WIDEST = 8  # planes double where the side halves, up to this many times ``width``


class ResidualBlock(nn.Module):
    """Maps planes (N, planes, h, w) to (N, out, h′, w′): y = skip(x) + branch(x).

    The skip is the resized input, through a 1×1 convolution where the number of planes changes. In
    the branch, the resizing sits between the two convolutions. [he2016]

    Args:
        planes: the number of planes that come in.
        out: the number of planes that go out.
        resize: ``"up"`` makes four equal pixels of one, ``"down"`` the mean of four, ``"none"``
            keeps the size.

    Raises:
        ValueError: an unknown ``resize``.

    Example:
        >>> import torch
        >>> from gantut.networks import ResidualBlock
        >>> ResidualBlock(3, 5, resize="down")(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 5, 4, 4])
    """

    def __init__(self, planes: int, out: int, *, resize: str = "none") -> None:
        super().__init__()
        if resize not in RESIZE:
            raise ValueError(f"unknown resize {resize!r}; known: {', '.join(RESIZE)}")
        self.resize, self.grows = RESIZE[resize](), resize == "up"
        self.first = nn.Conv2d(planes, out, 3, padding=1)
        self.last = nn.Conv2d(out, out, 3, padding=1)
        # No activation follows the skip.
        match = nn.Identity() if planes == out else nn.Conv2d(planes, out, 1, bias=False)
        self.match = output(match)

    def start_at_skip(self) -> None:
        """Set the branch's last convolution to zero, so that y = skip(x). [zhang2019]"""
        for weight in self.last.parameters():
            nn.init.zeros_(weight)

    def skip(self, x: Tensor) -> Tensor:
        """The resized input, with ``out`` planes."""
        # The 1×1 convolution and the resizing commute; at the smaller size it costs a quarter.
        return self.resize(self.match(x)) if self.grows else self.match(self.resize(x))

    def branch(self, x: Tensor) -> Tensor:
        """The correction: activation, convolution, resizing, activation, convolution."""
        h = self.resize(self.first(F.leaky_relu(x, LEAK)))
        return self.last(F.leaky_relu(h, LEAK))

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.branch(x)


def _planes(width: int, shape: Shape) -> list[int]:
    """How many planes there are at each size, from the full one to the lowest."""
    at_least(1, width=width)
    return [width * min(2**k, WIDEST) for k in range(len(IMAGES.levels(shape)) + 1)]


def _blocks(planes: list[int], resize: str) -> list[nn.Module]:
    """From each number of planes to the next, a block that resizes."""
    return [ResidualBlock(before, after, resize=resize) for before, after in pairwise(planes)]


def _start_at_skips(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, ResidualBlock):
            module.start_at_skip()


class ResidualGenerator(base.Decoder):
    """Maps noise z (N, latent_dim) to images (N, C, H, W) in [0, 1].

    A linear layer draws the smallest size; each level is a block that doubles the side.

    Args:
        latent_dim: the number of dimensions of z.
        shape: (C, H, W) of the images, with sides that can be halved down to 7 or less.
        width: the number of planes at full size. They double where the side halves, up to eight
            times as many.
        classes: with classes, labels (N,) enter as a one-hot code beside z; 0 takes no labels.
        seed: decides the first weights.

    Raises:
        ValueError: latent_dim or width below 1, or sides that cannot be halved; in a pass,
            noise of another shape, or labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import ResidualGenerator
        >>> ResidualGenerator(8, (1, 28, 28))(torch.zeros(2, 8)).shape
        torch.Size([2, 1, 28, 28])
    """

    output = "sigmoid"

    def __init__(
        self, latent_dim: int, shape: Shape, *, width: int = 16, **options: Unpack[Options]
    ) -> None:
        def layers(values: int) -> list[nn.Module]:
            planes = _planes(width, shape)[::-1]
            bottom = (planes[0], *IMAGES.levels(shape)[-1])
            first = [nn.Linear(values, math.prod(bottom)), nn.Unflatten(1, bottom)]
            climb = [*_blocks(planes, "up"), nn.LeakyReLU(LEAK)]
            return [*first, *climb, nn.Conv2d(width, shape[0], 3, padding=1)]

        super().__init__((latent_dim,), shape, layers, **options)
        _start_at_skips(self)


class ResidualDiscriminator(base.Discriminator):
    """Maps images (N, C, H, W) in [0, 1] to one logit each, (N,). Large is real.

    The images are centred inside, 2x − 1. Each level is a block that halves the side.

    Args:
        shape: (C, H, W) of the images, with sides that can be halved down to 7 or less.
        width: the number of planes at full size. They double where the side halves, up to eight
            times as many.
        fold: D reads squares of so many pixels as one place with more channels, which costs less
            and loses nothing; ``width`` then belongs to the folded size.
        classes: with classes, D judges an image together with its label (N,), through an inner
            product with a vector of the class [miyato2018projection]; 0 takes no labels.
        spectral_norm: divide each weight by its largest singular value [miyato2018]. A weight that
            is normalised cannot be zero, so the branches then begin at random.
        seed: decides the first weights.

    Raises:
        ValueError: a width below 1, or sides that cannot be halved; in a pass, images of another
            shape, or labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import ResidualDiscriminator
        >>> ResidualDiscriminator((1, 28, 28))(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2])
    """

    def __init__(
        self, shape: Shape, *, width: int = 16, fold: int = 1, **options: Unpack[Judging]
    ) -> None:
        at_least(1, fold=fold)
        channels, height, breadth = shape
        divides = height % fold == 0 == breadth % fold
        expect(divides, f"sides that fold={fold} divides", f"{height}×{breadth}")
        planes = _planes(width, (channels * fold**2, height // fold, breadth // fold))

        def body(channels: int) -> nn.Module:
            folded = [nn.PixelUnshuffle(fold)] if fold > 1 else []
            first = output(nn.Conv2d(channels * fold**2, width, 3, padding=1))
            return nn.Sequential(*folded, first, *_blocks(planes, "down"), nn.LeakyReLU(LEAK))

        super().__init__(shape, body, **options)
        if not options.get("spectral_norm"):
            _start_at_skips(self)
