"""Priors p(z) over codes: the standard normal, a learned mixture of Gaussians, and the VampPrior.

Each is a module: ``prior(z, encode)`` gives the distribution, whose ``log_prob`` takes codes shaped like ``z``; ``sample`` draws codes from
a generator. Only the standard normal has a KL in closed form; for the others ``losses.rate`` uses the draw z.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from gantut.networks.initialisation import seeded
from gantut.networks.shapes import check_latent_dim
from gantut.numerics import full
from gantut.processes import drawn

Encode = Callable[[Tensor], Distribution]


def diagonal_normal(mean: Tensor, log_variance: Tensor) -> Independent:
    """N(μ, diag σ²) over single codes, from μ and log σ², each (N, latent_dim). σ = exp(½ log σ²), not log σ² itself."""
    mean, log_variance = full(mean), full(log_variance)
    return Independent(Normal(mean, (0.5 * log_variance).exp(), validate_args=False), 1)


def draw(distribution: Any, n: int, generator: torch.Generator | None) -> Tensor:
    """``n`` draws from a diagonal normal (d,) or a mixture of such, (n, d); torch.distributions cannot take a generator itself."""
    if isinstance(distribution, MixtureSameFamily):
        weights = distribution.mixture_distribution.probs
        which = drawn(partial(_choices, weights), (n,), generator=generator)
        normal: Any = distribution.component_distribution.base_dist  # type: ignore[attr-defined]
        mean, sigma = normal.loc[which], normal.scale[which]
    else:
        normal = distribution.base_dist
        mean, sigma = normal.loc.expand(n, -1), normal.scale.expand(n, -1)
    return mean + sigma * drawn(
        torch.randn, mean.shape, generator=generator, device=mean.device, dtype=mean.dtype
    )


def _choices(
    weights: Tensor, size: list[int] | tuple[int], generator: torch.Generator | None
) -> Tensor:
    return torch.multinomial(weights, size[0], replacement=True, generator=generator)


class StandardNormalPrior(nn.Module):
    """N(0, I)."""

    def forward(self, z: Tensor, encode: Encode | None = None) -> Independent:
        zero = z.new_zeros(z.shape[-1])
        return diagonal_normal(zero, zero)


class MixturePrior(nn.Module):
    """Σ_k π_k N(m_k, diag s_k²), all of it learned with the networks. The means start as draws from N(0, I), the deviations at 1.

    Raises:
        ValueError: fewer than one component or dimension.
    """

    def __init__(self, latent_dim: int, components: int = 10, *, seed: int = 0) -> None:
        super().__init__()
        if components < 1:
            raise ValueError(f"a mixture needs at least one component, got {components}")
        size = (components, check_latent_dim(latent_dim))
        with seeded(seed):
            self.mean = nn.Parameter(torch.randn(size))
        self.log_variance = nn.Parameter(torch.zeros(size))
        self.logits = nn.Parameter(torch.zeros(components))

    def forward(self, z: Tensor, encode: Encode | None = None) -> Distribution:
        components = diagonal_normal(self.mean, self.log_variance)
        return MixtureSameFamily(Categorical(logits=self.logits), components, validate_args=False)


class VampPrior(nn.Module):
    """1/K Σ_k q(z|u_k): the encoder's own posteriors at K learned inputs u_k, an affordable stand-in for its average. [tomczak2018]

    ``inputs`` (K, *shape) are where the u_k start; examples of the data are a good choice. They are clamped to [0, 1] for images.

    Raises:
        ValueError: no input.
    """

    def __init__(self, inputs: Tensor) -> None:
        super().__init__()
        if inputs.ndim < 2 or len(inputs) < 1:
            raise ValueError(
                f"a VampPrior needs at least one input, shape (K, …), got {tuple(inputs.shape)}"
            )
        self.inputs = nn.Parameter(inputs.detach().clone())

    def forward(self, z: Tensor, encode: Encode | None = None) -> Distribution:
        if encode is None:
            raise ValueError("a VampPrior needs the encoder: call it as prior(z, encode)")
        inputs = self.inputs.clamp(0, 1) if self.inputs.ndim == 4 else self.inputs
        uniform = Categorical(
            logits=torch.zeros(len(inputs), device=inputs.device, dtype=inputs.dtype)
        )
        return MixtureSameFamily(uniform, encode(inputs), validate_args=False)
