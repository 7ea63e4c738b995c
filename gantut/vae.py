"""The variational autoencoder: an encoder, a decoder and a likelihood, put together into distributions. [kingma2014, rezende2014]"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, ContinuousBernoulli, Distribution, Independent, Normal


class VAEOutput(NamedTuple):
    """What one pass through a VAE gives: three distributions over single examples, and one draw.

    ``posterior`` is q(z|x), ``prior`` is p(z), both over codes (latent_dim,); ``z`` is a draw from the posterior, (N, latent_dim);
    ``likelihood`` is p(x|z) at that draw, over whole examples.
    """

    posterior: Distribution
    prior: Distribution
    z: Tensor
    likelihood: Distribution


class BernoulliLikelihood(nn.Module):
    """Each pixel is a coin with logit ``parameters``: log p = x log p̂ + (1 − x) log(1 − p̂).

    Pixels strictly between 0 and 1 are accepted, as is common; the value is then a cross-entropy and no normalised log-density. The
    continuous Bernoulli repairs that. [loaiza2019]
    """

    pixels_in_unit_interval = True

    def forward(self, parameters: Tensor) -> Distribution:
        return Independent(Bernoulli(logits=parameters, validate_args=False), parameters.ndim - 1)


class ContinuousBernoulliLikelihood(nn.Module):
    """The density on [0, 1] proportional to p̂ˣ(1 − p̂)¹⁻ˣ, with its normalising constant. [loaiza2019]"""

    pixels_in_unit_interval = True

    def forward(self, parameters: Tensor) -> Distribution:
        return Independent(ContinuousBernoulli(logits=parameters, validate_args=False), parameters.ndim - 1)


class GaussianLikelihood(nn.Module):
    """Each pixel is normal around its decoded value with one standard deviation σ for all: fixed, or learned with the networks.

    With ``in_unit_interval`` (for images) the mean is the sigmoid of the decoded value; without it (for points) the value itself.
    A fixed σ of 1 is what "mean squared error" silently assumes, up to a factor ½.

    Raises:
        ValueError: σ is not positive.
    """

    pixels_in_unit_interval = False

    def __init__(self, sigma: float = 1.0, *, learned: bool = False, in_unit_interval: bool = True) -> None:
        super().__init__()
        if not (math.isfinite(sigma) and sigma > 0):
            raise ValueError(f"sigma must be a finite number > 0, got {sigma}")
        self.in_unit_interval = in_unit_interval
        self.log_sigma = nn.Parameter(torch.tensor(math.log(sigma)), requires_grad=learned)

    def forward(self, parameters: Tensor) -> Distribution:
        mean = torch.sigmoid(parameters) if self.in_unit_interval else parameters
        sigma = self.log_sigma.exp().expand_as(mean)
        return Independent(Normal(mean, sigma, validate_args=False), mean.ndim - 1)


LIKELIHOODS: dict[str, Callable[[], nn.Module]] = {
    "bernoulli": BernoulliLikelihood,
    "continuous_bernoulli": ContinuousBernoulliLikelihood,
    "gaussian": GaussianLikelihood,
    "gaussian_learned": lambda: GaussianLikelihood(0.3, learned=True),
}


def diagonal_normal(mean: Tensor, log_variance: Tensor) -> Distribution:
    """N(μ, diag σ²) over single codes, from μ and log σ², each (N, latent_dim). σ = exp(½ log σ²), not log σ² itself."""
    return Independent(Normal(mean, (0.5 * log_variance).exp(), validate_args=False), 1)


class VAE(nn.Module):
    """An encoder q(z|x), a decoder p(x|z) and the prior N(0, I), joined by one pass.

    ``likelihood`` is a name of ``LIKELIHOODS`` or a module from decoder outputs to a distribution over examples.

    Raises:
        ValueError: the likelihood's name is unknown, or encoder and decoder disagree on latent_dim, shape or classes.
    """

    def __init__(self, encoder: Any, decoder: Any, likelihood: str | nn.Module = "bernoulli") -> None:
        super().__init__()
        for attribute in ("latent_dim", "shape", "classes"):
            ours, theirs = getattr(encoder, attribute), getattr(decoder, attribute)
            if ours != theirs:
                raise ValueError(f"encoder and decoder disagree on {attribute}: {ours} and {theirs}")
        if isinstance(likelihood, str):
            if likelihood not in LIKELIHOODS:
                raise ValueError(f"unknown likelihood {likelihood!r}; known: {', '.join(LIKELIHOODS)}")
            likelihood = LIKELIHOODS[likelihood]()
        self.encoder, self.decoder, self.likelihood = encoder, decoder, likelihood
        self.latent_dim: int = decoder.latent_dim
        self.shape: tuple[int, ...] = decoder.shape
        self.classes: int = decoder.classes

    def encode(self, x: Tensor, labels: Tensor | None = None) -> Distribution:
        """q(z|x), a distribution over codes (latent_dim,) with batch shape (N,)."""
        return diagonal_normal(*self.encoder(x, labels))

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Distribution:
        """p(x|z), a distribution over examples of ``shape`` with batch shape (N,)."""
        return self.likelihood(self.decoder(z, labels))

    def forward(
        self, x: Tensor, labels: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> VAEOutput:
        """Encode, draw one code by the reparameterisation z = μ + σ ⊙ ε with ε ~ N(0, I), decode."""
        posterior = self.encode(x, labels)
        mean, sigma = posterior.mean, posterior.stddev
        # torch.distributions can only draw from the global generator; the noise is ours to seed.
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        z = mean + sigma * noise
        return VAEOutput(posterior, self.prior(z), z, self.decode(z, labels))

    def prior(self, z: Tensor) -> Distribution:
        """p(z) = N(0, I) with batch shape (N,), on the device and in the precision of ``z``."""
        return diagonal_normal(torch.zeros_like(z), torch.zeros_like(z))

    @torch.no_grad()
    def sample(self, n: int, labels: Tensor | None = None, *, generator: torch.Generator | None = None) -> Tensor:
        """The means of p(x|z) for ``n`` codes drawn from the prior, (n, *shape)."""
        like = next(self.parameters())
        z = torch.randn(n, self.latent_dim, generator=generator, device=like.device, dtype=like.dtype)
        return self.decode(z, labels).mean

    @torch.no_grad()
    def reconstruct(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """The mean of p(x|z) at the posterior's mean, (N, *shape)."""
        return self.decode(self.encode(x, labels).mean, labels).mean
