"""Maximum mean discrepancy: how far apart two clouds of points look to a kernel. [gretton2012]

MMD²(p, q) = E k(x, x′) − 2 E k(x, y) + E k(y, y′), with x, x′ ~ p and y, y′ ~ q all independent.
With a Gaussian kernel it is 0 for p = q alone. The estimates below leave out the pairs of a point
with itself. That makes them unbiased, so they can be slightly negative. It has no nats.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gantut.numerics import expect
from gantut.processes import gathered

SCALES = (0.5, 1.0, 2.0)


def _kernel(x: Tensor, y: Tensor, bandwidths: Sequence[float]) -> Tensor:
    """Mean over the bandwidths h of exp(−‖x − y‖² / (2h²)), (N, M)."""
    # cdist's own square would lose digits near the diagonal, and its root has no slope there.
    squares = (x[:, None] - y[None]).square().sum(-1)
    return torch.stack([torch.exp(squares / (-2 * h * h)) for h in bandwidths]).mean(0)


def _to_the_others(x: Tensor, bandwidths: Sequence[float]) -> Tensor:
    """The mean kernel of each point with all *other* points of the batch, (N,)."""
    everyone = gathered(x)
    # k(x, x) = 1 is taken out again.
    return (_kernel(x, everyone, bandwidths).sum(1) - 1) / (len(everyone) - 1)


def _check(z: Tensor, bandwidths: Sequence[float]) -> None:
    expect(z.ndim == 2 and len(z) > 1, "a cloud (N, d) with N ≥ 2", z)
    expect(bandwidths and min(bandwidths) > 0, "positive bandwidths", bandwidths)


def mmd(x: Tensor, y: Tensor, bandwidths: Sequence[float] = SCALES) -> Tensor:
    """MMD² between two clouds, as one number per point whose mean is the unbiased estimate.

    Args:
        x: a cloud (N, d).
        y: another, of the same shape.
        bandwidths: the widths h of the Gaussian kernels exp(−‖x − y‖² / (2h²)), whose mean is
            taken: in the units of the data, from the distance of neighbours to that of clusters.

    Returns:
        (N,), without a unit. Each value depends on the whole batch.

    Raises:
        ValueError: fewer than 2 points, clouds of different shape, or a bandwidth that is not
            positive.

    Example:
        >>> import torch
        >>> x, y = torch.randn(2, 500, 2, generator=torch.Generator().manual_seed(0))
        >>> bool(mmd(x, y).mean().abs() < 0.01), round(mmd(x, y + 1).mean().item(), 2)
        (True, 0.15)

    Source: [gretton2012].
    """
    _check(x, bandwidths)
    expect(x.shape == y.shape, "two clouds of one shape", x, y)
    within = _to_the_others(x, bandwidths) + _to_the_others(y, bandwidths)
    return within - 2 * _kernel(x, gathered(y), bandwidths).mean(1)


def mmd_to_prior(z: Tensor, bandwidths: Sequence[float] = SCALES) -> Tensor:
    """MMD² between codes and N(0, I), as one number per code whose mean is the unbiased estimate.

    No draw from the prior is needed, since a Gaussian kernel's average over a normal is known:
    E k(z, y) = (h² / (1 + h²))^(d/2) exp(−‖z‖² / (2(1 + h²))) and
    E k(y, y′) = (h² / (2 + h²))^(d/2). Added to the distortion it makes the Wasserstein
    autoencoder: it asks the *average* code to look like the prior, and lets each single one be as
    sharp as it likes.

    Args:
        z: codes (N, d).
        bandwidths: the widths h of the kernels in units of √d, the typical length of a code.

    Returns:
        (N,), without a unit. Each value depends on the whole batch.

    Raises:
        ValueError: fewer than 2 codes, or a bandwidth that is not positive.

    Example:
        >>> import torch
        >>> z = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
        >>> same, narrower = mmd_to_prior(z).mean(), mmd_to_prior(z / 4).mean()
        >>> bool(same.abs() < 0.01), round(narrower.item(), 2)
        (True, 0.17)

    Source: [gretton2012, tolstikhin2018].
    """
    _check(z, bandwidths)
    half, squares = z.shape[1] / 2, z.square().sum(1)
    widths = [h * h * z.shape[1] for h in bandwidths]  # h², in the data's own unit
    across = [(w / (1 + w)) ** half * torch.exp(squares / (-2 * (1 + w))) for w in widths]
    within_prior = sum((w / (2 + w)) ** half for w in widths) / len(widths)
    within = _to_the_others(z, [math.sqrt(w) for w in widths])
    return within - 2 * torch.stack(across).mean(0) + within_prior
