"""Maximum mean discrepancy: how far two clouds are apart for the eye of a kernel, and the objectives that use it. [gretton2012]

MMD²(p, q) = E k(x, x′) − 2 E k(x, y) + E k(y, y′), with x, x′ ~ p and y, y′ ~ q all independent. It is 0 for p = q alone when k is a
Gaussian kernel. The estimates below leave out the pairs of a point with itself, which makes them unbiased; so they can be slightly
negative.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gantut.losses.elbo import distortion, rate
from gantut.numerics import check_weight
from gantut.processes import gathered, own

if TYPE_CHECKING:
    from gantut.models.vae import VAEOutput

SCALES = (0.5, 1.0, 2.0)


def _kernel(x: Tensor, y: Tensor, bandwidths: Sequence[float]) -> Tensor:
    """Mean over the bandwidths h of exp(−‖x − y‖² / (2h²)), (N, M)."""
    # cdist's own square would lose digits near the diagonal, and its root has no slope there.
    squares = (x[:, None] - y[None]).square().sum(-1)
    return torch.stack([torch.exp(squares / (-2 * h * h)) for h in bandwidths]).mean(0)


def _off_diagonal_means(kernel: Tensor) -> Tensor:
    """For each row the mean over the other points."""
    return (kernel.sum(1) - kernel.diagonal()) / (len(kernel) - 1)


def _check(z: Tensor, bandwidths: Sequence[float]) -> None:
    if z.ndim != 2 or len(z) < 2:
        raise ValueError(f"MMD needs a cloud (N, d) with N ≥ 2, got {tuple(z.shape)}")
    if not bandwidths or not all(math.isfinite(h) and h > 0 for h in bandwidths):
        raise ValueError(f"bandwidths must be positive numbers, got {bandwidths}")


def mmd(x: Tensor, y: Tensor, bandwidths: Sequence[float] = SCALES) -> Tensor:
    """One number per point of x, (N,), whose mean is the unbiased estimate of MMD² between two clouds (N, d) of one size.

    Raises:
        ValueError: fewer than 2 points, clouds of different shape, or a bandwidth that is not positive.
    """
    _check(x, bandwidths)
    if x.shape != y.shape:
        raise ValueError(
            f"expected two clouds of one shape, got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    x, y = gathered(x), gathered(y)
    within = _off_diagonal_means(_kernel(x, x, bandwidths)) + _off_diagonal_means(
        _kernel(y, y, bandwidths)
    )
    return own(within - 2 * _kernel(x, y, bandwidths).mean(1))


def mmd_to_prior(z: Tensor, bandwidths: Sequence[float] = SCALES) -> Tensor:
    """One number per code, (N,), whose mean is the unbiased estimate of MMD² between the codes (N, d) and N(0, I).

    No draw from the prior is needed: a Gaussian kernel's average over a normal is known. For bandwidth h it is
    E k(z, y) = (h² / (1 + h²))^(d/2) exp(−‖z‖² / (2(1 + h²))) and E k(y, y′) = (h² / (2 + h²))^(d/2). Bandwidths are scaled by √d, the
    typical length of a code. Raises as ``mmd``.
    """
    z = gathered(z)
    _check(z, bandwidths)
    dimension = z.shape[1]
    scaled = [h * math.sqrt(dimension) for h in bandwidths]
    across = torch.zeros_like(z[:, 0])
    within_prior = 0.0
    for h in scaled:
        across = across + (h * h / (1 + h * h)) ** (dimension / 2) * torch.exp(
            z.square().sum(1) / (-2 * (1 + h * h))
        )
        within_prior += (h * h / (2 + h * h)) ** (dimension / 2)
    codes = _off_diagonal_means(_kernel(z, z, scaled))
    return own(codes - 2 * across / len(scaled) + within_prior / len(scaled))


def info_vae(
    output: VAEOutput,
    x: Tensor,
    *,
    alpha: float = 1.0,
    weight: float = 100.0,
    bandwidths: Sequence[float] = SCALES,
) -> Tensor:
    """distortion + (1 − α) · rate + (α + λ − 1) · MMD²(q(z), p(z)), (N,), with λ = ``weight``. [zhao2019]

    α = 1 asks the *average* code to look like the prior and lets each single one be as sharp as it likes: the Wasserstein autoencoder's
    objective with a stochastic encoder [tolstikhin2018]. α = 0 and λ = 1 is the ELBO. MMD needs the batch, and has no nats.

    Raises:
        ValueError: α is not finite or above 1, λ is negative or not finite, or α + λ < 1, which would push the codes away.
    """
    check_weight("weight", weight)
    if not (math.isfinite(alpha) and alpha <= 1) or alpha + weight < 1:
        raise ValueError(
            f"InfoVAE needs a finite alpha ≤ 1 with alpha + weight ≥ 1, got {alpha} and {weight}"
        )
    penalty = (alpha + weight - 1) * mmd_to_prior(output.z, bandwidths)
    return distortion(output, x) + (1 - alpha) * rate(output) + penalty
