"""The evidence lower bound and its two parts, as functions of a VAE's output. All (N,), in nats, summed over dimensions.

log p(x) ≥ ELBO = E_{z∼q(z|x)} log p(x|z) − KL(q(z|x) ‖ p(z)). The first term is estimated with the one draw z of the output. [kingma2014]
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.distributions import kl_divergence

if TYPE_CHECKING:
    from gantut.vae import VAEOutput


def distortion(output: VAEOutput, x: Tensor) -> Tensor:
    """−log p(x|z): how badly the draw z explains x, (N,), in nats.

    Raises:
        ValueError: x does not have the shape the decoder gives.
    """
    expected = output.likelihood.batch_shape + output.likelihood.event_shape
    if x.shape != expected:
        raise ValueError(f"expected examples of shape {tuple(expected)}, got {tuple(x.shape)}")
    return -output.likelihood.log_prob(x)


def rate(output: VAEOutput) -> Tensor:
    """KL(q(z|x) ‖ p(z)): the nats that the code spends on x, (N,), in closed form.

    For a diagonal Gaussian and a standard normal prior: ½ Σ (μ² + σ² − 1 − log σ²).
    """
    return kl_divergence(output.posterior, output.prior)


def elbo(output: VAEOutput, x: Tensor, beta: float = 1.0) -> Tensor:
    """−distortion − β · rate, (N,), in nats: to be maximised. β = 1 is the bound on log p(x); another β is the β-VAE. [higgins2017]

    Raises:
        ValueError: β is negative or not finite.
    """
    return -negative_elbo(output, x, beta)


def negative_elbo(output: VAEOutput, x: Tensor, beta: float = 1.0) -> Tensor:
    """distortion + β · rate, (N,), in nats: the VAE's loss, to be minimised.

    Raises:
        ValueError: β is negative or not finite.
    """
    if not (math.isfinite(beta) and beta >= 0):
        raise ValueError(f"beta must be a finite number ≥ 0, got {beta}")
    return torch.add(distortion(output, x), rate(output), alpha=beta)
