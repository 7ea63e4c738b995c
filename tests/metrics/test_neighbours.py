"""Precision, recall, density, coverage and copying, by a second implementation of each."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from scipy.stats import mannwhitneyu, norm
from sklearn.neighbors import NearestNeighbors

from gantut.metrics import copying, nearest_distance, neighbourhood


def cloud(n, d=4, seed=0, shift=0.0):
    return (
        torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        + shift
    )


def by_scikit_learn(real, fake, k):
    """The four shares from scikit-learn's neighbours and loops over all pairs."""
    radius = {
        name: NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(x).kneighbors(x)[0][:, -1]
        for name, x in (("real", real.numpy()), ("fake", fake.numpy()))
    }
    pairs = np.linalg.norm(real.numpy()[:, None] - fake.numpy()[None], axis=2)
    inside = pairs <= radius["real"][:, None]
    precision = inside.any(0).mean()
    recall = (pairs <= radius["fake"][None]).any(1).mean()
    return precision, recall, inside.sum() / (k * len(fake)), inside.any(1).mean()


@pytest.mark.parametrize(
    ("n", "m", "k", "shift"), [(80, 60, 3, 0.0), (50, 120, 5, 1.0), (30, 30, 1, 3.0)]
)
def test_against_scikit_learn(n, m, k, shift):
    real, fake = cloud(n, seed=n), cloud(m, seed=m + 1, shift=shift)
    assert tuple(neighbourhood(real, fake, k=k)) == pytest.approx(
        by_scikit_learn(real, fake, k), abs=1e-12
    )


def test_more_points_than_a_chunk():
    real, fake = cloud(1300, d=2), cloud(1100, d=2, seed=1)
    assert tuple(neighbourhood(real, fake, k=4)) == pytest.approx(
        by_scikit_learn(real, fake, 4), abs=1e-12
    )


def test_copies_and_strangers():
    real = cloud(100)
    assert (
        tuple(neighbourhood(real, real, k=3))[:2] == (1.0, 1.0)
        and neighbourhood(real, real, k=3).coverage == 1.0
    )
    assert tuple(neighbourhood(real, real + 1000, k=3)) == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_equal_distributions_have_the_expected_density_and_coverage(k):
    n = 300
    exact = 1 - math.prod((n - j) / (2 * n - j) for j in range(1, k + 1))
    runs = [neighbourhood(cloud(n, seed=2 * s), cloud(n, seed=2 * s + 1), k=k) for s in range(40)]
    assert sum(r.coverage for r in runs) / 40 == pytest.approx(exact, abs=0.02)
    assert sum(r.density for r in runs) / 40 == pytest.approx(n / (n - 1), abs=0.06)


def test_what_each_share_sees():
    real = torch.cat([cloud(300), cloud(300, seed=1, shift=20)])
    dropped = cloud(600, seed=2)  # one of the two groups is missing
    scattered = torch.cat(
        [cloud(300, seed=3), cloud(300, seed=4, shift=-20)]
    )  # half of the samples are nowhere
    drop, scatter = neighbourhood(real, dropped), neighbourhood(real, scattered)
    assert drop.precision > 0.9 and drop.recall < 0.55 and drop.coverage < 0.55
    assert scatter.precision < 0.55 and scatter.density < 0.7


def test_one_stray_example_fools_precision_and_not_density():
    real = torch.cat([cloud(300), torch.full((1, 4), 60.0, dtype=torch.float64)])
    fake = cloud(300, seed=5, shift=15)
    found = neighbourhood(real, fake)
    assert found.precision > 0.95 and found.density < 0.3


def test_nearest_distance_is_a_search_trees():
    points, others = cloud(1200, seed=3), cloud(90, seed=4)
    assert nearest_distance(points, others).numpy() == pytest.approx(
        cKDTree(others.numpy()).query(points.numpy())[0]
    )


@pytest.mark.parametrize(
    ("points", "others", "message"),
    [
        (cloud(5), cloud(5, d=3), r"expected others of shape \(N, 4\), got \(5, 3\)"),
        (cloud(5), cloud(0), r"got \(0, 4\)"),
        (cloud(5)[0], cloud(5), r"expected points \(N, d\)"),
        (cloud(5), cloud(5) * math.nan, "the others hold 20 NaN"),
    ],
)
def test_distances_that_cannot_be(points, others, message):
    with pytest.raises(ValueError, match=message):
        nearest_distance(points, others)


def test_copying_with_few_examples_is_warned_of():
    with pytest.warns(UserWarning, match="12 unseen examples and 50 samples"):
        copying(cloud(80), cloud(12, seed=1), cloud(50, seed=2))


@pytest.mark.parametrize(
    ("clouds", "message"),
    [
        ((cloud(30), cloud(30, d=3), cloud(30)), r"one dimension, got .*4\) and .*3\)"),
        ((cloud(30), cloud(30), cloud(30, d=3)), r"one dimension, got .*4\) and .*3\)"),
        ((cloud(30), cloud(30), cloud(30) * math.inf), "120 NaN or infinite"),
        ((cloud(30), cloud(30), cloud(1)), "N ≥ 2"),
    ],
)
def test_copying_refuses(clouds, message):
    with pytest.raises(ValueError, match=message):
        copying(*clouds)


def test_copying_is_the_rank_sum_test():
    train, held_out, fake = cloud(200), cloud(150, seed=1), cloud(120, seed=2)
    found = copying(train, held_out, fake)
    far, near = nearest_distance(held_out, train), nearest_distance(fake, train)
    statistic = mannwhitneyu(far.numpy(), near.numpy()).statistic
    assert found.share == pytest.approx(statistic / (150 * 120), abs=1e-12)
    assert abs(found.z) < 3


@pytest.mark.parametrize(("m", "n"), [(60, 60), (150, 25), (25, 150)])
def test_z_is_in_standard_errors(m, n):
    """Honest models by simulation: mean 0, variance 1; and scipy's p-value is that of z."""
    train = cloud(100, d=2)
    runs = [copying(train, cloud(m, 2, 2 * s), cloud(n, 2, 2 * s + 1)).z for s in range(1, 501)]
    z = torch.tensor(runs)
    assert z.mean().abs() < 3 / 500**0.5
    assert z.std().item() == pytest.approx(1, abs=3 / 1000**0.5)  # √2 would be 13 errors off
    far, near = (nearest_distance(cloud(k, 2, s), train) for k, s in ((m, 2), (n, 3)))
    test = mannwhitneyu(far, near, alternative="greater", method="asymptotic", use_continuity=False)
    assert runs[0] == pytest.approx(norm.isf(test.pvalue), abs=1e-9)


def test_copiers_are_caught_and_honest_models_are_not():
    train, held_out = cloud(300), cloud(300, seed=1)
    assert copying(train, held_out, train[:200]).share == 1.0
    near = copying(train, held_out, train[:200] + 0.05 * cloud(200, seed=3))
    assert near.share > 0.95 and near.z > 10
    assert all(abs(copying(train, held_out, cloud(300, seed=10 + s)).z) < 3.5 for s in range(10))
    assert copying(train, train, train).share == 0.5  # all distances are 0: ties count half


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((cloud(10), cloud(10), 0), "k in 1 … 9"),
        ((cloud(10), cloud(5), 5), "k in 1 … 4"),
        ((cloud(10), cloud(10, d=3), 2), r"one dimension, got .*4\) and .*3\)"),
        ((cloud(10), cloud(10) * math.nan, 2), "40 NaN or infinite"),
        ((cloud(1), cloud(10), 1), "N ≥ 2"),
    ],
)
def test_bad_input(arguments, message):
    real, fake, k = arguments
    with pytest.raises(ValueError, match=message):
        neighbourhood(real, fake, k=k)
