"""The variational autoencoder: encoder, decoder, likelihood and prior, put together.

[kingma2014, rezende2014]
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from gantut.models.likelihoods import decoder_shape, likelihood as likelihood_named
from gantut.models.priors import StandardNormalPrior, diagonal_normal, draw
from gantut.numerics import full
from gantut.protocols import Decoder, Encoder, agreed, call, refuse_sigmoid


class VAEOutput(NamedTuple):
    """What one pass through a VAE gives: three distributions over single examples, and one draw.

    ``posterior`` is q(z|x), ``prior`` is p(z), both over codes (latent_dim,); ``z`` is a draw from
    the posterior, (N, latent_dim); ``likelihood`` is p(x|z) at that draw, over whole examples. With
    K draws per example ``z`` is (K, N, latent_dim), and the likelihood's batch shape is (K, N).
    """

    posterior: Distribution
    prior: Distribution
    z: Tensor
    likelihood: Distribution


class VAE(nn.Module):
    """An encoder q(z|x), a decoder p(x|z) and a prior p(z), joined by one pass.

    Any modules serve as encoder and decoder. What they do not say of themselves (``latent_dim``,
    ``shape``, ``classes``) is given here, or found on the first pass.

    Args:
        encoder: examples (N, *shape), and labels where there are classes, to the mean and the
            log-variance of q(z|x), each (N, latent_dim).
        decoder: codes (N, latent_dim), and labels, to unbounded parameters of p(x|z).
        likelihood: what these parameters mean: a name of ``LIKELIHOODS``, or a module from
            decoder outputs to a distribution over examples.
        prior: a module such as ``MixturePrior``; N(0, I) unless given.
        latent_dim: the size of the code.
        classes: how many; 0 is an unconditional model.

    Raises:
        ValueError: an unknown likelihood; encoder and decoder disagree on latent_dim, shape or
            classes; a decoder that ends in a sigmoid; a learned prior of a conditional model.

    Example:
        >>> import torch
        >>> class Encoder(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.layer = torch.nn.Linear(6, 4)
        ...     def forward(self, x):
        ...         return self.layer(x).chunk(2, dim=1)
        >>> vae = VAE(Encoder(), torch.nn.Linear(2, 6))
        >>> output = vae(torch.rand(5, 6))
        >>> vae.latent_dim, tuple(output.z.shape), tuple(output.likelihood.mean.shape)
        (2, (5, 2), (5, 6))
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        likelihood: str | nn.Module = "bernoulli",
        *,
        prior: nn.Module | None = None,
        latent_dim: int | None = None,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        self.likelihood = likelihood_named(likelihood)
        both = {"encoder": encoder, "decoder": decoder}
        self.latent_dim: int | None = agreed("latent_dim", latent_dim, **both)
        self.classes: int = agreed("classes", classes, **both) or 0
        self.shape: tuple[int, ...] | None = getattr(encoder, "shape", None)
        theirs = getattr(decoder, "shape", None)
        if self.shape is not None and theirs is not None:
            wanted = decoder_shape(self.likelihood, self.shape)
            if theirs != wanted:
                per = getattr(self.likelihood, "outputs", 1)
                needs = f" (this likelihood reads {per} numbers per value)" if per > 1 else ""
                raise ValueError(
                    f"encoder and decoder disagree on shape: {wanted}{needs} and {theirs}"
                )
        if isinstance(decoder, nn.Module):
            refuse_sigmoid(decoder, "decoder", "the likelihood reads unbounded numbers")
        self.encoder, self.decoder = encoder, decoder
        self.latent_prior = StandardNormalPrior() if prior is None else prior
        if self.classes and not isinstance(self.latent_prior, StandardNormalPrior):
            raise ValueError(
                "a learned prior of a conditional VAE is not supported; use the standard normal"
            )

    def encode(self, x: Tensor, labels: Tensor | None = None) -> Distribution:
        """q(z|x), a distribution over codes (latent_dim,) with batch shape (N,)."""
        output = call(self.encoder, x, labels)
        if not (isinstance(output, tuple) and len(output) == 2):
            kind = type(output).__name__
            raise TypeError(f"the encoder must return (mean, log_variance), got {kind}")
        if self.latent_dim is None or self.shape is None:
            self._found(x, *output)
        return diagonal_normal(*output)

    def _found(self, x: Tensor, mean: Tensor, log_variance: Tensor) -> None:
        """Remember sizes that no network said, and look once at what the encoder gives."""
        self.latent_dim, self.shape = mean.shape[1], tuple(x.shape[1:])
        if log_variance.numel() >= 32 and bool((log_variance > 0).all()):
            warnings.warn(
                "every log-variance of the first pass is positive: does the encoder return σ or "
                "σ²? Expected is log σ², which is near 0 before training",
                stacklevel=4,
            )

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Distribution:
        """p(x|z), a distribution over examples; codes (…, latent_dim) give the batch shape (…)."""
        batch = z.shape[:-1]
        if labels is not None and len(batch) > 1:
            labels = labels.expand(batch).flatten()
        parameters = full(call(self.decoder, z.flatten(0, -2), labels))
        return self.likelihood(parameters.unflatten(0, batch), len(batch))

    def forward(
        self,
        x: Tensor,
        labels: Tensor | None = None,
        *,
        samples: int | None = None,
        generator: torch.Generator | None = None,
    ) -> VAEOutput:
        """Encode, draw a code, decode.

        The draw is the reparameterisation z = μ + σ ⊙ ε with ε ~ N(0, I).

        Args:
            x: examples (N, *shape).
            labels: (N,), for a conditional model.
            samples: K draws for each example; None is one, without a dimension for it.
            generator: where ε comes from; PyTorch's global one unless given.

        Raises:
            ValueError: K is below 1.
            TypeError: the encoder returns something else than a pair.
        """
        if samples is not None and samples < 1:
            raise ValueError(f"samples must be at least 1, got {samples}")
        posterior = self.encode(x, labels)
        mean, sigma = posterior.mean, posterior.stddev
        size = mean.shape if samples is None else (samples, *mean.shape)
        # torch.distributions can only draw from the global generator; the noise is ours to seed.
        noise = torch.randn(size, generator=generator, device=mean.device, dtype=mean.dtype)
        z = mean + sigma * noise
        return VAEOutput(posterior, self.prior(z), z, self.decode(z, labels))

    def prior(self, z: Tensor) -> Distribution:
        """p(z) over codes shaped like ``z``, on its device and in its precision."""
        return self.latent_prior(z, self.encode)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        labels: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The means of p(x|z) for ``n`` codes drawn from the prior, (n, *shape).

        Raises:
            ValueError: nobody has said the latent_dim, and no example has passed.
        """
        if self.latent_dim is None:
            raise ValueError("the size of the code is not known yet; pass latent_dim= to the VAE")
        like = next(self.parameters())
        prior = self.prior(torch.zeros(self.latent_dim, device=like.device, dtype=like.dtype))
        return self.decode(draw(prior, n, generator), labels).mean

    @torch.no_grad()
    def reconstruct(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """The mean of p(x|z) at the posterior's mean, (N, *shape)."""
        return self.decode(self.encode(x, labels).mean, labels).mean
