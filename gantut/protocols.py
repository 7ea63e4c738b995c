"""What a network of yours has to be: four protocols, any of which a plain ``nn.Module`` can fulfil.

No base class and no attribute is needed. The library's own networks carry ``shape``, ``latent_dim``
and ``classes``, which are then checked against each other; where a network lacks them, the trainer
is told (``latent_dim=``, ``classes=``), or the first batch tells.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Generator(Protocol):
    """Noise z (N, latent_dim), and labels (N,) where there are classes, to examples (N, *shape)."""

    def __call__(self, z: Tensor, labels: Tensor | None = None, /) -> Tensor: ...


class Discriminator(Protocol):
    """Examples (N, *shape), and labels (N,) where there are classes, to one logit each, (N,).

    A logit is unbounded: no sigmoid at the end. Large is real.
    """

    def __call__(self, x: Tensor, labels: Tensor | None = None, /) -> Tensor: ...


class Encoder(Protocol):
    """Examples (N, *shape) to the mean and the log-variance of q(z|x), each (N, latent_dim)."""

    def __call__(self, x: Tensor, labels: Tensor | None = None, /) -> tuple[Tensor, Tensor]: ...


class Decoder(Protocol):
    """Codes z (N, latent_dim) to the parameters of p(x|z), (N, outputs·C, …), unbounded.

    What the parameters mean is the likelihood's business: a Bernoulli reads one logit a pixel.
    """

    def __call__(self, z: Tensor, labels: Tensor | None = None, /) -> Tensor: ...
