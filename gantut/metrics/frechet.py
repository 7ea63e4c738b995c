"""How far apart are two clouds of features? Fréchet distance and kernel distance (FID, KID).

Both compare real and generated examples after a network has turned each into a vector. The number
depends on the network: only values from the same one can be compared. ``feature_network`` trains a
small one on your own data; ``published_fid`` uses the networks of papers.
"""

import statistics
import warnings

import torch
from torch import Tensor

from gantut.data.batches import generator
from gantut.metrics._checks import clouds
from gantut.numerics import at_least, expect

SMALLEST, POINTS = 0.2, 8  # of the extrapolation: the smallest share of the samples; sizes


def fid(real: Tensor, fake: Tensor) -> float:
    """The Fréchet distance between Gaussians fitted to two clouds of features. [heusel2017]

    ‖μ − μ′‖² + tr(Σ + Σ′ − 2(ΣΣ′)^½), where μ, Σ are the mean and covariance of ``real`` and
    μ′, Σ′ those of ``fake``: 0 for equal moments, large for clouds that lie apart or differ in
    width. Few samples make it too large, so compare models with equally many.

    Args:
        real: features of real examples, (N, d).
        fake: features of generated examples, (M, d). Swapping the two changes nothing.

    Returns:
        The distance, ≥ 0, in squared units of the features. Computed in float64 about the joint
        mean, so that a large common offset costs no digits.

    Raises:
        ValueError: a cloud is not (N, d) with N ≥ 2, the dimensions differ, or a value is NaN or
            infinite.

    With no more samples than features the covariance is singular, and a warning says that the value
    is far too high.

    Example:
        >>> import torch
        >>> real = torch.randn(5000, 4, generator=torch.Generator().manual_seed(0))
        >>> round(fid(real, real + 1), 4)  # a shift by 1 in each of 4 dimensions
        4.0
    """
    real, fake = clouds(real, fake)
    n, dimension = min(len(real), len(fake)), real.shape[1]
    if n <= dimension:
        few = f"{n} samples for {dimension} features"
        warnings.warn(f"{few}: the covariance is singular, and FID is far too high", stacklevel=2)
    centre = torch.cat([real, fake]).mean(0)
    (mean, root), (other_mean, other_root) = _moments(real - centre), _moments(fake - centre)
    # tr (ΣΣ′)^½ is the sum of the singular values of R R′ᵀ.
    cross = torch.linalg.svdvals(root @ other_root.T).sum()
    spread = root.square().sum() + other_root.square().sum() - 2 * cross
    return max(0.0, float((mean - other_mean).square().sum() + spread))


def _moments(cloud: Tensor) -> tuple[Tensor, Tensor]:
    """The mean, and an R with RᵀR = Σ: by QR of the centred cloud, since squares lose digits."""
    mean = cloud.mean(0)
    return mean, torch.linalg.qr(cloud - mean, mode="r").R / (len(cloud) - 1) ** 0.5


def kid(real: Tensor, fake: Tensor, *, limit: int = 2000, seed: int = 0) -> float:
    """The squared kernel distance (MMD²) of two clouds of features, without bias. [binkowski2018]

    E k(x, x′) + E k(y, y′) − 2 E k(x, y) with the kernel k(a, b) = (a·b/d + 1)³: about 0 for
    equal distributions, and slightly negative half of the time. Unlike ``fid`` it needs no more
    samples than features; but with few samples it scatters.

    Args:
        real: features of real examples, (N, d).
        fake: features of generated examples, (M, d).
        limit: at most this many samples of each cloud are used (all pairs are formed); both
            clouds give equally many.
        seed: chooses which.

    Returns:
        The estimate, in the kernel's units.

    Raises:
        ValueError: clouds that ``fid`` would refuse, or a limit below 2.

    Example:
        >>> import torch
        >>> real, fake = torch.randn(2, 500, 4, generator=torch.Generator().manual_seed(0))
        >>> abs(kid(real, fake)) < 0.05 < kid(real, fake + 1)
        True
    """
    at_least(2, limit=limit)
    real, fake = clouds(real, fake)
    n = min(len(real), len(fake), limit)
    x, y = (
        cloud[torch.randperm(len(cloud), generator=generator(seed, i))[:n]]
        for i, cloud in enumerate((real, fake))
    )

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    # An example is no pair with itself: the diagonal is left out.
    within = sum(k.sum() - k.trace() for k in (kernel(x, x), kernel(y, y))) / (n * (n - 1))
    return float(within - 2 * kernel(x, y).mean())


def fid_extrapolated(real: Tensor, fake: Tensor, *, seed: int = 0) -> float:
    """FID without the bias of a finite sample: a line through FID against 1/N. [chong2020]

    The bias of FID is about proportional to 1/N, so models with different numbers of samples cannot
    be compared by FID itself. For eight sizes from a fifth of M to M, equally far apart in 1/N,
    ``fake`` is cut into as many separate parts as fit; the mean of their FIDs is one point of the
    line. Its value at 1/N = 0 is the answer. The bias from the number of ``real`` examples remains.

    Args:
        real: features of real examples, (N, d).
        fake: features of generated examples, (M, d).
        seed: chooses the order in which ``fake`` is cut.

    Returns:
        The line's value at 1/N = 0, in the unit of ``fid``.

    Raises:
        ValueError: clouds that ``fid`` would refuse, or a fifth of M that is no more than d.

    Example:
        >>> import torch
        >>> real, fake = torch.randn(2, 2000, 8, generator=torch.Generator().manual_seed(0))
        >>> fid(real, fake) > fid_extrapolated(real, fake)
        True
    """
    real, fake = clouds(real, fake)
    least, features = SMALLEST * len(fake), fake.shape[1]
    expect(least > features, f"subsets of more samples than the {features} features", int(least))
    inverse = torch.linspace(1 / least, 1 / len(fake), POINTS, dtype=torch.float64)
    sizes = [min(len(fake), round(1 / value)) for value in inverse.tolist()]
    values = []
    for i, size in enumerate(sizes):
        order = torch.randperm(len(fake), generator=generator(seed, i))
        parts = [fid(real, fake[part]) for part in order.split(size) if len(part) == size]
        values.append(sum(parts) / len(parts))
    return statistics.linear_regression([1 / size for size in sizes], values).intercept
