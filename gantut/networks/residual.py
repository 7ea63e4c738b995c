"""Residual networks for images: each block adds a correction to its resized input, and the correction begins at zero.

A block computes y = skip(x) + branch(x). The branch is activation, convolution, resizing, activation, convolution: "pre-activation"
[he2016]. Its last convolution begins with zero weights, so that every block begins as its skip, and no depth makes a signal vanish or
explode before training has begun [zhang2019]. There is no BatchNorm: each output depends on its own input alone, which penalties on the
slope rely on [mescheder2018].
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantut.networks.conditioning import MinibatchStddev, create_head
from gantut.networks.initialisation import LEAK, initialise, normalise_spectrally, seeded
from gantut.networks.shapes import append_label, check_latent_dim, check_shape, halvings

# Doubling each pixel and averaging four are adjoint up to a factor 4, and the second undoes the first.
RESIZE: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "up": lambda x: F.interpolate(x, scale_factor=2, mode="nearest"),
    "down": lambda x: F.avg_pool2d(x, 2),
}
WIDEST = 8  # planes double where the side halves, up to this many times ``width``


class ResidualBlock(nn.Module):
    """Maps planes (N, planes, h, w) to (N, out, h′, w′): y = skip(x) + branch(x).

    ``resize`` is ``"up"`` (each pixel becomes four equal ones), ``"down"`` (four pixels become their mean) or ``"none"``; in the branch it
    sits between the convolutions. The skip is the resized input, through a 1×1 convolution where the number of planes changes.
    ``start_at_skip`` sets the branch's last convolution to zero, so that y = skip(x).

    Raises:
        ValueError: an unknown ``resize``.
    """

    def __init__(self, planes: int, out: int, *, resize: str = "none") -> None:
        super().__init__()
        if resize not in RESIZE:
            raise ValueError(f"unknown resize {resize!r}; known: {', '.join(RESIZE)}")
        self.resize, self.grows = RESIZE[resize], resize == "up"
        self.first = nn.Conv2d(planes, out, 3, padding=1)
        self.last = nn.Conv2d(out, out, 3, padding=1)
        self.match = nn.Identity() if planes == out else nn.Conv2d(planes, out, 1, bias=False)

    @torch.no_grad()
    def start_at_skip(self) -> None:
        """Set the branch's last convolution to zero."""
        self.last.weight.zero_()
        if self.last.bias is not None:
            self.last.bias.zero_()

    def skip(self, x: Tensor) -> Tensor:
        # The 1×1 convolution and the resizing commute; at the smaller size it costs a quarter.
        return self.resize(self.match(x)) if self.grows else self.match(self.resize(x))

    def branch(self, x: Tensor) -> Tensor:
        h = self.resize(self.first(F.leaky_relu(x, LEAK)))
        return self.last(F.leaky_relu(h, LEAK))

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.branch(x)


def _planes(width: int, levels: int) -> list[int]:
    """How many planes there are at each size, from the largest to the smallest."""
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
    return [width * min(2**level, WIDEST) for level in range(levels + 1)]


def _start(network: nn.Module, outputs: tuple[nn.Module, ...], *, at_skip: bool = True) -> None:
    """Draw all weights; the 1×1 convolutions of the skips feed no activation, and the branches begin at zero."""
    blocks = [module for module in network.modules() if isinstance(module, ResidualBlock)]
    initialise(network, outputs=(*outputs, *(block.match for block in blocks)))
    for block in blocks:
        if at_skip:
            block.start_at_skip()


class ResidualGenerator(nn.Module):
    """Maps noise z (N, latent_dim) to images (N, C, H, W) in [0, 1].

    A linear layer draws the smallest size; each level is a block that doubles the side, and ``blocks`` − 1 that keep it. ``width`` is the
    number of planes at full size. With ``classes`` the label enters as a one-hot code beside z.

    Raises:
        ValueError: a width or a number of blocks below 1, or arguments as in ``ConvGenerator``.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: tuple[int, int, int],
        *,
        width: int = 16,
        blocks: int = 1,
        classes: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.latent_dim, self.shape, self.classes = (
            check_latent_dim(latent_dim),
            tuple(shape),
            classes,
        )
        levels, height, breadth = halvings(self.shape)
        planes = _planes(width, levels)
        with seeded(seed):
            layers: list[nn.Module] = [
                nn.Linear(latent_dim + classes, planes[-1] * height * breadth),
                nn.Unflatten(1, (planes[-1], height, breadth)),
            ]
            for small, large in zip(planes[:0:-1], planes[-2::-1], strict=True):
                layers += _level(small, large, "up", blocks)
            head = nn.Conv2d(width, self.shape[0], 3, padding=1)
            self.layers = nn.Sequential(*layers, nn.LeakyReLU(LEAK), head)
            _start(self, outputs=(head,))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        check_shape(z, (self.latent_dim,), "codes z")
        return torch.sigmoid(self.layers(append_label(z, labels, self.classes)))


class ResidualDiscriminator(nn.Module):
    """Maps images (N, C, H, W) in [0, 1], centred inside, to one logit each, (N,).

    Each level is a block that halves the side, and ``blocks`` − 1 that keep it; ``width`` is the number of planes at full size.
    ``spectral_norm``, ``minibatch_stddev``, ``classes`` and ``conditioning`` as in ``MLPDiscriminator``. A normalised weight cannot be
    zero, so with ``spectral_norm`` the branches begin at random.

    Raises:
        ValueError: as ``ResidualGenerator`` and ``ConvDiscriminator``.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        width: int = 16,
        blocks: int = 1,
        classes: int = 0,
        conditioning: str = "projection",
        spectral_norm: bool = False,
        minibatch_stddev: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape, self.classes = tuple(shape), classes
        levels, height, breadth = halvings(self.shape)
        planes = _planes(width, levels)
        with seeded(seed):
            layers: list[nn.Module] = [nn.Conv2d(self.shape[0], width, 3, padding=1)]
            for large, small in zip(planes[:-1], planes[1:], strict=True):
                layers += _level(large, small, "down", blocks)
            if minibatch_stddev:
                layers += [MinibatchStddev(), nn.Conv2d(planes[-1] + 1, planes[-1], 3, padding=1)]
            self.body = nn.Sequential(*layers, nn.LeakyReLU(LEAK), nn.Flatten())
            self.head = create_head(conditioning, planes[-1] * height * breadth, classes)
            _start(self, outputs=(layers[0], *self.head.outputs), at_skip=not spectral_norm)
            if spectral_norm:
                normalise_spectrally(self)

    def features(self, x: Tensor) -> Tensor:
        """The last hidden layer, flattened, (N, planes·h·w)."""
        check_shape(x, self.shape, "images")
        return self.body(2 * x - 1)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.head(self.features(x), labels)


def _level(planes: int, out: int, resize: str, blocks: int) -> list[nn.Module]:
    """The blocks of one level: one that resizes, the others that keep the size."""
    if blocks < 1:
        raise ValueError(f"a level needs at least one block, got {blocks}")
    return [
        ResidualBlock(planes, out, resize=resize),
        *(ResidualBlock(out, out) for _ in range(blocks - 1)),
    ]
