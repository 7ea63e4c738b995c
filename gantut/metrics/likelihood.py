"""How likely is held-out data under a VAE? Bounds on log p(x), (N,), in nats.

The exact value is an integral over all codes. Importance sampling with K draws bounds it from below
on average [burda2016]. Annealed importance sampling walks from the prior to the posterior over many
temperatures, and is tight where the encoder is poor [neal2001, wu2017]. The same walk backwards,
from a true draw of the posterior, bounds from above: between the two lies the truth [grosse2015].
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from gantut.losses.importance import log_weights
from gantut.metrics._checks import finite, table
from gantut.models.priors import StandardNormalPrior, draw
from gantut.numerics import at_least, check_shape, expect, log_mean_exp
from gantut.progress import bar
from gantut.protocols import evaluating

STEP_SIZE = 0.1  # of the first moves; the tuning walk finds better ones


def _check_examples(vae: Any, x: Tensor) -> None:
    check_shape(x, getattr(vae, "shape", None) or x.shape[1:], "examples")
    expect(x.ndim > 1 and len(x), "examples (N, …) with N ≥ 1", x)
    finite("examples", x)


@torch.no_grad()
def importance_weighted(
    vae: Any,
    x: Tensor,
    labels: Tensor | None = None,
    *,
    samples: int = 500,
    chunk: int = 50,
    seed: int = 0,
) -> Tensor:
    """A lower bound on log p(x) by draws from the encoder. [burda2016]

    log 1/K Σ_k p(x, z_k) / q(z_k|x) with z_k ~ q(z|x). K = 1 is the ELBO; as K grows the bound
    tightens, slowly where the encoder is poor.

    Args:
        vae: a ``VAE``, measured in evaluation mode whatever mode it is in.
        x: examples, (N, *shape).
        labels: (N,), for a conditional model.
        samples: K, draws per example.
        chunk: draws at once; only memory depends on it.
        seed: of the draws.

    Returns:
        One bound per example, (N,), in nats. It holds on average over the draws.

    Raises:
        ValueError: K or the chunk is below 1, no example, examples of another shape than the
            model's, NaN or infinite values.

    Example:
        >>> import torch
        >>> from gantut.models import VAE
        >>> from gantut.networks import MLPDecoder, MLPEncoder
        >>> vae = VAE(MLPEncoder((1, 4, 4), 2), MLPDecoder(2, (1, 4, 4)))
        >>> importance_weighted(vae, torch.zeros(3, 1, 4, 4), samples=10).shape
        torch.Size([3])
    """
    at_least(1, samples=samples, chunk=chunk)
    _check_examples(vae, x)
    generator = torch.Generator(x.device).manual_seed(seed)
    counts = [min(chunk, samples - k) for k in range(0, samples, chunk)]
    with evaluating(vae):
        parts = [
            log_weights(vae(x, labels, samples=count, generator=generator), x)
            for count in bar(counts, desc="importance sampling", delay=1)
        ]
    return log_mean_exp(torch.cat(parts))


@dataclasses.dataclass
class _Walk:
    """Annealing: p(z)·p(x|z)^β with β from 0, the prior, to 1, the posterior; N examples at once.

    The making of a walk tunes its step sizes in a first pass; then they are fixed, because a walk
    that adapts while it counts is not exact.
    """

    log_likelihood: Callable[[Tensor], Tensor]
    prior: Distribution
    like: Tensor  # codes (N, d), for their shape, type and device
    chains: int
    temperatures: int
    leapfrogs: int
    seed: int

    def __post_init__(self) -> None:
        at_least(1, chains=self.chains, temperatures=self.temperatures, leapfrogs=self.leapfrogs)
        self.generator = torch.Generator(self.like.device).manual_seed(self.seed)
        # Small steps near the prior, where a little of the likelihood moves the density most.
        grid = torch.linspace(0, 1, self.temperatures + 1, dtype=torch.float64)
        self.betas = (grid**3).tolist()
        self.sizes = self.like.new_full((self.temperatures, len(self.like)), STEP_SIZE)
        self.run(self.start(), tune=True)

    def start(self) -> Tensor:
        """Codes (chains, N, d) from the prior."""
        n = len(self.like)
        return draw(self.prior, self.chains * n, self.generator).unflatten(0, (self.chains, n))

    def run(self, z: Tensor, *, backwards: bool = False, tune: bool = False) -> Tensor:
        """log weights (chains, N) of one walk from z; ``tune`` also adapts the step sizes."""
        log_w = z.new_zeros(z.shape[:-1])
        levels = range(1, len(self.betas))
        for t in bar(list(reversed(levels) if backwards else levels), desc="annealing", delay=1):
            gap = self.betas[t] - self.betas[t - 1]
            if not backwards:
                log_w = log_w + gap * self.log_likelihood(z)
            z, accepted = self._move(z, self.betas[t], self.sizes[t - 1])
            if backwards:
                log_w = log_w - gap * self.log_likelihood(z)
            if tune:
                # Towards two thirds accepted; the next temperature starts where this one ended.
                rate = accepted.to(z.dtype).mean(0)
                self.sizes[t - 1 : t + 1] = self.sizes[t - 1] * torch.exp(0.2 * (rate - 0.65))
        return log_w

    def _slope(self, z: Tensor, beta: float) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            z = z.detach().requires_grad_(True)
            value = self.prior.log_prob(z) + beta * self.log_likelihood(z)
            (gradient,) = torch.autograd.grad(value.sum(), z)
        return value.detach(), gradient

    def _move(self, z: Tensor, beta: float, step_size: Tensor) -> tuple[Tensor, Tensor]:
        """One Hamiltonian Monte Carlo move of every chain: codes, and who accepted. [neal2011]"""
        options: Any = {"generator": self.generator, "device": z.device, "dtype": z.dtype}
        # A path of fixed length can come back to where it began; a random factor per chain, drawn
        # apart from its place, prevents that.
        jitter = torch.rand(z.shape[:-1], **options)
        epsilon = (step_size * (0.5 + jitter))[..., None]
        start, gradient = self._slope(z, beta)
        momentum = torch.randn(z.shape, **options)
        energy = start - 0.5 * momentum.square().sum(-1)
        place, momentum = z, momentum + 0.5 * epsilon * gradient
        for step in range(self.leapfrogs):
            place = place + epsilon * momentum
            value, gradient = self._slope(place, beta)
            half = 1.0 if step < self.leapfrogs - 1 else 0.5
            momentum = momentum + half * epsilon * gradient
        gain = value - 0.5 * momentum.square().sum(-1) - energy
        # False for NaN: a path that blew up stays where it was.
        accepted = torch.rand(gain.shape, **options).log() < gain
        return torch.where(accepted[..., None], place, z), accepted


@torch.no_grad()
def annealed_importance(
    vae: Any,
    x: Tensor,
    labels: Tensor | None = None,
    *,
    chains: int = 16,
    temperatures: int = 200,
    leapfrogs: int = 5,
    seed: int = 0,
) -> Tensor:
    """A lower bound on log p(x) that does not use the encoder. [neal2001, wu2017]

    Each chain starts at a draw from the model's own prior and walks towards the posterior, along
    p(z)·p(x|z)^β with β = (t/T)³. Its weight is Π_t p(x|z_{t−1})^{β_t − β_{t−1}}, whose mean over
    walks is p(x).

    Args:
        vae: a model with ``decode(z, labels)``, a distribution over examples, and ``latent_dim``.
            ``prior(z)`` gives p(z), N(0, I) where there is none. Measured in evaluation mode.
        x: examples, (N, *shape).
        labels: (N,), for a conditional model.
        chains: walks per example; their weights are averaged.
        temperatures: T. More close the gap; the time is proportional.
        leapfrogs: steps of one move.
        seed: of all draws.

    Returns:
        One bound per example, (N,), in nats. It holds on average over the walks.

    Raises:
        ValueError: a count below 1, no example, examples of another shape than the model's, NaN or
            infinite values.

    Example:
        >>> import torch
        >>> from gantut.models import VAE
        >>> from gantut.networks import MLPDecoder, MLPEncoder
        >>> vae = VAE(MLPEncoder((1, 4, 4), 2), MLPDecoder(2, (1, 4, 4)))
        >>> annealed_importance(vae, torch.zeros(3, 1, 4, 4), temperatures=10).shape
        torch.Size([3])
    """
    _check_examples(vae, x)

    def log_likelihood(z: Tensor) -> Tensor:
        return vae.decode(z, labels).log_prob(x)

    with evaluating(vae):
        if vae.latent_dim is None:
            vae.encode(x, labels)  # a model of plain modules learns its sizes from a first pass
        code = x.new_zeros(len(x), vae.latent_dim)
        prior = vae.prior(code[0]) if hasattr(vae, "prior") else StandardNormalPrior()(code[0])
        walk = _Walk(log_likelihood, prior, code, chains, temperatures, leapfrogs, seed)
        return log_mean_exp(walk.run(walk.start()))


@torch.no_grad()
def bidirectional_bounds(
    log_likelihood: Callable[[Tensor], Tensor],
    codes: Tensor,
    *,
    prior: Distribution | None = None,
    chains: int = 16,
    temperatures: int = 200,
    leapfrogs: int = 5,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Bounds on log p(x) from both sides, for examples that the model drew itself. [grosse2015]

    The code an example was drawn from *is* a draw from p(z|x), and that is where a walk back to
    the prior starts. The lower bound is that of ``annealed_importance``.

    Args:
        log_likelihood: codes (chains, N, d) to log p(x|z), (chains, N).
        codes: what the examples were drawn from, (N, d).
        prior: p(z) over single codes (d,), say ``vae.prior(codes[0])``; N(0, I) unless given.
        chains: walks per example and direction.
        temperatures: more close the gap; the time is proportional.
        leapfrogs: steps of one move.
        seed: of all draws.

    Returns:
        The lower and the upper bound, (N,) each, in nats: on average log p(x) lies between them.

    Raises:
        ValueError: a count below 1, codes not (N, d) with N ≥ 1, NaN or infinite codes.

    Example:
        >>> import torch
        >>> z = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
        >>> def log_likelihood(codes):  # x = z + noise, and here x = z
        ...     return torch.distributions.Normal(codes, 1.0).log_prob(z).sum(-1)
        >>> lower, upper = bidirectional_bounds(log_likelihood, z, temperatures=20)
        >>> bool(lower.mean() < upper.mean())
        True
    """
    table("codes", codes)
    prior = prior or StandardNormalPrior()(codes[0])
    walk = _Walk(log_likelihood, prior, codes, chains, temperatures, leapfrogs, seed)
    forward = walk.run(walk.start())
    backward = walk.run(codes.expand(chains, -1, -1), backwards=True)
    return log_mean_exp(forward), -log_mean_exp(backward)


def bits_per_dimension(
    nats: Tensor | float, shape: tuple[int, ...], *, levels: int | None = None
) -> Tensor | float:
    """Nats per example as bits per dimension: nats / (ln 2 · number of values). [theis2016]

    Args:
        nats: −log p(x), a number or a tensor of any shape.
        shape: of one example; the product of its sides is the number of values.
        levels: where p is a *density* on [0, 1] of images with noise of one level's width added,
            how many levels the images have. This adds the log₂(levels) bits that the unit of length
            leaves out; the result then bounds the discrete model's from above.

    Returns:
        Bits per dimension, shaped like ``nats``.

    Raises:
        ValueError: an empty shape, or fewer than 2 levels.

    Example:
        >>> round(bits_per_dimension(100.0, (1, 8, 8)), 3)
        2.254
    """
    expect(min(shape, default=0) > 0, "a shape with positive sides", shape)
    bits = nats / (math.log(2) * math.prod(shape))
    if levels is None:
        return bits
    at_least(2, levels=levels)
    return bits + math.log2(levels)
