"""The DCGAN pair as published: transposed convolutions, BatchNorm in both players, N(0, 0.02²) weights. [radford2016]

A transposed convolution with kernel k, stride s and padding p turns a side i into o = (i − 1)·s − 2p + k. With k = 4, s = 2, p = 1 the side
doubles: 1 → 4 → 8 → 16 → 32 → 64. Here the first layer draws the smallest size of the data, so that 28 = 7·2·2 works as well.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gantut.networks.initialisation import LEAK, initialise_dcgan, normalise_spectrally, seeded
from gantut.networks.shapes import append_label, check_latent_dim, check_shape, halvings


class DCGANGenerator(nn.Module):
    """Maps noise z (N, latent_dim) to images (N, C, H, W) in [0, 1].

    The paper ends in tanh, whose range is [−1, 1]. Our images live in [0, 1], and (tanh(h) + 1) / 2 = sigmoid(2h) is the same map.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: tuple[int, int, int],
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
            planes = width * 2 ** (levels - 1)
            layers: list[nn.Module] = [
                nn.ConvTranspose2d(latent_dim + classes, planes, (height, breadth), bias=False),
                nn.BatchNorm2d(planes),
                nn.ReLU(),
            ]
            for _ in range(levels - 1):
                layers += [
                    nn.ConvTranspose2d(planes, planes // 2, 4, 2, 1, bias=False),
                    nn.BatchNorm2d(planes // 2),
                    nn.ReLU(),
                ]
                planes //= 2
            layers += [nn.ConvTranspose2d(planes, self.shape[0], 4, 2, 1, bias=False)]
            self.layers = nn.Sequential(*layers)
            initialise_dcgan(self)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        check_shape(z, (self.latent_dim,), "codes z")
        h = self.layers(append_label(z, labels, self.classes)[:, :, None, None])
        return torch.sigmoid(2 * h)


class DCGANDiscriminator(nn.Module):
    """Maps images (N, C, H, W) in [0, 1] to one logit each, (N,). BatchNorm couples a batch, so never mix real and fake.

    The paper ends in a sigmoid; this network stops at the logit, and the losses take it from there. ``spectral_norm`` as in
    ``MLPDiscriminator``.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        width: int = 32,
        classes: int = 0,
        batch_norm: bool = True,
        spectral_norm: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape, self.classes = tuple(shape), classes
        levels, height, breadth = halvings(self.shape)
        with seeded(seed):
            layers: list[nn.Module] = []
            channels, planes = self.shape[0] + classes, width
            for level in range(levels):
                # The paper puts no BatchNorm on the discriminator's first layer.
                norm = batch_norm and level > 0
                layers.append(nn.Conv2d(channels, planes, 4, 2, 1, bias=not norm))
                if norm:
                    layers.append(nn.BatchNorm2d(planes))
                layers.append(nn.LeakyReLU(LEAK))
                channels, planes = planes, planes * 2
            layers += [nn.Conv2d(channels, 1, (height, breadth)), nn.Flatten(0)]
            self.layers = nn.Sequential(*layers)
            initialise_dcgan(self)
            if spectral_norm:
                normalise_spectrally(self)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        check_shape(x, self.shape, "images")
        return self.layers(append_label(2 * x - 1, labels, self.classes))
