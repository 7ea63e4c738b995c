"""The vector-quantised VAE: an image becomes a grid of code numbers, and the grid becomes a distribution over images. [oord2017]

Its story of an image: draw codes c from a prior p(c), decode them, draw x from p(x|c). The encoder names one grid c(x) and no other, so
p(x) = Σ_c p(c) p(x|c) ≥ p(c(x)) p(x|c(x)), a bound that needs no draw.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from gantut.models.code_priors import CodePrior, UniformCodes, check_codes
from gantut.models.likelihoods import decoder_shape, likelihood as likelihood_named
from gantut.models.quantisers import VectorQuantiser
from gantut.numerics import full


class VQVAEOutput(NamedTuple):
    """What one pass gives: the encoder's vectors ``h`` (N, d, h, w), the code vectors ``e`` nearest to them, their numbers ``codes``
    (N, h, w), and ``likelihood``, p(x|c) over whole examples."""

    h: Tensor
    e: Tensor
    codes: Tensor
    likelihood: Distribution


class VQVAE(nn.Module):
    """An encoder to a grid (d, h, w), a codebook of K vectors, and a decoder from the grid. [oord2017]

    ``quantiser`` is a ``VectorQuantiser`` of dimension d, or a number K for one with moving averages; ``likelihood`` as in ``VAE``.

    Raises:
        ValueError: the likelihood's name is unknown, or encoder, codebook and decoder disagree on grid, shape or classes.
    """

    def __init__(
        self,
        encoder: Any,
        quantiser: VectorQuantiser | int,
        decoder: Any,
        likelihood: str | nn.Module = "bernoulli",
    ) -> None:
        super().__init__()
        self.likelihood = likelihood_named(likelihood)
        wanted = decoder_shape(self.likelihood, encoder.shape)
        for attribute, ours in (
            ("grid", encoder.grid),
            ("classes", encoder.classes),
            ("shape", wanted),
        ):
            theirs = getattr(decoder, attribute)
            if ours != theirs:
                raise ValueError(
                    f"encoder and decoder disagree on {attribute}: {ours} and {theirs}"
                )
        if isinstance(quantiser, int):
            quantiser = VectorQuantiser(quantiser, encoder.grid[0], decay=0.99)
        if quantiser.dimension != encoder.grid[0]:
            raise ValueError(
                f"encoder and codebook disagree on the dimension: {encoder.grid[0]} and {quantiser.dimension}"
            )
        self.encoder, self.quantiser, self.decoder = encoder, quantiser, decoder
        self.shape: tuple[int, ...] = encoder.shape
        self.grid: tuple[int, int] = encoder.grid[1:]
        self.size: int = quantiser.size
        self.classes: int = encoder.classes

    @property
    def uniform_nats(self) -> float:
        """What the codes of one example cost under a uniform prior, h·w·log K nats."""
        return math.prod(self.grid) * math.log(self.size)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> VQVAEOutput:
        """Encode, quantise, decode. In training mode a codebook of moving averages moves."""
        h = full(self.encoder(x, labels))
        quantised = self.quantiser(h)
        parameters = full(self.decoder(quantised.straight_through, labels))
        return VQVAEOutput(h, quantised.vectors, quantised.codes, self.likelihood(parameters, 1))

    @torch.no_grad()
    def encode(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """The codes c(x), (N, h, w). The codebook stands still."""
        return self.quantiser.nearest(self.encoder(x, labels))

    def decode(self, codes: Tensor, labels: Tensor | None = None) -> Distribution:
        """p(x|c), a distribution over examples of ``shape``, for codes (N, h, w)."""
        check_codes(codes, self.size, self.grid)
        return self.likelihood(self.decoder(self.quantiser.look_up(codes), labels), 1)

    def check_prior(self, prior: CodePrior | None) -> CodePrior:
        """Return the prior, uniform where there is none, or raise ``ValueError`` where it is made for other codes."""
        if prior is None:
            return UniformCodes(self.size, self.grid)
        if (prior.size, prior.grid) != (self.size, self.grid):
            raise ValueError(
                f"expected a prior over {self.size} codes on a grid {self.grid}, got {prior.size} on {prior.grid}"
            )
        return prior

    @torch.no_grad()
    def log_prob_bound(
        self, x: Tensor, labels: Tensor | None = None, *, prior: CodePrior | None = None
    ) -> Tensor:
        """log p(c(x)) + log p(x|c(x)) ≤ log p(x), (N,), in nats; the prior is uniform unless given."""
        codes, prior = self.encode(x, labels), self.check_prior(prior)
        log_prior = prior.log_prob(codes, labels if prior.classes else None)
        return log_prior + self.decode(codes, labels).log_prob(x)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        labels: Tensor | None = None,
        *,
        prior: CodePrior | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The means of p(x|c) for ``n`` grids drawn from the prior, (n, *shape).

        ``labels`` go to the prior and to the decoder, where these are conditional.
        """
        prior = self.check_prior(prior)
        codes = prior.sample(n, labels if prior.classes else None, generator=generator)
        codes = codes.to(self.quantiser.codebook.device)
        return self.decode(codes, labels if self.classes else None).mean

    @torch.no_grad()
    def reconstruct(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """The mean of p(x|c(x)), (N, *shape)."""
        return self.decode(self.encode(x, labels), labels).mean
