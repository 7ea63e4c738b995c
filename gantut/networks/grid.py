"""The ladder without its dense end: between an image and a grid of vectors. The ends of a VQ-VAE.

[oord2017]
"""

from __future__ import annotations

from typing import Unpack

from torch import Tensor, nn

from gantut.networks import base
from gantut.networks.base import Options
from gantut.networks.initialisation import initialise, output, seeded
from gantut.networks.ladder import IMAGES
from gantut.networks.shapes import Shape, append_label
from gantut.numerics import at_least


class GridEncoder(base.Reader):
    """Maps images (N, C, H, W) in [0, 1] to a grid of vectors (N, dimension, h, w).

    Each vector answers for its part of the image: 28×28 pixels give 7×7 vectors. The images are
    centred inside, 2x − 1. The attribute ``grid`` is (dimension, h, w).

    Args:
        shape: (C, H, W) of the images, with sides that can be halved down to 7 or less.
        dimension: the length of each vector.
        width: the number of planes at half size; twice as many below.
        classes: with classes, labels (N,) enter as constant planes beside the image; 0 takes none.
        seed: decides the first weights.

    Raises:
        ValueError: dimension or width below 1, or sides that cannot be halved; in a pass, images of
            another shape, or labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import GridEncoder
        >>> GridEncoder((1, 28, 28), 4)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 4, 7, 7])
    """

    def __init__(
        self, shape: Shape, dimension: int, *, width: int = 32, classes: int = 0, seed: int = 0
    ) -> None:
        super().__init__(shape, classes)
        at_least(1, dimension=dimension)
        self.grid = (dimension, *IMAGES.levels(self.shape)[-1])
        with seeded(seed):
            self.body = IMAGES.down(self.channels + classes, width, self.shape)
            self.head = output(nn.Conv2d(IMAGES.widest * width, dimension, 1))
            initialise(self)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.head(self.body(append_label(self.centred(x), labels, self.classes)))


class GridDecoder(base.Decoder):
    """Maps a grid of vectors (N, dimension, h, w) to unbounded values (N, C, H, W).

    What the values mean is the likelihood's business: to a Bernoulli they are logits. Each level
    repeats every place and convolves, so that the first pictures have no checkerboard [odena2016].

    Args:
        dimension: the length of each vector.
        shape: (C, H, W) of the output, with sides that can be halved down to 7 or less.
        width: the number of planes before the last level; twice as many below.
        classes: with classes, labels (N,) enter as constant planes beside the grid; 0 takes none.
        seed: decides the first weights.

    Raises:
        ValueError: dimension or width below 1, or sides that cannot be halved; in a pass, a grid of
            another shape, or labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import GridDecoder
        >>> GridDecoder(4, (1, 28, 28))(torch.zeros(2, 4, 7, 7)).shape
        torch.Size([2, 1, 28, 28])
    """

    def __init__(
        self, dimension: int, shape: Shape, *, width: int = 32, **options: Unpack[Options]
    ) -> None:
        planes, *sides = IMAGES.bottom(width, shape)

        def layers(channels: int) -> list[nn.Module]:
            return [IMAGES.keep(channels, planes), *IMAGES.up(width, shape)]

        super().__init__((dimension, *sides), shape, layers, **options)
