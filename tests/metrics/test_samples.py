"""Metrics against closed forms, second implementations, and points placed by hand."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch

from gantut import data, metrics


def cloud(n, d, seed, scale=1.0, shift=0.0):
    return scale * torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


def standardised(x):
    """The same cloud with mean exactly 0 and covariance exactly I."""
    x = x - x.mean(0)
    root = torch.linalg.cholesky(torch.linalg.inv(torch.cov(x.T).reshape(x.shape[1], x.shape[1])))
    return x @ root


@pytest.mark.filterwarnings("ignore:.*singular")
def test_fid_in_one_dimension_is_the_closed_form():
    # N(0, 1) and N(2, 9): (0 − 2)² + (1 − 3)² = 8.
    x = standardised(cloud(500, 1, 0))
    assert metrics.fid(x, 3 * x + 2) == pytest.approx(8, abs=1e-6)


def test_fid_of_a_shift_and_a_scaling():
    x = standardised(cloud(500, 5, 1))
    assert metrics.fid(x, x) == pytest.approx(0, abs=1e-6)
    assert metrics.fid(x, x + 2) == pytest.approx(20, abs=1e-6)
    assert metrics.fid(x, 3 * x) == pytest.approx(5 * 4, abs=1e-6)


def test_fid_agrees_with_a_matrix_square_root():
    mix = cloud(6, 6, 2)
    a, b = cloud(400, 6, 3), cloud(300, 6, 4, 1.5, 0.3) @ mix
    s, t = np.cov(a.numpy().T), np.cov(b.numpy().T)
    root = scipy.linalg.sqrtm(s @ t).real
    expected = (a.mean(0) - b.mean(0)).square().sum().item() + np.trace(s + t - 2 * root)
    assert metrics.fid(a, b) == pytest.approx(expected, rel=1e-6)
    assert metrics.fid(a, b) == pytest.approx(metrics.fid(b, a), rel=1e-6)


def test_few_samples_are_warned_of():
    with pytest.warns(UserWarning, match="10 samples for 16 features: the covariance is singular"):
        metrics.fid(cloud(10, 16, 0), cloud(50, 16, 1))


def test_kid_is_the_unbiased_squared_mmd():
    a, b = cloud(60, 4, 0), cloud(60, 4, 1, 1.0, 0.5)

    def kernel(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    def off_diagonal(k):
        n = len(k)
        return (k.sum() - k.trace()) / (n * (n - 1))

    expected = off_diagonal(kernel(a, a)) + off_diagonal(kernel(b, b)) - 2 * kernel(a, b).mean()
    assert metrics.kid(a, b) == pytest.approx(expected.item(), rel=1e-6)


def test_kid_of_equal_distributions_is_about_zero_and_grows_with_the_shift():
    a, b = cloud(2000, 8, 0), cloud(2000, 8, 1)
    assert abs(metrics.kid(a, b)) < 0.01
    assert metrics.kid(a, b + 0.5) > 0.1
    assert metrics.kid(a, b, limit=100, seed=3) == metrics.kid(a, b, limit=100, seed=3)


def test_metrics_leave_the_global_random_state_alone():
    before = torch.get_rng_state()
    metrics.kid(cloud(50, 4, 0), cloud(50, 4, 1))
    metrics.fid(cloud(50, 4, 0), cloud(50, 4, 1))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("measure", [metrics.fid, metrics.kid])
@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (torch.zeros(5), torch.zeros(5, 2), r"expected real features \(N, d\) with N ≥ 2, got \(5,\)"),
        (torch.zeros(5, 2), torch.zeros(1, 2), r"expected fake features \(N, d\) with N ≥ 2, got \(1, 2\)"),
        (torch.zeros(5, 2), torch.zeros(5, 3), "differ in dimension: 2 and 3"),
        (torch.full((5, 2), float("nan")), torch.zeros(5, 2), "the real features hold 10 NaN or infinite values"),
    ],
)
def test_bad_features(measure, real, fake, message):
    with pytest.raises(ValueError, match=message):
        measure(real, fake)


def test_label_coverage_counts():
    logits = torch.eye(4)[torch.tensor([0, 0, 0, 1])]
    found = metrics.label_coverage(logits)
    assert found.shares.tolist() == [0.75, 0.25, 0, 0] and found.covered == 2
    assert found.entropy == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    even = metrics.label_coverage(torch.eye(4))
    assert even.covered == 4 and even.entropy == pytest.approx(math.log(4))


def test_a_class_below_a_tenth_of_its_share_is_not_covered():
    chosen = torch.cat([torch.zeros(960), torch.ones(40)]).long()  # an equal share is 500, a tenth of it 50
    assert metrics.label_coverage(torch.eye(2)[chosen]).covered == 1


def test_class_accuracy():
    logits = torch.eye(3)[torch.tensor([0, 1, 2, 2])]
    assert metrics.class_accuracy(logits, torch.tensor([0, 1, 2, 0])) == 0.75
    with pytest.raises(ValueError, match="expected one label per sample"):
        metrics.class_accuracy(logits, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"expected logits \(N, classes\) with N ≥ 1"):
        metrics.label_coverage(torch.empty(0, 3))


def test_mode_coverage_of_points_placed_by_hand():
    ring = data.ring(4, radius=2.0, std=0.1)
    samples = torch.tensor([[2.0, 0.0], [2.0, 0.29], [2.0, 0.31], [0.0, 2.0], [0.0, 0.0]])
    found = metrics.mode_coverage(samples, ring)
    assert (found.covered, found.total) == (2, 4)
    assert found.counts.tolist() == [2, 1, 0, 0] and found.high_quality == pytest.approx(3 / 5)


def test_a_perfect_sampler_has_989_in_a_thousand():
    ring = data.ring(8, std=0.02)
    found = metrics.mode_coverage(ring.sample(100_000, torch.Generator().manual_seed(0)), ring)
    assert found.covered == 8
    assert found.high_quality == pytest.approx(1 - math.exp(-4.5), abs=0.0015)


def test_mode_coverage_needs_modes_and_points():
    with pytest.raises(ValueError, match="'two_moons' has no separate modes"):
        metrics.mode_coverage(torch.zeros(3, 2), data.two_moons())
    with pytest.raises(ValueError, match=r"expected finite samples of shape \(N, 2\)"):
        metrics.mode_coverage(torch.tensor([[0.0, float("nan")]]), data.ring())


def test_bits_per_dimension():
    assert metrics.bits_per_dimension(64 * math.log(2), (1, 8, 8)) == pytest.approx(1)
    assert metrics.bits_per_dimension(torch.tensor([64 * math.log(2)]), (1, 8, 8)).tolist() == pytest.approx([1])


def test_the_feature_network_learns_is_scaled_and_is_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("GANTUT_CACHE", str(tmp_path))
    train, test = data.digits(), data.digits("test")
    network = metrics.feature_network(train)
    found = network.extract(test)
    assert metrics.class_accuracy(found.logits, test.labels) > 0.94
    assert found.features.shape == (360, 64) and found.features.dtype == torch.float64
    variance = network.extract(train).features.var(0).mean().item()
    assert variance == pytest.approx(1, abs=1e-3)
    (file,) = tmp_path.iterdir()
    when = file.stat().st_mtime_ns
    again = metrics.feature_network(train)
    assert file.stat().st_mtime_ns == when
    assert torch.equal(again.extract(test).features, found.features)
    other = metrics.feature_network(train.subset(torch.arange(1000)), steps=2)
    assert len(list(tmp_path.iterdir())) == 2 and not torch.equal(other.extract(test).features, found.features)


def test_the_feature_network_refuses():
    digits = data.digits()
    network = metrics.FeatureNetwork(digits.shape, 10)
    with pytest.raises(ValueError, match=r"expected images of shape \(N, 1, 8, 8\), got \(2, 1, 9, 9\)"):
        network.extract(torch.zeros(2, 1, 9, 9))
    with pytest.raises(ValueError, match=r"expected finite images in \[0, 1\], got values from -1 to 0"):
        network.extract(torch.tensor([-1.0, 0.0]).view(2, 1, 1, 1).expand(2, 1, 8, 8))
    with pytest.raises(ValueError, match=r"expected finite images in \[0, 1\]"):
        network.extract(torch.full((1, 1, 8, 8), float("nan")))
    unlabelled = data.ImageData(digits.images, name="plain")
    with pytest.raises(ValueError, match="needs labelled data of two classes or more; 'plain' has 0"):
        metrics.feature_network(unlabelled)


# -- FID without its bias ------------------------------------------------------------------------------------------------------------------


def gaussian_cloud(n, seed, shift=0.0):
    return torch.randn(n, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


def test_the_extrapolated_fid_is_nearer_to_the_exact_one():
    """N(0, I) and N(0.2, I) in 8 dimensions: the exact distance is 8 · 0.04 = 0.32; 500 samples are biased upwards."""
    real = gaussian_cloud(50_000, 0)
    plain, free = [], []
    for seed in range(6):
        fake = gaussian_cloud(500, seed + 1, shift=0.2)
        plain.append(metrics.fid(real, fake) - 0.32)
        free.append(metrics.fid_extrapolated(real, fake, seed=seed).fid - 0.32)
    assert sum(plain) / 6 > 0.03
    assert abs(sum(free) / 6) < 0.6 * sum(plain) / 6


def test_the_line_ends_at_all_samples():
    real, fake = gaussian_cloud(2000, 0), gaussian_cloud(400, 1)
    found = metrics.fid_extrapolated(real, fake, points=5)
    assert found.sizes[0] == 80 and found.sizes[-1] == 400 and len(found.values) == 5
    assert found.values[-1] == pytest.approx(metrics.fid(real, fake))
    assert found.values[0] > found.values[-1] > found.fid


@pytest.mark.parametrize(
    ("options", "message"),
    [({"points": 1}, "points ≥ 2"), ({"smallest": 1.0}, "0 < smallest < 1"), ({"smallest": 0.01}, "4 samples for 8")],
)
def test_an_extrapolation_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        metrics.fid_extrapolated(gaussian_cloud(400, 0), gaussian_cloud(400, 1), **options)
