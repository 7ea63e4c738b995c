"""The vector-quantised VAE: an image becomes a grid of codes, the grid a distribution. [oord2017]

Its story of an image: draw codes c from a prior p(c), decode them, draw x from p(x|c). The encoder
names one grid c(x) and no other, so p(x) = Σ_c p(c) p(x|c) ≥ p(c(x)) p(x|c(x)), a bound that needs
no draw.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from gantut.models.code_priors import CodePrior, UniformCodes, check_codes
from gantut.models.likelihoods import Name, check_decoder, likelihood as likelihood_named
from gantut.models.quantisers import Quantiser, VectorQuantiser
from gantut.numerics import expect, full
from gantut.protocols import PARAMETERS, agreed, call, refuse_sigmoid


class VQVAEOutput(NamedTuple):
    """What one pass gives.

    ``h`` are the encoder's vectors (N, d, h, w), ``e`` the vectors they were replaced by, ``codes``
    their numbers (N, h, w), or (N, L, h, w) from L layers, and ``likelihood`` is p(x|c) over whole
    examples.
    """

    h: Tensor
    e: Tensor
    codes: Tensor
    likelihood: Distribution


class VQVAE(nn.Module):
    """An encoder to a grid of vectors, a quantiser, and a decoder from the grid. [oord2017]

    Encoder and decoder may be any modules, x (N, …) → h (N, d, …) and h → the likelihood's
    parameters. Where they carry ``grid`` (d, h, w), ``shape`` and ``classes``, as the library's own
    do, these are compared; where not, the first pass finds them.

    Args:
        encoder: from examples to h, with the labels as a second argument where there are classes.
        quantiser: a ``VectorQuantiser``, ``ResidualQuantiser`` or ``FiniteScalarQuantiser`` of
            dimension d; or a number K, for a codebook of moving averages with decay 0.99.
        decoder: from vectors like h to parameters of the likelihood.
        likelihood: a name of ``LIKELIHOODS`` or a module, as in ``VAE``.
        classes: how many classes encoder and decoder know, where the encoder does not carry it.

    Raises:
        ValueError: the likelihood's name is unknown, or encoder, quantiser and decoder disagree.

    Example:
        >>> import torch
        >>> from gantut import models, networks
        >>> encoder = networks.GridEncoder((1, 8, 8), 4, width=8)
        >>> decoder = networks.GridDecoder(4, (1, 8, 8), width=8)
        >>> vqvae = models.VQVAE(encoder, 16, decoder)
        >>> vqvae.encode(torch.rand(2, 1, 8, 8)).shape
        torch.Size([2, 4, 4])
        >>> round(vqvae.uniform_nats, 2)  # 16 places · log 16
        44.36
    """

    def __init__(
        self,
        encoder: nn.Module,
        quantiser: Quantiser | int,
        decoder: nn.Module,
        likelihood: Name | nn.Module = "bernoulli",
        *,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        self.likelihood = likelihood_named(likelihood)
        both = {"encoder": encoder, "decoder": decoder}
        grid: tuple[int, ...] | None = agreed("grid", None, **both)
        self.classes: int = agreed("classes", classes, **both) or 0
        self.shape: tuple[int, ...] | None = getattr(encoder, "shape", None)
        check_decoder(decoder, self.likelihood, self.shape)
        if isinstance(quantiser, int):
            if grid is None:
                raise ValueError("give a quantiser: the encoder has no grid (d, h, w) to tell d")
            quantiser = VectorQuantiser(quantiser, grid[0], decay=0.99)
        if grid is not None and grid[0] != (d := quantiser.dimension):
            raise ValueError(f"encoder and quantiser disagree on the dimension: {grid[0]} and {d}")
        self.encoder, self.quantiser, self.decoder = encoder, quantiser, decoder
        self.size: int = quantiser.size
        self._grid = None if grid is None else (*quantiser.layers, *grid[1:])

    @property
    def grid(self) -> tuple[int, ...]:
        """The shape of one example's codes, (h, w), or (L, h, w) with L layers.

        Raises:
            ValueError: no example has been encoded yet, and the encoder does not say.
        """
        if self._grid is None:
            raise ValueError("the grid is known after the first pass: call encode(x) once")
        return self._grid

    @property
    def uniform_nats(self) -> float:
        """What the codes of one example cost under a uniform prior, T · log K nats."""
        return math.prod(self.grid) * math.log(self.size)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> VQVAEOutput:
        """Encode, quantise, decode. In training mode a codebook of moving averages moves."""
        h = full(call(self.encoder, x, labels))
        codes, vectors, straight_through = self.quantiser(h)
        self._grid = tuple(codes.shape[1:])
        parameters = full(call(self.decoder, straight_through, labels))
        refuse_sigmoid(parameters, *PARAMETERS)
        return VQVAEOutput(h, vectors, codes, self.likelihood(parameters, 1))

    @torch.no_grad()
    def encode(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """The codes c(x), (N, *grid). The codebook stands still."""
        codes = self.quantiser.nearest(call(self.encoder, x, labels))
        self._grid = tuple(codes.shape[1:])
        return codes

    def decode(self, codes: Tensor, labels: Tensor | None = None) -> Distribution:
        """p(x|c), a distribution over examples, for codes (N, *grid)."""
        vectors = self.quantiser.look_up(check_codes(codes, self.size, self.grid))
        return self.likelihood(call(self.decoder, vectors, labels), 1)

    @torch.no_grad()
    def log_prob_bound(
        self, x: Tensor, labels: Tensor | None = None, *, prior: CodePrior | None = None
    ) -> Tensor:
        """log p(c(x)) + log p(x|c(x)) ≤ log p(x), (N,), in nats; the prior is uniform unless given.

        Raises:
            ValueError: a prior over other codes.
        """
        codes = self.encode(x, labels)
        prior = self._prior(prior)
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

        Raises:
            ValueError: a prior over other codes.
        """
        prior = self._prior(prior)
        codes = prior.sample(n, labels if prior.classes else None, generator=generator)
        codes = codes.to(next(self.parameters()).device)
        return self.decode(codes, labels if self.classes else None).mean

    @torch.no_grad()
    def reconstruct(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """The mean of p(x|c(x)), (N, *shape)."""
        return self.decode(self.encode(x, labels), labels).mean

    def _prior(self, prior: CodePrior | None) -> CodePrior:
        prior = prior or UniformCodes(self.size, self.grid)
        fits = (prior.size, prior.grid) == (self.size, self.grid)
        found = f"{prior.size} on {prior.grid}"
        expect(fits, f"a prior over {self.size} codes on a grid {self.grid}", found)
        return prior
