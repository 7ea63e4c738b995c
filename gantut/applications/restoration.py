"""Restoring images with a generative model: find the code that explains what was seen. [bora2017]

The prior over codes is N(0, I) throughout, as a GAN's generator and a plain VAE have it. For a VAE
with a learned prior the energy here would be the wrong one: its −log p(z) must replace ½‖z‖².
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gantut.numerics import at_least, check_positive


class Restored(NamedTuple):
    """The best code for each image (N, latent_dim), its image (N, *shape), its energy (N,)."""

    z: Tensor
    images: Tensor
    energy: Tensor


def energy(
    decoded: Tensor, observed: Tensor, z: Tensor, *, sigma: float, mask: Tensor | None = None
) -> Tensor:
    """−log p(z | y) without its constants, for noise N(0, σ²) on the pixels and z ~ N(0, I).

        ‖m ⊙ (G(z) − y)‖² / (2σ²) + ½‖z‖²

    Args:
        decoded: G(z), the images of the codes, (N, *shape).
        observed: y, what was seen, (N, *shape).
        z: The codes, (N, latent_dim).
        sigma: The noise's deviation σ, in the unit of the pixels.
        mask: m, 1 where a pixel was seen and 0 where not; without it all were.

    Returns:
        Nats, (N,).

    Example:
        >>> import torch
        >>> seen, z = torch.zeros(1, 4), torch.ones(1, 2)
        >>> energy(torch.full((1, 4), 0.5), seen, z, sigma=0.5).item()  # 1 / 0.5 + 1
        3.0
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
    """The code of least ``energy`` for each image, by Adam from several places. [bora2017]

    It is the most probable code given what was seen. The energy has many valleys, hence the
    restarts; the best of them is kept. The learning rate falls to zero on a cosine.

    Args:
        decode: Codes (N, latent_dim) to images: a GAN's generator, or the mean of a VAE's decoder,
            ``lambda z: vae.decode(z).mean``.
        observed: What was seen, (N, *shape).
        latent_dim: How many numbers a code has.
        sigma: The noise's deviation σ. If it is too small, the search fits the noise with long,
            improbable codes.
        mask: 1 where a pixel was seen and 0 where not, broadcast to ``observed``; without it all
            were.
        start: The first place, (N, latent_dim), such as an encoder's answer. The others, or all of
            them, are draws from N(0, I).
        restarts: How many places.
        steps: Adam's steps from each.
        lr: Adam's first learning rate.
        seed: For the draws.

    Raises:
        ValueError: σ is not positive, a count is below 1, or ``decode`` gives another shape than
            that of the observed images.

    Example:
        >>> import torch
        >>> found = search(lambda z: 2 * z, torch.tensor([[3.0]]), latent_dim=1, sigma=1.0)
        >>> round(found.z.item(), 3)  # 2·3 / (2² + σ²)
        1.2
    """
    check_positive(sigma=sigma)
    at_least(1, restarts=restarts, steps=steps)
    n, copies = len(observed), (restarts, *[1] * (observed.ndim - 1))
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(restarts, n, latent_dim, generator=generator).to(observed)
    if start is not None:
        z[0] = start
    z = z.flatten(0, 1).requires_grad_(True)
    y = observed.repeat(copies)
    m = None if mask is None else mask.expand_as(observed).repeat(copies)

    def images() -> Tensor:
        decoded = decode(z)
        if decoded.shape != y.shape:
            shapes = f"{tuple(decoded.shape)} for observed images {tuple(y.shape)}"
            raise ValueError(f"decode gives {shapes}")
        return decoded

    optimizer = torch.optim.Adam([z], lr=lr)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        value = energy(images(), y, z, sigma=sigma, mask=m).sum()
        # Only the codes move: the model's own weights get no gradient.
        (z.grad,) = torch.autograd.grad(value, [z])
        optimizer.step()
        decay.step()
    with torch.no_grad():
        decoded = images()
        final = energy(decoded, y, z, sigma=sigma, mask=m).view(restarts, n)
    best = final.argmin(0), torch.arange(n, device=final.device)
    codes = z.detach().view(restarts, n, latent_dim)
    return Restored(codes[best], decoded.view(restarts, *observed.shape)[best], final[best])
