"""A generator with a style: what an image shall be is said once more at each size.

A small network first maps the noise z to a style w, and w scales the planes in every block. So a
decision such as a colour reaches all places at once, and what belongs together in the images can
lie along one direction of w, however the noise has to be bent for that. [karras2019]
"""

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from gantut.networks.initialisation import LEAK, initialise, output, seeded, start_near_zero
from gantut.networks.residual import ResidualBlock
from gantut.networks.shapes import Shape, check_sides
from gantut.numerics import at_least, check_shape, expect


class StyledBlock(ResidualBlock):
    """A residual block that doubles the side, and whose planes are scaled by a style w.

    y = skip(x) + branch(x), and before each convolution of the branch plane k is multiplied by
    1 + a_k(w), with a affine and zero in the beginning.
    """

    def __init__(self, planes: int, out: int, style: int) -> None:
        super().__init__(planes, out, resize="up")
        self.styles = nn.ModuleList(output(nn.Linear(style, k)) for k in (planes, out))

    def start_at_skip(self) -> None:
        super().start_at_skip()
        for affine in self.styles:
            nn.init.zeros_(affine.get_parameter("weight"))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:  # type: ignore[override]
        first, last = (1 + affine(w)[:, :, None, None] for affine in self.styles)
        h = self.resize(self.first(F.leaky_relu(x, LEAK) * first))
        return self.skip(x) + self.last(F.leaky_relu(h, LEAK) * last)


class StyleGenerator(nn.Module):
    """Maps noise z (N, latent_dim) by way of a style w (N, style) to images (N, C, H, W) in [0, 1].

    ``mapping`` makes w from z, and ``draw`` images from w: a linear layer draws the lowest size,
    and each level is a block that doubles the side. The last layer makes four pixels of each place
    (a pixel shuffle), which costs a quarter of one more level.

    Args:
        latent_dim: the number of dimensions of z.
        shape: (C, H, W) of the images.
        planes: how many planes there are at each size, from the lowest to H/2 × W/2.
        style: the number of dimensions of w.
        hidden: the width of the mapping's two hidden layers.
        seed: decides the first weights.

    Raises:
        ValueError: a number below 1, sides that the levels do not divide; in a pass, noise of
            another shape.

    Example:
        >>> import torch
        >>> from gantut.networks import StyleGenerator
        >>> G = StyleGenerator(8, (3, 32, 32), planes=(32, 16, 8))
        >>> w = G.mapping(torch.zeros(2, 8))
        >>> w.shape, G.draw(w).shape
        (torch.Size([2, 64]), torch.Size([2, 3, 32, 32]))
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Shape,
        *,
        planes: Sequence[int] = (96, 128, 96, 64),
        style: int = 64,
        hidden: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__()
        at_least(1, latent_dim=latent_dim, style=style, hidden=hidden, planes=min(planes))
        self.latent_dim, self.classes, self.shape = latent_dim, 0, check_sides(shape)
        channels, height, width = self.shape
        times = 2 ** len(planes)
        sides = f"sides of an image that {len(planes)} levels halve, multiples of {times}"
        expect(height % times == 0 == width % times, sides, f"{height}×{width}")
        self.lowest = (planes[0], height // times, width // times)
        with seeded(seed):
            self.mapping = nn.Sequential(
                nn.Linear(latent_dim, hidden),
                nn.LeakyReLU(LEAK),
                nn.Linear(hidden, hidden),
                nn.LeakyReLU(LEAK),
                output(nn.Linear(hidden, style)),
            )
            self.start = nn.Linear(style, self.lowest[0] * self.lowest[1] * self.lowest[2])
            self.blocks = nn.ModuleList(StyledBlock(a, b, style) for a, b in pairwise(planes))
            self.head = output(nn.Conv2d(planes[-1], 4 * channels, 3, padding=1))
            initialise(self)
            start_near_zero(self.head)
        for block in self.blocks:
            block.start_at_skip()  # type: ignore[operator]

    def forward(self, z: Tensor) -> Tensor:
        check_shape(z, (self.latent_dim,), "noise z")
        return self.draw(self.mapping(z))

    def draw(self, w: Tensor) -> Tensor:
        """The images of styles w, (N, style)."""
        h = self.start(w).reshape(-1, *self.lowest)
        for block in self.blocks:
            h = block(h, w)
        return F.pixel_shuffle(self.head(F.leaky_relu(h, LEAK)), 2).sigmoid()
