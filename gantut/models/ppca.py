"""Probabilistic PCA: a latent-variable model with a known likelihood and optimum. [tipping1999]

p(z) = N(0, I) and p(x|z) = N(Wz + b, σ²I) give p(x) = N(b, WWᵀ + σ²I). A VAE with a linear decoder
and a linear encoder is this model: it can reach the true posterior, so at its optimum the ELBO *is*
the log-likelihood. [lucas2019]
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Distribution, MultivariateNormal

from gantut.numerics import expect


class LinearGaussian(NamedTuple):
    """The model's numbers, and what follows from them in closed form.

    Args:
        weights: W, (d, k).
        offset: b, (d,).
        variance: σ² of the noise on each value, a number or a learned tensor.

    Example:
        >>> import torch
        >>> from gantut.models import ppca
        >>> model = ppca.LinearGaussian(torch.tensor([[2.0]]), torch.zeros(1), 1.0)
        >>> model.log_likelihood(torch.zeros(1, 1))  # log N(0; 0, 2² + 1)
        tensor([-1.7237])
        >>> model.posterior(torch.ones(1, 1)).mean  # 2 / (2² + 1)
        tensor([[0.4000]])
    """

    weights: Tensor
    offset: Tensor
    variance: float | Tensor

    def log_likelihood(self, x: Tensor) -> Tensor:
        """log p(x), (N,), in nats, exactly."""
        noise = self.variance * torch.eye(len(self.offset), dtype=x.dtype)
        return MultivariateNormal(self.offset, self.weights @ self.weights.T + noise).log_prob(x)

    def posterior(self, x: Tensor) -> Distribution:
        """p(z|x) = N(M⁻¹Wᵀ(x − b), σ²M⁻¹) with M = WᵀW + σ²I, batch shape (N,)."""
        identity = torch.eye(self.weights.shape[1], dtype=x.dtype)
        precision = (self.weights.T @ self.weights + self.variance * identity) / self.variance
        mean = torch.linalg.solve(precision, self.weights.T @ (x - self.offset).T / self.variance).T
        return MultivariateNormal(mean, precision_matrix=precision)

    def log_conditional(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z), for codes (…, N, k) and examples (N, d), in nats."""
        squares = (x - z @ self.weights.T - self.offset).square().sum(-1)
        log_variance = torch.as_tensor(self.variance, dtype=x.dtype).log()
        constant = len(self.offset) * (math.log(2 * math.pi) + log_variance)
        return -0.5 * (squares / self.variance + constant)

    def elbo(self, x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        """The ELBO of q(z|x) = N(mean, diag exp(log_variance)), (N,), in nats, without any draw.

        E_q log p(x|z) = log p(x|mean) − Σ_j s_j² ‖W_j‖² / (2σ²).

        Args:
            x: examples, (N, d).
            mean: of q, (N, k).
            log_variance: log s², (N, k).
        """
        spread = (log_variance.exp() * self.weights.square().sum(0)).sum(1) / (2 * self.variance)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return self.log_conditional(x, mean) - spread - divergence


def fit(covariance: Tensor, latent_dim: int, offset: Tensor | None = None) -> LinearGaussian:
    """The maximum-likelihood model: σ² is the mean of the discarded eigenvalues, W = U(Λ − σ²I)^½.

    Args:
        covariance: of the data, (d, d), divided by N.
        latent_dim: k, how many eigenvalues (Λ, eigenvectors U) are kept.
        offset: b, the data's mean; 0 unless given.

    Raises:
        ValueError: not a square matrix, latent_dim outside 1 … d − 1, or discarded eigenvalues that
            are not positive.

    Example:
        >>> import torch
        >>> from gantut.models import ppca
        >>> model = ppca.fit(torch.diag(torch.tensor([4.0, 1.0, 0.5])), 1)
        >>> model.variance, model.weights.square().sum().item()
        (0.75, 3.25)
    """
    d = len(covariance)
    fits = covariance.shape == (d, d) and 1 <= latent_dim < d
    expect(fits, "a covariance (d, d) and 1 ≤ latent_dim < d", covariance, latent_dim)
    values, vectors = torch.linalg.eigh(covariance)
    values, vectors = values.flip(0), vectors.flip(1)
    variance = values[latent_dim:].mean().item()
    expect(variance > 0, "discarded eigenvalues that are positive on the average", f"{variance:g}")
    weights = vectors[:, :latent_dim] * (values[:latent_dim] - variance).clamp(min=0).sqrt()
    return LinearGaussian(weights, covariance.new_zeros(d) if offset is None else offset, variance)


def mean_log_likelihood(eigenvalues: Tensor, latent_dim: int) -> float:
    """The best model's log-likelihood, averaged over the data, in nats.

    −½ (Σ_{j≤k} log λ_j + (d − k) log σ² + d log 2π + d), σ² the mean of the other eigenvalues.

    Args:
        eigenvalues: of the data's covariance, (d,), the largest first.
        latent_dim: k.
    """
    d, rest = len(eigenvalues), eigenvalues[latent_dim:]
    log_determinant = eigenvalues[:latent_dim].log().sum() + (d - latent_dim) * rest.mean().log()
    return (-0.5 * (log_determinant + d * math.log(2 * math.pi) + d)).item()
