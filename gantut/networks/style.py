"""A generator with a style: what an image shall be is said once more at each size.

A small network first maps the noise z to a style w, and w scales and shifts the planes in every
block. So a decision such as a colour reaches all places at once, and what belongs together in the
images can lie along one direction of w, however the noise has to be bent for that. [karras2019]
"""

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from gantut.networks.initialisation import LEAK, initialise, output, seeded, start_near_zero
from gantut.networks.ladder import RepeatConv2d
from gantut.networks.shapes import Shape, check_sides
from gantut.numerics import at_least, check_shape, expect


class StyledNorm(nn.Module):
    """Normalises planes over the batch; then w says how large and how bright each one is.

    y = LeakyReLU(a_k(w) · (x − mean_k) / std_k + b_k(w)), with a and b affine in w; they begin near
    1 and 0. In evaluation mode means and deviations are running ones. [chen2019]

    Args:
        planes: how many there are.
        style: the number of dimensions of w.
    """

    def __init__(self, planes: int, style: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(planes, affine=False)
        self.affine = output(nn.Linear(style, 2 * planes))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        scale, shift = self.affine(w)[:, :, None, None].chunk(2, 1)
        return F.leaky_relu((1 + scale) * self.norm(x) + shift, LEAK)


class StyleGenerator(nn.Module):
    """Maps noise z (N, latent_dim) by way of a style w (N, style) to images (N, C, H, W) in [0, 1].

    ``mapping`` makes w from z, and ``draw`` images from w: a linear layer draws the lowest size,
    and each level repeats every place and convolves, as in ``ConvGenerator``.

    Args:
        latent_dim: the number of dimensions of z.
        shape: (C, H, W) of the images.
        planes: how many planes there are at each size, from the lowest to H × W.
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
        planes: Sequence[int] = (128, 128, 80, 48, 16),
        style: int = 64,
        hidden: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__()
        at_least(1, latent_dim=latent_dim, style=style, hidden=hidden, planes=min(planes))
        self.latent_dim, self.classes, self.shape = latent_dim, 0, check_sides(shape)
        channels, height, width = self.shape
        times = 2 ** (len(planes) - 1)
        sides = f"sides of an image that {len(planes) - 1} levels halve, multiples of {times}"
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
            self.start = output(nn.Linear(style, self.lowest[0] * self.lowest[1] * self.lowest[2]))
            self.norms = nn.ModuleList(StyledNorm(k, style) for k in planes)
            self.climbs = nn.ModuleList(output(RepeatConv2d(a, b)) for a, b in pairwise(planes))
            self.head = output(nn.Conv2d(planes[-1], channels, 3, padding=1))
            initialise(self)
            for norm in self.norms:
                start_near_zero(norm.affine)  # type: ignore[arg-type]

    def forward(self, z: Tensor) -> Tensor:
        check_shape(z, (self.latent_dim,), "noise z")
        return self.draw(self.mapping(z))

    def draw(self, w: Tensor) -> Tensor:
        """The images of styles w, (N, style)."""
        first, *norms = self.norms
        h = first(self.start(w).reshape(-1, *self.lowest), w)
        for climb, norm in zip(self.climbs, norms, strict=True):
            h = norm(climb(h), w)
        return self.head(h).sigmoid()
