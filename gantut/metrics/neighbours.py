"""What neighbours tell about two clouds of features: precision, recall, coverage, copying.

Around each real example lies the ball that reaches to its k-th nearest other real example. The
union of the balls stands for where the data is. Samples inside are good; real examples with no
sample near are missing.
"""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from gantut.metrics._checks import clouds, table
from gantut.numerics import check_shape, expect

CHUNK = 1000  # rows of a distance matrix held at once


class Neighbourhood(NamedTuple):
    """Four shares: is what the model draws good, and is all of the data there?

    ``precision``, ``recall`` and ``coverage`` lie in [0, 1]; ``density`` is ≥ 0 and about 1 for
    equal distributions.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # The faster way through a matrix product loses the digits of small distances, so that a copy
    # would not be at distance 0.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _radii(cloud: Tensor, k: int) -> Tensor:
    """The distance of each point to its k-th nearest other point, (N,)."""
    parts = [_distances(part, cloud).kthvalue(k + 1, dim=1).values for part in cloud.split(CHUNK)]
    return torch.cat(parts)


def neighbourhood(real: Tensor, fake: Tensor, *, k: int = 5) -> Neighbourhood:
    """Compare two clouds through the balls around their points. [kynkaanniemi2019, naeem2020]

    - precision: the share of samples in some real ball;
    - recall: the share of real examples in some sample's ball;
    - density: real balls around a sample, on average, divided by k; unlike precision, one stray
      real example with a huge ball hardly counts;
    - coverage: the share of real balls with a sample inside; for equal distributions it is
      1 − Π_{j≤k} (N − j)/(2N − j), about 1 − 2^−k.

    Args:
        real: features of real examples, (N, d).
        fake: features of generated examples, (M, d). All four shares depend on N and M: compare
            models with equally many.
        k: which neighbour a ball reaches to. Large k is generous: precision and recall rise.

    Returns:
        The four shares.

    Raises:
        ValueError: clouds that ``fid`` would refuse, or k outside 1 … N − 1 for the smaller cloud.

    Example:
        >>> import torch
        >>> real = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
        >>> neighbourhood(real, real[:100] + 100)
        Neighbourhood(precision=0.0, recall=0.0, density=0.0, coverage=0.0)
    """
    real, fake = clouds(real, fake)
    smallest = min(len(real), len(fake))
    expect(1 <= k < smallest, f"k in 1 … {smallest - 1}, below the smaller cloud", k)
    real_radii, fake_radii = _radii(real, k), _radii(fake, k)
    balls, recalled, nearest = [], [], []
    for part, radii in zip(fake.split(CHUNK), fake_radii.split(CHUNK), strict=True):
        distance = _distances(part, real)
        balls.append((distance <= real_radii).sum(1))  # how many real balls hold each sample
        recalled.append((distance <= radii[:, None]).any(0))
        nearest.append(distance.min(0).values)
    holding = torch.cat(balls).double()
    return Neighbourhood(
        precision=(holding > 0).double().mean().item(),
        recall=torch.stack(recalled).any(0).double().mean().item(),
        density=holding.mean().item() / k,
        coverage=(torch.stack(nearest).amin(0) <= real_radii).double().mean().item(),
    )


def nearest_distance(points: Tensor, others: Tensor) -> Tensor:
    """The Euclidean distance of each point to the nearest of the others.

    Args:
        points: (N, d).
        others: (M, d), say the training set.

    Returns:
        N distances; exactly 0 for a copy.

    Raises:
        ValueError: not two tables of one dimension with at least one row, NaN or infinite values.

    Example:
        >>> import torch
        >>> nearest_distance(torch.tensor([[0.0, 3.0]]), torch.tensor([[4.0, 0.0], [9.0, 9.0]]))
        tensor([5.])
    """
    table("points", points)
    table("others", others)
    check_shape(others, points.shape[1:], "others")
    return torch.cat([_distances(part, others).amin(1) for part in points.split(CHUNK)])


class Copying(NamedTuple):
    """How often a sample lies closer to the training set than an unseen real example does.

    ``share`` is ½ for an honest model and 1 for one that copies; ``z`` is how many standard errors
    the share lies above ½.
    """

    share: float
    z: float


def copying(train: Tensor, held_out: Tensor, fake: Tensor) -> Copying:
    """Does the model repeat its training set? A rank-sum test of distances to it. [meehan2020]

    Take the distance to the nearest training example, of unseen real examples and of samples. The
    share of pairs where the sample is closer (ties count half) has mean ½ and variance
    (m + n + 1) / 12mn for a model that neither copies nor misses.

    Args:
        train: features of the training set, (N, d).
        held_out: features of real examples the model has not seen, (m, d).
        fake: features of samples, (n, d).

    Returns:
        The share, and z = (share − ½) / standard error. Far below 0 it says that samples are
        *farther* from the training set than real examples are: bad, but no copies.

    Raises:
        ValueError: clouds that ``fid`` would refuse.

    With fewer than 20 examples on a side z is not nearly normal, and a warning says so.

    Example:
        >>> import torch
        >>> train, unseen = torch.randn(2, 300, 4, generator=torch.Generator().manual_seed(0))
        >>> copying(train, unseen, train[:100]).share
        1.0
    """
    train, held_out = clouds(train, held_out)
    _, fake = clouds(train, fake)
    far, near = nearest_distance(held_out, train), nearest_distance(fake, train)
    ranked = far.sort().values
    below, up_to = torch.searchsorted(ranked, near), torch.searchsorted(ranked, near, right=True)
    m, n = len(far), len(near)
    if min(m, n) < 20:
        few = f"{m} unseen examples and {n} samples"
        warnings.warn(f"{few}: too few for z to be normal", stacklevel=2)
    wins = (m - up_to).double() + 0.5 * (up_to - below).double()
    share = wins.sum().item() / (m * n)
    error = ((m + n + 1) / (12 * m * n)) ** 0.5
    return Copying(share, (share - 0.5) / error)
