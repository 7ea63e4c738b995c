"""The DCGAN pair as published: transposed convolutions, BatchNorm in both players, N(0, 0.02²)
weights. [radford2016]

A transposed convolution with kernel k, stride s and padding p turns a side i into
o = (i − 1)·s − 2p + k. With k = 4, s = 2, p = 1 the side doubles: 1 → 4 → 8 → 16 → 32 → 64. Here
the first layer draws the smallest size of the data, so that 28 = 7·2·2 works as well.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Unpack

import torch
from torch import Tensor, nn

from gantut.networks import base
from gantut.networks.base import Options
from gantut.networks.initialisation import LEAK, initialise_dcgan, seeded
from gantut.networks.ladder import IMAGES
from gantut.networks.shapes import Shape, append_label


def _levels(width: int, shape: Shape) -> tuple[list[int], tuple[int, int]]:
    """How many planes each level has, and the sides of the lowest."""
    levels = IMAGES.levels(shape)
    return [width * 2**k for k in range(len(levels))], (levels[-1][0], levels[-1][1])


class DCGANGenerator(base.Decoder):
    """Maps noise z (N, latent_dim) to images (N, C, H, W) in [0, 1].

    The paper ends in tanh, whose range is [−1, 1]. Our images live in [0, 1], and
    (tanh(h) + 1) / 2 = sigmoid(2h) is the same map.

    Args:
        latent_dim: the number of dimensions of z; 100 in the paper.
        shape: (C, H, W) of the images, with sides that can be halved down to 7 or less.
        width: the number of planes at half size; they double where the side halves.
        classes: with classes, labels (N,) enter as a one-hot code beside z; 0 takes no labels.
        seed: decides the first weights.

    Raises:
        ValueError: latent_dim below 1, or sides that cannot be halved; in a pass, noise of another
            shape, or labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import DCGANGenerator
        >>> DCGANGenerator(100, (3, 64, 64))(torch.zeros(2, 100)).shape
        torch.Size([2, 3, 64, 64])
    """

    def __init__(
        self, latent_dim: int, shape: Shape, *, width: int = 32, **options: Unpack[Options]
    ) -> None:
        def layers(values: int) -> list[nn.Module]:
            planes, sides = _levels(width, shape)
            first = nn.ConvTranspose2d(values, planes[-1], sides, bias=False)
            climb: list[nn.Module] = [nn.Unflatten(1, (-1, 1, 1)), first]
            for small, large in pairwise([*planes[::-1], shape[0]]):
                climb += [nn.BatchNorm2d(small), nn.ReLU()]
                climb += [nn.ConvTranspose2d(small, large, 4, 2, 1, bias=False)]
            return climb

        super().__init__((latent_dim,), shape, layers, **options)

    def begin(self) -> None:
        initialise_dcgan(self)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return torch.sigmoid(2 * super().forward(z, labels))


class DCGANDiscriminator(base.Reader):
    """Maps images (N, C, H, W) in [0, 1] to one logit each, (N,). Large is real.

    The images are centred inside, 2x − 1. The paper ends in a sigmoid; this network stops at the
    logit, and the losses take it from there. BatchNorm couples a batch, so never mix real and fake.

    Args:
        shape: (C, H, W) of the images, with sides that can be halved down to 7 or less.
        width: the number of planes at half size; they double where the side halves.
        classes: with classes, labels (N,) enter as constant planes beside the image; 0 takes none.
        seed: decides the first weights.

    Raises:
        ValueError: sides that cannot be halved; in a pass, images of another shape, or labels that
            do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import DCGANDiscriminator
        >>> DCGANDiscriminator((3, 64, 64))(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2])
    """

    def __init__(self, shape: Shape, *, width: int = 32, classes: int = 0, seed: int = 0) -> None:
        super().__init__(shape, classes)
        planes, sides = _levels(width, self.shape)
        with seeded(seed):
            layers: list[nn.Module] = []
            for large, small in pairwise([self.channels + classes, *planes]):
                # The paper puts no BatchNorm on the discriminator's first layer.
                norm = [nn.BatchNorm2d(small)] if layers else []
                layers += [nn.Conv2d(large, small, 4, 2, 1, bias=not norm), *norm]
                layers += [nn.LeakyReLU(LEAK)]
            last = nn.Conv2d(planes[-1], 1, sides)
            self.layers = nn.Sequential(*layers, last, nn.Flatten(0))
            initialise_dcgan(self)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.layers(append_label(self.centred(x), labels, self.classes))
