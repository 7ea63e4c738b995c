"""The one convolutional stack of this room: a ladder down, from examples to few places with many
planes, and a ladder up, the same way back. Images and waves climb it alike.

On the way up a place is first *repeated* and then convolved [odena2016]. The usual alternatives, a
transposed convolution and PixelShuffle [shi2016], give each of the new places weights of its own,
and with random weights their differences are a checkerboard. By chapter 11's measure, where 1 is
the border between a smooth spectrum and a peak, this ladder begins at about 0.2 and PixelShuffle
above 10; after 150 steps of a GAN they are at 0.6 to 0.8 and 0.4 to 1.4. No promise, though: the
convolution sees other neighbours at even places than at odd ones, so training can still draw a
checkerboard, and will where the data have one. The price is a quarter of PixelShuffle's weights
for the same number of products.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from gantut.networks.initialisation import LEAK
from gantut.networks.shapes import Shape
from gantut.numerics import at_least


class Fold(nn.Module):
    """(N, C, f·T) → (N, f·C, T): moves f neighbours into f planes, as ``nn.PixelUnshuffle`` does
    for images. No number changes."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (-1, self.factor)).transpose(2, 3).flatten(1, 2)


class RepeatConv2d(nn.Conv2d):
    """Repeats each place 2×2 times and convolves with 3×3 weights, in 4/9 of the products.

    (N, planes, h, w) → (N, out, 2h, 2w). Of the nine weights around a new place, those on copies
    of one old place are summed first. The four sums that are left for each new place are a
    transposed convolution with a 4×4 kernel: the sum of the 3×3 kernel in its four positions.

    Args:
        planes: the number of planes that come in.
        out: the number of planes that go out.

    Example:
        >>> import torch
        >>> from gantut.networks.ladder import RepeatConv2d
        >>> layer, x = RepeatConv2d(3, 5), torch.randn(2, 3, 4, 4)
        >>> plain = nn.functional.conv2d(nn.Upsample(scale_factor=2)(x), layer.weight, padding=1)
        >>> torch.allclose(layer(x), plain + layer.bias[:, None, None], atol=1e-5)
        True
    """

    def __init__(self, planes: int, out: int) -> None:
        super().__init__(planes, out, 3, padding=1)

    def kernel(self) -> Tensor:
        """The weights of the transposed convolution, (planes, out, 4, 4)."""
        wide = F.pad(self.weight.flip(2, 3), (1, 1, 1, 1))
        rows = wide[:, :, 1:] + wide[:, :, :-1]
        return (rows[..., 1:] + rows[..., :-1]).transpose(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, self.kernel(), self.bias, stride=2, padding=1)


class Ladder(NamedTuple):
    """What differs between a ladder for images and one for waves.

    Args:
        data: what the examples are called in messages.
        sides: how their shape is written.
        convolution, norm, fold: the layers for this number of axes.
        factor: how much shorter each level makes a side.
        smallest: levels are added until no side is longer than this.
        widest: planes double from level to level, up to this many times the first width.
        kernel: the side of a convolution that keeps the size, an odd number.
        enlarge: ``enlarge(planes, out)`` makes the layers that repeat each place and convolve.
    """

    data: str
    sides: str
    convolution: type[nn.Conv1d] | type[nn.Conv2d]
    norm: type[nn.Module]
    fold: Callable[[int], nn.Module]
    factor: int
    smallest: int
    widest: int
    kernel: int
    enlarge: Callable[[int, int], list[nn.Module]]

    def levels(self, shape: Shape) -> list[Shape]:
        """The sides at each level, from the first to the lowest.

        Raises:
            ValueError: a shape of another number of axes, or a side that cannot be divided.

        Example:
            >>> IMAGES.levels((1, 28, 28))
            [(14, 14), (7, 7)]
        """
        if len(shape) != self.sides.count(",") + 1 or min(shape) < 1:
            raise ValueError(f"a network for {self.data} needs a shape {self.sides}, got {shape}")
        levels: list[Shape] = []
        sides = shape[1:]
        while max(sides) > self.smallest or not levels:
            if any(side % self.factor for side in sides):
                raise ValueError(
                    f"the sides of {self.data} must be divisible by {self.factor} until none is"
                    f" above {self.smallest}, got {'×'.join(map(str, shape[1:]))}"
                )
            sides = tuple(side // self.factor for side in sides)
            levels.append(sides)
        return levels

    def planes(self, width: int, shape: Shape) -> list[int]:
        """How many planes there are at each level, from the first to the lowest."""
        at_least(1, width=width)
        return [width * min(2**k, self.widest) for k in range(len(self.levels(shape)))]

    def bottom(self, width: int, shape: Shape) -> Shape:
        """The lowest level of the way up: its planes and sides."""
        return (self.planes(width, shape)[-1], *self.levels(shape)[-1])

    def keep(self, planes: int, out: int) -> nn.Module:
        """A convolution that keeps the size."""
        return self.convolution(planes, out, self.kernel, padding=self.kernel // 2)

    def down(self, channels: int, width: int, shape: Shape) -> nn.Sequential:
        """From examples with ``channels`` planes to ``widest``·width planes at the lowest level."""
        f, planes = self.factor, self.planes(width, shape)
        folded = channels * f ** (len(shape) - 1)
        layers = [self.fold(f), self.keep(folded, width), nn.LeakyReLU(LEAK)]
        for large, small in pairwise(planes):
            halving = self.convolution(large, small, 2 * f, stride=f, padding=f // 2)
            layers += [halving, nn.LeakyReLU(LEAK)]
        layers += [self.keep(planes[-1], self.widest * width), nn.LeakyReLU(LEAK)]
        return nn.Sequential(*layers)

    def up(self, width: int, shape: Shape, *, batch_norm: bool = False) -> list[nn.Module]:
        """From ``bottom``, before its activation, to unbounded examples of ``shape``."""
        layers: list[nn.Module] = []
        for planes, out in pairwise([*self.planes(width, shape)[::-1], shape[0]]):
            layers += [self.norm(planes)] if batch_norm else []
            layers += [nn.LeakyReLU(LEAK), *self.enlarge(planes, out)]
        return layers


IMAGES: Ladder = Ladder(
    *("images", "(C, H, W)", nn.Conv2d, nn.BatchNorm2d, nn.PixelUnshuffle, 2, 7),
    widest=2,
    kernel=3,
    enlarge=lambda planes, out: [RepeatConv2d(planes, out)],
)
# A wave has many samples and little change from one to the next: levels are far apart and kernels
# are long. [donahue2019]
WAVES: Ladder = Ladder(
    *("waves", "(C, T)", nn.Conv1d, nn.BatchNorm1d, Fold, 4, 16),
    widest=4,
    kernel=9,
    enlarge=lambda planes, out: [nn.Upsample(scale_factor=4), WAVES.keep(planes, out)],
)
