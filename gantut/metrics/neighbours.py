"""What neighbours tell about two clouds of features (N, d): precision and recall, density and coverage, copying.

Around each real example lies the ball that reaches to its k-th nearest other real example. The union of the balls stands for where the data
is. Samples inside are good; real examples with no sample near are missing.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from gantut.metrics.samples import check_features

CHUNK = 1000


class Neighbourhood(NamedTuple):
    """Four shares: ``precision`` and ``recall`` in [0, 1], ``density`` ≥ 0 (about 1 for equal distributions), ``coverage`` in [0, 1]."""

    precision: float
    recall: float
    density: float
    coverage: float


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # The faster way through a matrix product loses the digits of small distances, so that a copy would not be at distance 0.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _radii(cloud: Tensor, k: int) -> Tensor:
    """The distance of each point to its k-th nearest other point, (N,)."""
    parts = [_distances(part, cloud).kthvalue(k + 1, dim=1).values for part in cloud.split(CHUNK)]
    return torch.cat(parts)


def neighbourhood(real: Tensor, fake: Tensor, *, k: int = 5) -> Neighbourhood:
    """Compare two clouds through the balls around their points. [kynkaanniemi2019, naeem2020]

    precision: the share of samples in some real ball. recall: the share of real examples in some sample's ball. density: real balls around
    a sample, on the average, divided by k; unlike precision, one stray real example with a huge ball hardly counts. coverage: the share of
    real balls with a sample inside; for equal distributions it is 1 − Π_{j≤k} (N − j)/(2N − j), about 1 − 2^−k.

    Raises:
        ValueError: as ``fid``, or k outside 1 … N − 1 for the smaller cloud.
    """
    real, fake = check_features(real, fake)
    smallest = min(len(real), len(fake))
    if not 1 <= k < smallest:
        raise ValueError(
            f"k must be in 1 … {smallest - 1}, one less than the smaller cloud, got {k}"
        )
    real_radii, fake_radii = _radii(real, k), _radii(fake, k)
    inside_real, balls, recalled, nearest = [], 0, torch.zeros(len(real), dtype=torch.bool), []
    for part, radii in zip(fake.split(CHUNK), fake_radii.split(CHUNK), strict=True):
        distance = _distances(part, real)
        inside = distance <= real_radii
        inside_real.append(inside.any(1))
        balls += int(inside.sum())
        recalled |= (distance <= radii[:, None]).any(0)
        nearest.append(distance.min(0).values)
    covered = torch.stack(nearest).min(0).values <= real_radii
    precision = torch.cat(inside_real).double().mean().item()
    return Neighbourhood(
        precision,
        recalled.double().mean().item(),
        balls / (k * len(fake)),
        covered.double().mean().item(),
    )


def nearest_distance(points: Tensor, others: Tensor) -> Tensor:
    """The Euclidean distance of each point (N, d) to the nearest of the others (M, d), (N,).

    Raises:
        ValueError: not two tables of one dimension with at least one row, or NaN or infinite values.
    """
    for name, cloud in (("points", points), ("others", others)):
        if cloud.ndim != 2 or len(cloud) == 0 or cloud.shape[1] != points.shape[-1]:
            raise ValueError(
                f"expected {name} (N, {points.shape[-1]}) with N ≥ 1, got {tuple(cloud.shape)}"
            )
        if not torch.isfinite(cloud).all():
            raise ValueError(
                f"the {name} hold {int((~torch.isfinite(cloud)).sum())} NaN or infinite values"
            )
    return torch.cat([_distances(part, others).min(1).values for part in points.split(CHUNK)])


class Copying(NamedTuple):
    """``share``: how often a sample lies closer to the training set than an unseen real example, ½ for an honest model and 1 for a copier.

    ``z``: by how many standard errors the share is above ½, from the rank-sum test.
    """

    share: float
    z: float


def copying(train: Tensor, held_out: Tensor, fake: Tensor) -> Copying:
    """Does the model repeat its training set? Compare distances to the nearest training example. [meehan2020]

    ``z`` takes the rank sum as normal, which needs about 20 examples on each side; with fewer a warning says so.

    Raises:
        ValueError: as ``fid``, for each pair of clouds.
    """
    train, held_out = check_features(train, held_out)
    _, fake = check_features(train, fake)
    far, near = nearest_distance(held_out, train), nearest_distance(fake, train)
    ranked = far.sort().values
    below, up_to = torch.searchsorted(ranked, near), torch.searchsorted(ranked, near, right=True)
    wins = (len(far) - up_to).double() + 0.5 * (up_to - below).double()
    m, n = len(far), len(near)
    if min(m, n) < 20:
        warnings.warn(
            f"{m} unseen examples and {n} samples: too few for z to be normal", stacklevel=2
        )
    share = wins.sum().item() / (m * n)
    error = ((m + n + 1) / (12 * m * n)) ** 0.5
    return Copying(share, (share - 0.5) / error)
