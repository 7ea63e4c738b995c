"""Small convolutional networks for images. Sides are halved until they are 7 or less: 28 → 14 → 7.

How they climb is written once, in ``gantut.networks.ladder``.
"""

import math
from typing import ClassVar, Unpack

from torch import nn

from gantut.networks import base
from gantut.networks.base import Judging, Options
from gantut.networks.ladder import IMAGES, Ladder
from gantut.networks.shapes import Shape


class Drawing(Options, total=False):
    """What a generator takes as its decoder does."""

    width: int


class ConvDecoder(base.Decoder):
    """Maps codes z (N, latent_dim) to unbounded values (N, C, H, W), one for each pixel.

    What the values mean is the likelihood's business: to a Bernoulli they are logits. A linear
    layer draws the smallest size; each level repeats every pixel and convolves, so that the first
    pictures have no checkerboard [odena2016].

    Args:
        latent_dim: the number of dimensions of z.
        shape: (C, H, W) of the output, with sides that can be halved down to 7 or less.
        width: the number of planes before the last level; twice as many below. More draw finer
            images, in more time.
        classes: with classes, labels (N,) enter as a one-hot code beside z; 0 takes no labels.
        batch_norm: normalise each plane over the batch. It speeds up training, and couples the
            examples of a batch while the network is in training mode.
        seed: decides the first weights.

    Raises:
        ValueError: latent_dim or width below 1, or sides that cannot be halved; in a pass, codes of
            another shape, or labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import ConvDecoder
        >>> ConvDecoder(8, (1, 28, 28))(torch.zeros(2, 8)).shape
        torch.Size([2, 1, 28, 28])
    """

    ladder: ClassVar[Ladder] = IMAGES

    def __init__(
        self,
        latent_dim: int,
        shape: Shape,
        *,
        width: int = 32,
        batch_norm: bool = False,
        **options: Unpack[Options],
    ) -> None:
        def layers(values: int) -> list[nn.Module]:
            bottom = self.ladder.bottom(width, shape)
            first = [nn.Linear(values, math.prod(bottom)), nn.Unflatten(1, bottom)]
            return [*first, *self.ladder.up(width, shape, batch_norm=batch_norm)]

        super().__init__((latent_dim,), shape, layers, **options)


class ConvGenerator(ConvDecoder):
    """Maps noise z (N, latent_dim) to images (N, C, H, W) in [0, 1]: a decoder with a sigmoid.

    Args:
        latent_dim: the number of dimensions of z.
        shape: (C, H, W) of the images, with sides that can be halved down to 7 or less.
        batch_norm: normalise each plane over the batch; on, since a generator learns faster so.
        width: the number of planes before the last level, 32; twice as many below.
        classes: with classes, labels (N,) enter as a one-hot code beside z; 0 takes no labels.
        seed: decides the first weights, 0.

    Raises:
        ValueError: latent_dim or width below 1, or sides that cannot be halved; in a pass, noise of
            another shape, or labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import ConvGenerator
        >>> G = ConvGenerator(8, (3, 64, 64), classes=2)
        >>> images = G(torch.zeros(2, 8), torch.tensor([0, 1]))
        >>> images.shape, bool(0 <= images.min() <= images.max() <= 1)
        (torch.Size([2, 3, 64, 64]), True)
    """

    output = "sigmoid"

    def __init__(
        self, latent_dim: int, shape: Shape, *, batch_norm: bool = True, **options: Unpack[Drawing]
    ) -> None:
        super().__init__(latent_dim, shape, batch_norm=batch_norm, **options)


class ConvDiscriminator(base.Discriminator):
    """Maps images (N, C, H, W) in [0, 1] to one logit each, (N,). Large is real.

    The images are centred inside, 2x − 1. There is no BatchNorm: each logit depends on its image
    alone, which penalties on the slope rely on.

    Args:
        shape: (C, H, W) of the images, with sides that can be halved down to 7 or less.
        width: the number of planes at half size; twice as many below.
        classes: with classes, D judges an image together with its label (N,): the logit gains the
            inner product of the last hidden layer with a learned vector of the class
            [miyato2018projection]; 0 takes no labels.
        spectral_norm: divide each weight by its largest singular value, so that no layer stretches
            by more than 1 [miyato2018].
        minibatch_stddev: show D how much the images of a group of four differ [karras2018].
        seed: decides the first weights.

    Raises:
        ValueError: a width below 1, or sides that cannot be halved; in a pass, images of another
            shape, or labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import ConvDiscriminator
        >>> ConvDiscriminator((1, 28, 28))(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2])
    """

    ladder: ClassVar[Ladder] = IMAGES

    def __init__(self, shape: Shape, *, width: int = 32, **options: Unpack[Judging]) -> None:
        super().__init__(
            shape, lambda channels: self.ladder.down(channels, width, shape), **options
        )


class ConvEncoder(base.Encoder):
    """Maps images (N, C, H, W) in [0, 1] to the mean and the log-variance of q(z|x).

    Both are (N, latent_dim). The images are centred inside, 2x − 1. The last layer's weights begin
    small, so that q(z|x) starts close to the prior N(0, I).

    Args:
        shape: (C, H, W) of the images, with sides that can be halved down to 7 or less.
        latent_dim: the number of dimensions of z.
        width: the number of planes at half size; twice as many below.
        classes: with classes, labels (N,) enter as constant planes beside the image; 0 takes none.
        seed: decides the first weights.

    Raises:
        ValueError: latent_dim or width below 1, or sides that cannot be halved; in a pass, images
            of another shape, or labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import ConvEncoder
        >>> mean, log_variance = ConvEncoder((1, 28, 28), 8)(torch.zeros(2, 1, 28, 28))
        >>> mean.shape, log_variance.shape
        (torch.Size([2, 8]), torch.Size([2, 8]))
    """

    ladder: ClassVar[Ladder] = IMAGES

    def __init__(
        self, shape: Shape, latent_dim: int, *, width: int = 32, **options: Unpack[Options]
    ) -> None:
        super().__init__(
            shape, latent_dim, lambda channels: self.ladder.down(channels, width, shape), **options
        )
