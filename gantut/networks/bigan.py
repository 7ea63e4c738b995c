"""A discriminator of pairs (x, z), for models that infer codes adversarially. [donahue2017, dumoulin2017]"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gantut.networks.conditioning import ProjectionHead
from gantut.networks.initialisation import LEAK, initialise, normalise_spectrally, seeded
from gantut.networks.shapes import check_latent_dim, check_shape


class PairDiscriminator(nn.Module):
    """Maps examples x (N, *shape) and codes z (N, latent_dim) to one logit a pair, (N,).

    The ``features`` of another discriminator of x, whose head is left out, and z pass together through layers of the widths in ``hidden``.
    ``classes`` and ``spectral_norm`` as in ``MLPDiscriminator``; the given network brings its own.

    Raises:
        ValueError: the given discriminator has no features; in the pass: x or z of another shape, or as many examples as codes are missing.
    """

    def __init__(
        self,
        discriminator: Any,
        latent_dim: int,
        *,
        hidden: Sequence[int] = (256,),
        spectral_norm: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not hasattr(discriminator, "features"):
            raise ValueError(
                f"{type(discriminator).__name__} has no features(x) to pair with a code"
            )
        self.shape, self.classes = discriminator.shape, discriminator.classes
        self.latent_dim = check_latent_dim(latent_dim)
        self.examples = discriminator
        # The other network's own logit is not used, and weights without a gradient would only puzzle.
        features = discriminator.head.linear.in_features
        discriminator.head = nn.Identity()
        with seeded(seed):
            layers: list[nn.Module] = []
            width = features + latent_dim
            for out in hidden:
                layers += [nn.Linear(width, out), nn.LeakyReLU(LEAK)]
                width = out
            self.body = nn.Sequential(*layers)
            self.head = ProjectionHead(width, self.classes)
            for part in (self.body, self.head):
                initialise(part, outputs=self.head.outputs)
                if spectral_norm:
                    normalise_spectrally(part)

    def forward(self, x: Tensor, z: Tensor, labels: Tensor | None = None) -> Tensor:
        check_shape(z, (self.latent_dim,), "codes z")
        if len(x) != len(z):
            raise ValueError(f"expected as many codes as examples, got {len(z)} and {len(x)}")
        h = self.body(torch.cat([self.examples.features(x), z], dim=1))
        return self.head(h, labels)
