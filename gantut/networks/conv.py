"""Small convolutional networks for images of any size that can be halved down to 7 or less.

Half of the resizing moves no number: PixelShuffle turns four channels into one channel of twice the side, PixelUnshuffle the reverse.
It is cheap, and unlike a strided transposed convolution it leaves no checkerboard pattern. [shi2016, odena2016]
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gantut.networks.conditioning import MinibatchStddev, create_head
from gantut.networks.initialisation import (
    LEAK,
    initialise,
    normalise_spectrally,
    seeded,
    start_at_prior,
)
from gantut.networks.shapes import append_label, check_latent_dim, check_shape, halvings


def _activated(layer: nn.Module, channels: int, batch_norm: bool) -> list[nn.Module]:
    norm: list[nn.Module] = [nn.BatchNorm2d(channels)] if batch_norm else []
    return [layer, *norm, nn.LeakyReLU(LEAK)]


class ConvDecoder(nn.Module):
    """Maps codes z (N, latent_dim) to unbounded values (N, C, H, W): the parameters of a likelihood, one per pixel.

    A linear layer draws ``width`` planes at the smallest size; each level doubles the side. With ``classes`` the label enters as a
    one-hot code beside z.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: tuple[int, int, int],
        *,
        width: int = 32,
        classes: int = 0,
        batch_norm: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.latent_dim, self.shape, self.classes = (
            check_latent_dim(latent_dim),
            tuple(shape),
            classes,
        )
        levels, height, breadth = halvings(self.shape)
        with seeded(seed):
            layers: list[nn.Module] = [nn.Linear(latent_dim + classes, width * height * breadth)]
            layers += _activated(nn.Unflatten(1, (width, height, breadth)), width, batch_norm)
            for _ in range(levels - 1):
                # 2·width planes become width / 2 planes of twice the side.
                layers += [nn.Conv2d(width, 2 * width, 3, padding=1)]
                layers += _activated(nn.PixelShuffle(2), width // 2, batch_norm)
                layers += _activated(nn.Conv2d(width // 2, width, 3, padding=1), width, batch_norm)
            head = nn.Conv2d(width, 4 * self.shape[0], 3, padding=1)
            self.layers = nn.Sequential(*layers, head, nn.PixelShuffle(2))
            initialise(self, outputs=(head,))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        check_shape(z, (self.latent_dim,), "codes z")
        return self.layers(append_label(z, labels, self.classes))


class ConvGenerator(nn.Module):
    """A decoder with a sigmoid at its end: maps noise z (N, latent_dim) to images (N, C, H, W) in [0, 1].

    Options as in ``ConvDecoder``; BatchNorm is on unless switched off.
    """

    def __init__(
        self, latent_dim: int, shape: tuple[int, int, int], *, batch_norm: bool = True, **options
    ) -> None:
        super().__init__()
        self.decoder = ConvDecoder(latent_dim, shape, batch_norm=batch_norm, **options)
        self.latent_dim, self.shape, self.classes = (
            latent_dim,
            self.decoder.shape,
            self.decoder.classes,
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return torch.sigmoid(self.decoder(z, labels))


def _downward(
    channels: int, levels: int, width: int, *, minibatch_stddev: bool = False
) -> nn.Sequential:
    """Halve the side ``levels`` times and end with 2·width planes; ``minibatch_stddev`` goes before the last convolution."""
    layers: list[nn.Module] = [nn.PixelUnshuffle(2)]
    layers += _activated(nn.Conv2d(4 * channels, width, 3, padding=1), width, False)
    planes = width
    for _ in range(levels - 1):
        layers += _activated(nn.Conv2d(planes, 2 * width, 4, stride=2, padding=1), 2 * width, False)
        planes = 2 * width
    if minibatch_stddev:
        layers.append(MinibatchStddev())
        planes += 1
    layers += _activated(nn.Conv2d(planes, 2 * width, 3, padding=1), 2 * width, False)
    return nn.Sequential(*layers, nn.Flatten())


class ConvDiscriminator(nn.Module):
    """Maps images (N, C, H, W) in [0, 1], centred inside, to one logit each, (N,). No BatchNorm: each logit depends on its image alone.

    ``spectral_norm``, ``minibatch_stddev``, ``classes`` and ``conditioning`` as in ``MLPDiscriminator``.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        width: int = 32,
        classes: int = 0,
        conditioning: str = "projection",
        spectral_norm: bool = False,
        minibatch_stddev: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape, self.classes = tuple(shape), classes
        levels, height, breadth = halvings(self.shape)
        with seeded(seed):
            self.body = _downward(self.shape[0], levels, width, minibatch_stddev=minibatch_stddev)
            self.head = create_head(conditioning, 2 * width * height * breadth, classes)
            initialise(self, outputs=self.head.outputs)
            if spectral_norm:
                normalise_spectrally(self)

    def features(self, x: Tensor) -> Tensor:
        """The last hidden layer, flattened, (N, 2·width·h·w)."""
        check_shape(x, self.shape, "images")
        return self.body(2 * x - 1)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.head(self.features(x), labels)


class ConvEncoder(nn.Module):
    """Maps images (N, C, H, W) in [0, 1], centred inside, to the mean and the log-variance of q(z|x), each (N, latent_dim).

    With ``classes`` the label enters as constant planes beside the image.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        latent_dim: int,
        *,
        width: int = 32,
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
        with seeded(seed):
            self.body = _downward(self.shape[0] + classes, levels, width)
            self.head = nn.Linear(2 * width * height * breadth, 2 * latent_dim)
            initialise(self, outputs=(self.head,))
            start_at_prior(self.head)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_shape(x, self.shape, "images")
        h = self.body(append_label(2 * x - 1, labels, self.classes))
        mean, log_variance = self.head(h).chunk(2, dim=1)
        return mean, log_variance
