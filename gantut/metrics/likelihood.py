"""How likely is held-out data under a VAE? Bounds on log p(x) from below and, for data the model drew itself, from above. (N,), in nats.

The exact value is an integral over all codes. Importance sampling with K draws bounds it from below on the average [burda2016]. Annealed
importance sampling walks from the prior to the posterior over many temperatures, and is tight where the encoder is poor
[neal2001, wu2017]. The same walk backwards, from a true draw of the posterior, bounds from above: between the two lies the truth
[grosse2015].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm.auto import tqdm

from gantut.losses.importance import log_weights
from gantut.numerics import log_mean_exp
from gantut.progress import quiet

LogLikelihood = Callable[[Tensor], Tensor]


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
    """log 1/K Σ_k p(x, z_k) / q(z_k|x) with K = ``samples`` draws from the encoder, (N,); ``chunk`` draws at a time.

    Raises:
        ValueError: K or the chunk is below 1, there is no example, examples of another shape than the model's, NaN or infinite values.
    """
    if samples < 1 or chunk < 1 or len(x) < 1:
        raise ValueError(
            f"expected samples, chunk and examples ≥ 1, got {samples}, {chunk} and {len(x)}"
        )
    _check_examples(vae, x)
    generator = torch.Generator(x.device).manual_seed(seed)
    parts = [
        log_weights(vae(x, labels, samples=min(chunk, samples - k), generator=generator), x)
        for k in tqdm(
            range(0, samples, chunk), desc="importance sampling", disable=quiet(), delay=1
        )
    ]
    return log_mean_exp(torch.cat(parts))


class LikelihoodBounds(NamedTuple):
    """``lower`` and ``upper`` (N,), in nats: on the average log p(x) lies between them."""

    lower: Tensor
    upper: Tensor


def _hmc(
    z: Tensor,
    log_density: LogLikelihood,
    step_size: Tensor,
    leapfrogs: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """One Hamiltonian Monte Carlo move of every chain at once: the new codes, and which chains accepted. [neal2011]"""

    def slope(z: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            z = z.detach().requires_grad_(True)
            value = log_density(z)
            (gradient,) = torch.autograd.grad(value.sum(), z)
        return value.detach(), gradient

    def gauss() -> Tensor:
        return torch.randn(z.shape, generator=generator, device=z.device, dtype=z.dtype)

    # A path of fixed length can come back to where it began; a random factor per chain, drawn apart from its place, prevents that.
    jitter = torch.rand(z.shape[:-1], generator=generator, device=z.device, dtype=z.dtype)
    epsilon = (step_size * (0.5 + jitter))[..., None]
    start, gradient = slope(z)
    momentum = gauss()
    energy = start - 0.5 * momentum.square().sum(-1)
    place, momentum = z, momentum + 0.5 * epsilon * gradient
    for step in range(leapfrogs):
        place = place + epsilon * momentum
        value, gradient = slope(place)
        momentum = momentum + (1.0 if step < leapfrogs - 1 else 0.5) * epsilon * gradient
    gain = value - 0.5 * momentum.square().sum(-1) - energy
    draw = torch.rand(gain.shape, generator=generator, device=z.device, dtype=z.dtype).log()
    accepted = draw < gain  # false for NaN: a path that blew up stays where it was
    return torch.where(accepted[..., None], place, z), accepted


def _temperatures(count: int) -> Tensor:
    """0 = β₀ < … < β_T = 1 with β_t = (t/T)³: small steps near the prior, where a little of the likelihood moves the density most."""
    return torch.linspace(0, 1, count + 1, dtype=torch.float64) ** 3


def _anneal(
    log_likelihood: LogLikelihood,
    z: Tensor,
    betas: Tensor,
    step_sizes: Tensor,
    leapfrogs: int,
    generator: torch.Generator,
    *,
    backwards: bool = False,
    tune: bool = False,
) -> Tensor:
    """log weights (chains, N) of one walk from z through the temperatures; ``tune`` also adapts ``step_sizes`` (T, N) in place."""

    def log_density_at(beta: float) -> LogLikelihood:
        return lambda z: -0.5 * z.square().sum(-1) + beta * log_likelihood(z)

    log_w = z.new_zeros(z.shape[:-1])
    levels = range(1, len(betas))
    for t in tqdm(
        list(reversed(levels) if backwards else levels), desc="annealing", disable=quiet(), delay=1
    ):
        beta, gap = betas[t].item(), (betas[t] - betas[t - 1]).item()
        if not backwards:
            log_w = log_w + gap * log_likelihood(z)
        z, accepted = _hmc(z, log_density_at(beta), step_sizes[t - 1], leapfrogs, generator)
        if backwards:
            log_w = log_w - gap * log_likelihood(z)
        if tune:
            rate = accepted.to(z.dtype).mean(0)
            # Towards two thirds accepted; the next temperature starts where this one ended.
            adapted = step_sizes[t - 1] * torch.exp(0.2 * (rate - 0.65))
            step_sizes[t - 1] = adapted
            if t < len(step_sizes):
                step_sizes[t] = adapted
    return log_w


def _check_examples(vae: Any, x: Tensor) -> None:
    if x.ndim < 2 or tuple(x.shape[1:]) != tuple(vae.shape) or len(x) == 0:
        shape = ", ".join(map(str, vae.shape))
        raise ValueError(f"expected examples (N, {shape}) with N ≥ 1, got {tuple(x.shape)}")
    _check_finite("examples", x)


def _check_finite(name: str, x: Tensor) -> None:
    if not torch.isfinite(x).all():
        raise ValueError(
            f"the {name} hold {int((~torch.isfinite(x)).sum())} NaN or infinite values"
        )


def _check(chains: int, temperatures: int, leapfrogs: int) -> None:
    if min(chains, temperatures, leapfrogs) < 1:
        raise ValueError(
            f"chains, temperatures and leapfrogs must be at least 1, got {chains}, {temperatures} and {leapfrogs}"
        )


@torch.no_grad()
def bidirectional_bounds(
    log_likelihood: LogLikelihood,
    codes: Tensor,
    *,
    chains: int = 16,
    temperatures: int = 200,
    leapfrogs: int = 5,
    step_size: float = 0.1,
    seed: int = 0,
) -> LikelihoodBounds:
    """Bounds on log p(x) for examples that the model drew itself, from the ``codes`` (N, d) they were drawn from. [grosse2015]

    ``log_likelihood`` maps codes (chains, N, d) to log p(x|z), (chains, N); the prior is N(0, I). The code an example was drawn from *is* a
    draw from p(z|x), and that is where the backward walk starts. Step sizes are tuned in a first walk and then fixed, because a walk that
    adapts while it counts is not exact.

    Raises:
        ValueError: a count below 1, codes not (N, d) with N ≥ 1, NaN or infinite codes.
    """
    _check(chains, temperatures, leapfrogs)
    if codes.ndim != 2 or len(codes) == 0:
        raise ValueError(f"expected codes (N, d), got {tuple(codes.shape)}")
    _check_finite("codes", codes)
    betas, sizes, generator = _tuned(
        log_likelihood, codes.shape, codes, chains, temperatures, leapfrogs, step_size, seed
    )
    start = torch.randn(
        chains, *codes.shape, generator=generator, device=codes.device, dtype=codes.dtype
    )
    forward = _anneal(log_likelihood, start, betas, sizes, leapfrogs, generator)
    copies = codes.expand(chains, -1, -1)
    backward = _anneal(log_likelihood, copies, betas, sizes, leapfrogs, generator, backwards=True)
    return LikelihoodBounds(log_mean_exp(forward), -log_mean_exp(backward))


def _tuned(
    log_likelihood: LogLikelihood,
    shape: torch.Size,
    like: Tensor,
    chains: int,
    temperatures: int,
    leapfrogs: int,
    step_size: float,
    seed: int,
) -> tuple[Tensor, Tensor, torch.Generator]:
    generator = torch.Generator(like.device).manual_seed(seed)
    betas = _temperatures(temperatures)
    sizes = torch.full((temperatures, shape[0]), step_size, device=like.device, dtype=like.dtype)
    start = torch.randn(chains, *shape, generator=generator, device=like.device, dtype=like.dtype)
    _anneal(log_likelihood, start, betas, sizes, leapfrogs, generator, tune=True)
    return betas, sizes, generator


@torch.no_grad()
def annealed_importance(
    vae: Any,
    x: Tensor,
    labels: Tensor | None = None,
    *,
    chains: int = 16,
    temperatures: int = 200,
    leapfrogs: int = 5,
    step_size: float = 0.1,
    seed: int = 0,
) -> Tensor:
    """A lower bound on log p(x) that does not use the encoder: annealed from the prior N(0, I) to the posterior, (N,). [neal2001, wu2017]

    Raises:
        ValueError: a count below 1, no example, examples of another shape than the model's, NaN or infinite values.
    """
    _check(chains, temperatures, leapfrogs)
    _check_examples(vae, x)

    def log_likelihood(z: Tensor) -> Tensor:
        return vae.decode(z, labels).log_prob(x)

    shape = torch.Size((len(x), vae.latent_dim))
    betas, sizes, generator = _tuned(
        log_likelihood, shape, x, chains, temperatures, leapfrogs, step_size, seed
    )
    start = torch.randn(chains, *shape, generator=generator, device=x.device, dtype=x.dtype)
    return log_mean_exp(_anneal(log_likelihood, start, betas, sizes, leapfrogs, generator))


def bits_per_dimension(nats: Tensor | float, shape: tuple[int, ...], *, levels: int | None = None):
    """Nats per example as bits per dimension: nats / (ln 2 · number of values).

    ``nats`` is −log p(x) of probabilities. Where p is a *density* on [0, 1] of images with noise of one level's width added, ``levels``
    adds the log₂(levels) bits that the unit of length leaves out; the result then bounds the discrete model's from above. [theis2016]

    Raises:
        ValueError: an empty shape, or fewer than 2 levels.
    """
    count = math.prod(shape)
    if count < 1:
        raise ValueError(f"a shape needs positive sides, got {shape}")
    if levels is not None and levels < 2:
        raise ValueError(f"levels must be at least 2, got {levels}")
    bits = nats / (math.log(2) * count)
    return bits if levels is None else bits + math.log2(levels)
