"""The variational autoencoder: an encoder, a decoder, a likelihood and a prior, put together into distributions.

[kingma2014, rezende2014]
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from gantut.models.likelihoods import decoder_shape, likelihood as likelihood_named
from gantut.models.priors import StandardNormalPrior, diagonal_normal, draw
from gantut.numerics import full
from gantut.processes import drawn


class VAEOutput(NamedTuple):
    """What one pass through a VAE gives: three distributions over single examples, and one draw.

    ``posterior`` is q(z|x), ``prior`` is p(z), both over codes (latent_dim,); ``z`` is a draw from the posterior, (N, latent_dim);
    ``likelihood`` is p(x|z) at that draw, over whole examples. With K draws per example ``z`` is (K, N, latent_dim), and the likelihood's
    batch shape is (K, N).
    """

    posterior: Distribution
    prior: Distribution
    z: Tensor
    likelihood: Distribution


class VAE(nn.Module):
    """An encoder q(z|x), a decoder p(x|z) and a prior p(z), joined by one pass.

    ``likelihood`` is a name of ``LIKELIHOODS`` or a module from decoder outputs to a distribution over examples; ``prior`` is a module of
    ``gantut.models.priors``, N(0, I) unless given.

    Raises:
        ValueError: the likelihood's name is unknown, or encoder and decoder disagree on latent_dim, shape or classes.
    """

    def __init__(
        self,
        encoder: Any,
        decoder: Any,
        likelihood: str | nn.Module = "bernoulli",
        *,
        prior: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.likelihood = likelihood_named(likelihood)
        wanted = decoder_shape(self.likelihood, encoder.shape)
        for attribute, ours in (
            ("latent_dim", encoder.latent_dim),
            ("classes", encoder.classes),
            ("shape", wanted),
        ):
            theirs = getattr(decoder, attribute)
            if ours != theirs:
                needs = f" (this likelihood reads {self.likelihood.outputs} numbers per value)" * (
                    attribute == "shape" and wanted != encoder.shape
                )
                raise ValueError(
                    f"encoder and decoder disagree on {attribute}: {ours}{needs} and {theirs}"
                )
        self.encoder, self.decoder = encoder, decoder
        self.code_prior = StandardNormalPrior() if prior is None else prior
        if encoder.classes and not isinstance(self.code_prior, StandardNormalPrior):
            raise ValueError(
                "a learned prior of a conditional VAE is not supported; use the standard normal"
            )
        self.latent_dim: int = encoder.latent_dim
        self.shape: tuple[int, ...] = encoder.shape
        self.classes: int = encoder.classes

    def encode(self, x: Tensor, labels: Tensor | None = None) -> Distribution:
        """q(z|x), a distribution over codes (latent_dim,) with batch shape (N,)."""
        return diagonal_normal(*self.encoder(x, labels))

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Distribution:
        """p(x|z), a distribution over examples of ``shape``; codes (N, latent_dim) or (K, N, latent_dim) give that batch shape."""
        batch = z.shape[:-1]
        if labels is not None and len(batch) > 1:
            labels = labels.expand(batch).flatten()
        parameters = full(self.decoder(z.flatten(0, -2), labels))
        return self.likelihood(parameters.unflatten(0, batch), len(batch))

    def forward(
        self,
        x: Tensor,
        labels: Tensor | None = None,
        *,
        samples: int | None = None,
        generator: torch.Generator | None = None,
    ) -> VAEOutput:
        """Encode, draw a code by the reparameterisation z = μ + σ ⊙ ε with ε ~ N(0, I), decode; ``samples`` asks for K draws.

        Raises:
            ValueError: K is below 1.
        """
        if samples is not None and samples < 1:
            raise ValueError(f"samples must be at least 1, got {samples}")
        posterior = self.encode(x, labels)
        mean, sigma = posterior.mean, posterior.stddev
        size, rows = (mean.shape, 0) if samples is None else ((samples, *mean.shape), 1)
        # torch.distributions can only draw from the global generator; the noise is ours to seed.
        noise = drawn(
            torch.randn, size, rows=rows, generator=generator, device=mean.device, dtype=mean.dtype
        )
        z = mean + sigma * noise
        return VAEOutput(posterior, self.prior(z), z, self.decode(z, labels))

    def prior(self, z: Tensor) -> Distribution:
        """p(z) over codes shaped like ``z``, on its device and in its precision."""
        return self.code_prior(z, self.encode)

    @torch.no_grad()
    def sample(
        self, n: int, labels: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """The means of p(x|z) for ``n`` codes drawn from the prior, (n, *shape)."""
        like = next(self.parameters())
        prior = self.prior(torch.zeros(self.latent_dim, device=like.device, dtype=like.dtype))
        return self.decode(draw(prior, n, generator), labels).mean

    @torch.no_grad()
    def reconstruct(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """The mean of p(x|z) at the posterior's mean, (N, *shape)."""
        return self.decode(self.encode(x, labels).mean, labels).mean
