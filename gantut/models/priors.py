"""Priors p(z) over codes: the standard normal, a learned mixture of Gaussians, and the VampPrior.

Each is a module: ``prior(z, encode)`` gives the distribution of codes shaped like ``z``. Only the
standard normal has a rate in closed form; for the others ``losses.rate`` uses the draw z.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from gantut.networks.initialisation import seeded
from gantut.numerics import at_least, full

Encode = Callable[[Tensor], Distribution]


def diagonal_normal(mean: Tensor, log_variance: Tensor) -> Independent:
    """N(μ, diag σ²) over single codes, with σ = exp(½ log σ²).

    Args:
        mean: μ, (…, latent_dim).
        log_variance: log σ², of the same shape. Not log σ: a factor 2 that is easily lost.

    Example:
        >>> import torch
        >>> from gantut.models import diagonal_normal
        >>> diagonal_normal(torch.zeros(1, 2), torch.zeros(1, 2)).log_prob(torch.zeros(1, 2))
        tensor([-1.8379])
    """
    mean, log_variance = full(mean), full(log_variance)
    return Independent(Normal(mean, (0.5 * log_variance).exp(), validate_args=False), 1)


def draw(distribution: Any, n: int, generator: torch.Generator | None) -> Tensor:
    """``n`` draws from a diagonal normal over codes or a mixture of such, (n, latent_dim).

    PyTorch's distributions draw from the global random state; this takes a generator.
    """
    if isinstance(distribution, MixtureSameFamily):
        weights = distribution.mixture_distribution.probs
        which = torch.multinomial(weights, n, replacement=True, generator=generator)
        normal: Any = distribution.component_distribution.base_dist  # type: ignore[attr-defined]
        mean, sigma = normal.loc[which], normal.scale[which]
    else:
        normal = distribution.base_dist
        mean, sigma = normal.loc.expand(n, -1), normal.scale.expand(n, -1)
    return mean + sigma * noise(mean.shape, mean, generator)


def noise(size: Sequence[int], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draws from N(0, I), in the precision and on the device of ``like``."""
    return torch.randn(size, generator=generator, device=like.device, dtype=like.dtype)


class StandardNormalPrior(nn.Module):
    """N(0, I), with the rate in closed form. [kingma2014]"""

    def forward(self, z: Tensor, encode: Encode | None = None) -> Independent:
        zero = z.new_zeros(z.shape[-1])
        return diagonal_normal(zero, zero)


class MixturePrior(nn.Module):
    """Σ_k π_k N(m_k, diag s_k²), all of it learned with the networks.

    The best prior for given networks is the average posterior; a mixture comes near to it where
    codes fall into groups. Means start as draws from N(0, I), deviations at 1. [tomczak2018]

    Args:
        latent_dim: the dimension of a code.
        components: K, how many Gaussians.
        seed: of the first means.

    Raises:
        ValueError: fewer than one component or dimension.

    Example:
        >>> import torch
        >>> from gantut.models import MixturePrior
        >>> prior = MixturePrior(2, components=3)
        >>> prior(torch.zeros(1, 2)).log_prob(torch.zeros(4, 2)).shape
        torch.Size([4])
    """

    def __init__(self, latent_dim: int, components: int = 10, *, seed: int = 0) -> None:
        super().__init__()
        if components < 1:
            raise ValueError(f"a mixture needs at least one component, got {components}")
        at_least(1, latent_dim=latent_dim)
        size = (components, latent_dim)
        with seeded(seed):
            self.mean = nn.Parameter(torch.randn(size))
        self.log_variance = nn.Parameter(torch.zeros(size))
        self.logits = nn.Parameter(torch.zeros(components))

    def forward(self, z: Tensor, encode: Encode | None = None) -> Distribution:
        components = diagonal_normal(self.mean, self.log_variance)
        return MixtureSameFamily(Categorical(logits=self.logits), components, validate_args=False)


class VampPrior(nn.Module):
    """1/K Σ_k q(z|u_k): the encoder's own posteriors at K learned inputs u_k. [tomczak2018]

    The best prior for given networks is the average posterior over all data; this averages over a
    few examples that are learned instead. Images stay in [0, 1].

    Args:
        inputs: where the u_k start, (K, *shape). Examples of the data are a good choice.

    Raises:
        ValueError: no input; in the pass, no encoder.

    Example:
        >>> import torch
        >>> from gantut import models, networks
        >>> encoder = networks.MLPEncoder((1, 4, 4), 2)
        >>> decoder = networks.MLPDecoder(2, (1, 4, 4))
        >>> prior = models.VampPrior(torch.rand(5, 1, 4, 4))
        >>> models.VAE(encoder, decoder, prior=prior).sample(3).shape
        torch.Size([3, 1, 4, 4])
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
        uniform = Categorical(logits=inputs.new_zeros(len(inputs)))
        return MixtureSameFamily(uniform, encode(inputs), validate_args=False)
