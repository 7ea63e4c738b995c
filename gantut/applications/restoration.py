"""Restoring images with a generative model: find the code whose image explains what was observed. [bora2017]"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Restored(NamedTuple):
    """The best code for each image (N, latent_dim), its image (N, *shape), and its energy (N,), in nats."""

    z: Tensor
    images: Tensor
    energy: Tensor


def energy(
    decoded: Tensor, observed: Tensor, z: Tensor, *, sigma: float, mask: Tensor | None = None
) -> Tensor:
    """‖m ⊙ (G(z) − y)‖² / (2σ²) + ½‖z‖², (N,), in nats: −log p(z | y) without its constants, for noise N(0, σ²) and z ~ N(0, I).

    ``mask`` is 1 where a pixel was observed and 0 where not; without one all were.
    """
    off = decoded - observed if mask is None else mask * (decoded - observed)
    return off.square().flatten(1).sum(1) / (2 * sigma**2) + z.square().sum(1) / 2


def search(
    decode: Callable[[Tensor], Tensor],
    observed: Tensor,
    *,
    latent_dim: int,
    sigma: float,
    mask: Tensor | None = None,
    start: Tensor | None = None,
    restarts: int = 4,
    steps: int = 200,
    lr: float = 0.1,
    seed: int = 0,
) -> Restored:
    """The code of least ``energy`` for each observed image (N, *shape), by Adam from several places; the best of them is kept.

    ``decode`` maps codes (N, latent_dim) to images: a GAN's generator or the mean of a VAE's decoder. The places are ``start``
    (N, latent_dim), where it is given, and draws from N(0, I) for the rest of the ``restarts``. The learning rate falls to zero. This is
    the most probable code, and its energy has many valleys: hence the restarts. [bora2017]

    Raises:
        ValueError: σ is not positive, a count is below 1, or ``decode`` gives another shape than that of the observed images.
    """
    if not (math.isfinite(sigma) and sigma > 0) or restarts < 1 or steps < 1:
        raise ValueError(
            f"expected sigma > 0, restarts ≥ 1 and steps ≥ 1, got {sigma}, {restarts} and {steps}"
        )
    n = len(observed)
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(restarts, n, latent_dim, generator=generator).to(observed)
    if start is not None:
        z[0] = start
    z = z.flatten(0, 1).requires_grad_(True)
    y = observed.repeat(restarts, *[1] * (observed.ndim - 1))
    m = (
        None
        if mask is None
        else mask.expand_as(observed).repeat(restarts, *[1] * (observed.ndim - 1))
    )
    optimizer = torch.optim.Adam([z], lr=lr)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        decoded = decode(z)
        if decoded.shape != y.shape:
            raise ValueError(
                f"decode gives {tuple(decoded.shape)} for observed images {tuple(y.shape)}"
            )
        # Only the codes move: the model's own weights get no gradient.
        (z.grad,) = torch.autograd.grad(energy(decoded, y, z, sigma=sigma, mask=m).sum(), [z])
        optimizer.step()
        decay.step()
    with torch.no_grad():
        decoded = decode(z)
        value = energy(decoded, y, z, sigma=sigma, mask=m).view(restarts, n)
    best = value.argmin(0)
    place = torch.arange(n, device=best.device)
    found = z.detach().view(restarts, n, latent_dim)[best, place]
    return Restored(found, decoded.view(restarts, *observed.shape)[best, place], value[best, place])
