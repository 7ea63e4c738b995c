"""FID and KID against closed forms, scipy, scikit-learn and torchmetrics, near and far."""

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.metrics.pairwise import polynomial_kernel
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from gantut import metrics
from gantut.data.batches import generator


def cloud(n, d, seed, scale=1.0, shift=0.0):
    g = torch.Generator().manual_seed(seed)
    return scale * torch.randn(n, d, generator=g, dtype=torch.float64) + shift


def standardised(x):
    """The same cloud with mean exactly 0 and covariance exactly I."""
    x = x - x.mean(0)
    root = torch.linalg.cholesky(torch.linalg.inv(torch.cov(x.T).reshape(x.shape[1], x.shape[1])))
    return x @ root


def pair():
    return cloud(400, 6, 3), cloud(300, 6, 4, 1.5, 0.3) @ cloud(6, 6, 2)


def by_scipy(a, b):
    s, t = np.cov(a.numpy().T), np.cov(b.numpy().T)
    cross = scipy.linalg.sqrtm(s @ t).real
    return (a.mean(0) - b.mean(0)).square().sum().item() + np.trace(s + t - 2 * cross)


class Given(nn.Module):
    """Stands where torchmetrics expects a network, and hands on the features it is given."""

    def __init__(self, dimension):
        super().__init__()
        self.num_features = dimension

    def forward(self, features):
        return features


def by_torchmetrics(metric, a, b):
    metric = metric.set_dtype(torch.float64)
    metric.update(a, real=True)
    metric.update(b, real=False)
    return metric.compute()


# -- FID -------------------------------------------------------------------------------------------


def test_in_one_dimension_it_is_the_closed_form():
    # N(0, 1) and N(2, 9): (0 − 2)² + (1 − 3)² = 8.
    x = standardised(cloud(500, 1, 0))
    assert metrics.fid(x, 3 * x + 2) == pytest.approx(8, abs=1e-9)


def test_a_shift_and_a_scaling():
    x = standardised(cloud(500, 5, 1))
    assert metrics.fid(x, x) == pytest.approx(0, abs=1e-12)
    assert metrics.fid(x, x + 2) == pytest.approx(20, abs=1e-9)
    assert metrics.fid(x, 3 * x) == pytest.approx(5 * 4, abs=1e-9)


def test_it_is_scipys_and_torchmetrics_and_symmetric():
    a, b = pair()
    assert metrics.fid(a, b) == pytest.approx(by_scipy(a, b), rel=1e-9)
    oracle = by_torchmetrics(FrechetInceptionDistance(feature=Given(6)), a, b)
    assert metrics.fid(a, b) == pytest.approx(float(oracle), rel=1e-9)
    assert metrics.fid(a, b) == pytest.approx(metrics.fid(b, a), rel=1e-12)


@pytest.mark.parametrize("offset", [1e3, 1e6, 1e8])
@pytest.mark.parametrize("distance", [0.0, 0.3])
def test_far_from_the_origin_it_is_the_same(offset, distance):
    a = cloud(600, 6, 5)
    b = cloud(500, 6, 6) + distance
    far, away = a + offset, b + offset  # rounded to 1.5e-8 at 1e8
    assert metrics.fid(far, away) == pytest.approx(metrics.fid(a, b), rel=1e-5)
    # What the rounding left of the clouds is measured exactly.
    assert metrics.fid(far, away) == pytest.approx(by_scipy(far - offset, away - offset), rel=1e-9)


def test_dead_features_are_no_trouble():
    """A feature that is always 0, as behind a ReLU, makes every covariance singular."""
    a, b = pair()
    still = torch.zeros(400, 2, dtype=torch.float64)
    with_dead = torch.cat([a, still], 1), torch.cat([b, still[:300]], 1)
    assert metrics.fid(*with_dead) == pytest.approx(metrics.fid(a, b), rel=1e-9)


def test_few_samples_are_warned_of():
    with pytest.warns(UserWarning, match="10 samples for 16 features: the covariance is singular"):
        metrics.fid(cloud(10, 16, 0), cloud(50, 16, 1))


# -- KID -------------------------------------------------------------------------------------------


def test_kid_is_the_unbiased_squared_mmd_with_scikit_learns_kernel_and_torchmetrics():
    a, b = cloud(60, 4, 0), cloud(60, 4, 1, 1.0, 0.5)
    xx, yy, xy = (polynomial_kernel(x, y, degree=3) for x, y in ((a, a), (b, b), (a, b)))
    pairs = 60 * 59
    expected = (xx.sum() - np.trace(xx)) / pairs + (yy.sum() - np.trace(yy)) / pairs - 2 * xy.mean()
    assert metrics.kid(a, b) == pytest.approx(expected, rel=1e-9)
    with pytest.warns(UserWarning, match="all extracted features"):
        oracle = KernelInceptionDistance(feature=Given(4), subsets=1, subset_size=60)
    mean, _ = by_torchmetrics(oracle, a, b)
    assert metrics.kid(a, b) == pytest.approx(float(mean), rel=1e-9)


def test_kid_has_no_bias():
    """Over many small draws from one distribution the mean is 0 within its standard error."""
    found = torch.tensor([metrics.kid(cloud(20, 3, s), cloud(20, 3, 999 + s)) for s in range(400)])
    assert found.mean().abs() < 3 * found.std() / 20
    assert (found < 0).double().mean() > 0.3


def test_kid_grows_with_the_shift_and_depends_on_its_seed_alone():
    a, b = cloud(2000, 8, 0), cloud(2000, 8, 1)
    assert abs(metrics.kid(a, b)) < 0.01
    assert metrics.kid(a, b + 0.5) > 0.1
    small = [metrics.kid(a, b, limit=100, seed=s) for s in (3, 3, 4)]
    assert small[0] == small[1] != small[2]


def test_kid_compares_pairs():
    with pytest.raises(ValueError, match="limit must be at least 2, got 1"):
        metrics.kid(cloud(9, 2, 0), cloud(9, 2, 1), limit=1)


# -- both ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", [metrics.fid, metrics.kid])
def test_the_global_random_state_is_left_alone(measure):
    before = torch.get_rng_state()
    measure(cloud(50, 4, 0), cloud(50, 4, 1))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("measure", [metrics.fid, metrics.kid])
@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (torch.zeros(5), torch.zeros(5, 2), r"real features \(N, d\) with N ≥ 2, got \(5,\)"),
        (torch.zeros(5, 2), torch.zeros(1, 2), r"fake features \(N, d\) with N ≥ 2, got \(1, 2\)"),
        (torch.zeros(5, 2), torch.zeros(5, 3), r"one dimension, got .*2\) and .*3\)"),
        (torch.full((5, 2), float("nan")), torch.zeros(5, 2), "real features hold 10 NaN or inf"),
    ],
)
def test_bad_features(measure, real, fake, message):
    with pytest.raises(ValueError, match=message):
        measure(real, fake)


# -- FID without its bias --------------------------------------------------------------------------


def test_the_extrapolated_fid_is_nearer_to_the_exact_one():
    """N(0, I) and N(0.2, I) in 8 dimensions are at 8 · 0.04 = 0.32; 500 samples biased upwards."""
    real = cloud(50_000, 8, 0)
    plain, free = [], []
    for seed in range(6):
        fake = cloud(500, 8, seed + 1, shift=0.2)
        plain.append(metrics.fid(real, fake) - 0.32)
        free.append(metrics.fid_extrapolated(real, fake, seed=seed) - 0.32)
    assert sum(plain) / 6 > 0.03
    assert abs(sum(free) / 6) < 0.6 * sum(plain) / 6


def test_it_is_the_intercept_of_the_line():
    real, fake = cloud(2000, 8, 0), cloud(400, 8, 1)
    sizes = [round(1 / value) for value in np.linspace(1 / 80, 1 / 400, 8)]
    values = []
    for i, size in enumerate(sizes):
        parts = fake[torch.randperm(400, generator=generator(0, i))].split(size)
        values.append(np.mean([metrics.fid(real, p) for p in parts if len(p) == size]))
    assert values[0] > values[-1] == pytest.approx(metrics.fid(real, fake))
    intercept = np.polyfit(1 / np.array(sizes), values, 1)[1]
    assert metrics.fid_extrapolated(real, fake) == pytest.approx(intercept, abs=1e-8)


def test_an_extrapolation_that_cannot_be():
    with pytest.raises(ValueError, match="than the 8 features, got 6"):
        metrics.fid_extrapolated(cloud(400, 8, 0), cloud(30, 8, 1))
