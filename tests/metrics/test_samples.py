"""Metrics against closed forms, second implementations, and points placed by hand."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch
from sklearn.metrics import accuracy_score
from sklearn.metrics.pairwise import polynomial_kernel

from gantut import data, metrics


def cloud(n, d, seed, scale=1.0, shift=0.0):
    return (
        scale
        * torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        + shift
    )


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


def test_kid_by_scikit_learns_kernel():
    a, b = cloud(50, 3, 0), cloud(50, 3, 1, 0.7, 0.2)
    xx, yy, xy = (polynomial_kernel(x, y, degree=3) for x, y in ((a, a), (b, b), (a, b)))
    pairs = 50 * 49
    expected = (xx.sum() - np.trace(xx)) / pairs + (yy.sum() - np.trace(yy)) / pairs - 2 * xy.mean()
    assert metrics.kid(a, b) == pytest.approx(expected, rel=1e-6)


def test_kid_compares_pairs():
    with pytest.raises(ValueError, match="limit must be at least 2, got 1"):
        metrics.kid(cloud(9, 2, 0), cloud(9, 2, 1), limit=1)


def test_metrics_leave_the_global_random_state_alone():
    before = torch.get_rng_state()
    metrics.kid(cloud(50, 4, 0), cloud(50, 4, 1))
    metrics.fid(cloud(50, 4, 0), cloud(50, 4, 1))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("measure", [metrics.fid, metrics.kid])
@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (
            torch.zeros(5),
            torch.zeros(5, 2),
            r"expected real features \(N, d\) with N ≥ 2, got \(5,\)",
        ),
        (
            torch.zeros(5, 2),
            torch.zeros(1, 2),
            r"expected fake features \(N, d\) with N ≥ 2, got \(1, 2\)",
        ),
        (torch.zeros(5, 2), torch.zeros(5, 3), "differ in dimension: 2 and 3"),
        (
            torch.full((5, 2), float("nan")),
            torch.zeros(5, 2),
            "the real features hold 10 NaN or infinite values",
        ),
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


def test_label_entropy_is_scipys():
    logits = cloud(500, 6, 0)
    found = metrics.label_coverage(logits)
    counts = np.bincount(logits.argmax(1).numpy(), minlength=6)
    assert found.shares.tolist() == pytest.approx((counts / 500).tolist())
    assert found.entropy == pytest.approx(scipy.stats.entropy(counts), abs=1e-12)


def test_the_entropy_of_few_samples_is_biased_as_stated():
    draws = [metrics.label_coverage(cloud(100, 5, seed)).entropy for seed in range(300)]
    assert math.log(5) - sum(draws) / 300 == pytest.approx(4 / 200, abs=0.003)


def test_fewer_samples_than_classes_are_warned_of():
    with pytest.warns(UserWarning, match="3 samples cannot cover 4 classes"):
        metrics.label_coverage(torch.eye(4)[:3])


def test_a_class_below_a_tenth_of_its_share_is_not_covered():
    chosen = torch.cat(
        [torch.zeros(960), torch.ones(40)]
    ).long()  # an equal share is 500, a tenth of it 50
    assert metrics.label_coverage(torch.eye(2)[chosen]).covered == 1


def test_class_accuracy():
    logits = torch.eye(3)[torch.tensor([0, 1, 2, 2])]
    assert metrics.class_accuracy(logits, torch.tensor([0, 1, 2, 0])) == 0.75
    many, labels = (
        cloud(300, 4, 0),
        torch.randint(4, (300,), generator=torch.Generator().manual_seed(1)),
    )
    assert metrics.class_accuracy(many, labels) == accuracy_score(
        labels.numpy(), many.argmax(1).numpy()
    )
    with pytest.raises(ValueError, match="expected one label per sample"):
        metrics.class_accuracy(logits, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="expected labels in 0 … 2, got 0 … 3"):
        metrics.class_accuracy(logits, torch.tensor([0, 1, 2, 3]))
    with pytest.warns(UserWarning, match="all 4 labels are 2: accuracy on one class"):
        assert metrics.class_accuracy(logits, torch.full((4,), 2)) == 0.5


@pytest.mark.parametrize(
    "measure",
    [metrics.label_coverage, lambda v: metrics.class_accuracy(v, torch.zeros(len(v)).long())],
)
@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (torch.empty(0, 3), r"expected logits \(N, classes\) with N ≥ 1, got \(0, 3\)"),
        (torch.zeros(4), r"expected logits \(N, classes\) with N ≥ 1, got \(4,\)"),
        (torch.zeros(4, 1), "one class only"),
        (
            torch.tensor([[0.0, math.nan], [math.inf, 1.0]]),
            "the logits hold 2 NaN or infinite values",
        ),
    ],
)
def test_bad_logits(measure, logits, message):
    with pytest.raises(ValueError, match=message):
        measure(logits)


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
    with pytest.raises(ValueError, match="sigmas must be positive, got 0"):
        metrics.mode_coverage(torch.zeros(9, 2), data.ring(), sigmas=0)
    with pytest.warns(UserWarning, match="7 samples cannot cover 8 modes"):
        metrics.mode_coverage(torch.zeros(7, 2), data.ring())


def test_bits_per_dimension():
    assert metrics.bits_per_dimension(64 * math.log(2), (1, 8, 8)) == pytest.approx(1)
    assert metrics.bits_per_dimension(
        torch.tensor([64 * math.log(2)]), (1, 8, 8)
    ).tolist() == pytest.approx([1])


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
    assert len(list(tmp_path.iterdir())) == 2 and not torch.equal(
        other.extract(test).features, found.features
    )


def test_the_feature_network_refuses():
    digits = data.digits()
    network = metrics.FeatureNetwork(digits.shape, 10)
    with pytest.raises(
        ValueError, match=r"expected images of shape \(N, 1, 8, 8\), got \(2, 1, 9, 9\)"
    ):
        network.extract(torch.zeros(2, 1, 9, 9))
    with pytest.raises(
        ValueError, match=r"expected finite images in \[0, 1\], got values from -1 to 0"
    ):
        network.extract(torch.tensor([-1.0, 0.0]).view(2, 1, 1, 1).expand(2, 1, 8, 8))
    with pytest.raises(ValueError, match=r"expected finite images in \[0, 1\]"):
        network.extract(torch.full((1, 1, 8, 8), float("nan")))
    unlabelled = data.ImageData(digits.images, name="plain")
    with pytest.raises(
        ValueError, match="needs labelled data of two classes or more; 'plain' has 0"
    ):
        metrics.feature_network(unlabelled)
    with pytest.raises(ValueError, match="all 50 images of 'digits' are of class 3"):
        metrics.feature_network(digits.subset((digits.labels == 3).nonzero()[:50, 0]))
    with pytest.warns(
        UserWarning, match="60 images for 64 features: the network learns them by heart"
    ):
        metrics.feature_network(digits.subset(torch.arange(60)), steps=1, cache=False)


# -- FID without its bias ------------------------------------------------------------------------------------------------------------------


def gaussian_cloud(n, seed, shift=0.0):
    return (
        torch.randn(n, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        + shift
    )


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
    line = np.polyfit(1 / np.array(found.sizes), np.array(found.values), 1)
    assert found.fid == pytest.approx(line[1], abs=1e-8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": 1}, "points ≥ 2"),
        ({"smallest": 1.0}, "0 < smallest < 1"),
        ({"smallest": 0.01}, "4 samples for 8"),
    ],
)
def test_an_extrapolation_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        metrics.fid_extrapolated(gaussian_cloud(400, 0), gaussian_cloud(400, 1), **options)


# -- stacked images ------------------------------------------------------------------------------------------------------------------------


class Reader(metrics.FeatureNetwork):
    """Reads the class from the brightness of the first pixel: no training, no mistakes."""

    def __init__(self, classes):
        super().__init__((1, 4, 4), classes)

    def extract(self, images, chunk=2000):
        kind = (images[:, 0, 0, 0] * (self.classes - 1)).round().long()
        return metrics.Extracted(
            torch.zeros(len(images), 64), torch.nn.functional.one_hot(kind, self.classes).float()
        )


def drawn(kinds, classes):
    """Images whose channels' first pixels are these classes, (N, channels)."""
    images = torch.zeros(len(kinds), kinds.shape[1], 4, 4)
    images[:, :, 0, 0] = kinds / (classes - 1)
    return images


def test_stacked_coverage_of_kinds_counted_by_hand():
    """Two channels of two classes: kinds 00, 01, 10, 11. Samples 00, 00, 01, 11 have the shares ½, ¼, 0, ¼ against ¼ each."""
    images = drawn(torch.tensor([[0, 0], [0, 0], [0, 1], [1, 1]]), 2)
    found = metrics.stacked_coverage(Reader(2), images)
    assert (found.covered, found.total, found.counts.tolist()) == (3, 4, [2, 1, 0, 1])
    assert found.kl == pytest.approx(0.5 * math.log(2))
    # Classes with the shares ¾ and ¼ make kinds with 9/16, 3/16, 3/16, 1/16.
    uneven = metrics.stacked_coverage(Reader(2), images, shares=torch.tensor([0.75, 0.25]))
    expected = scipy.stats.entropy([0.5, 0.25, 0, 0.25], [9 / 16, 3 / 16, 3 / 16, 1 / 16])
    assert uneven.kl == pytest.approx(expected, abs=1e-12)


def test_a_perfect_stack_has_the_stated_kl():
    """1,000 kinds and 26,000 samples: about 999 / 52,000 = 0.019 nats although nothing is wrong."""
    kinds = torch.randint(10, (26_000, 3), generator=torch.Generator().manual_seed(0))
    found = metrics.stacked_coverage(Reader(10), drawn(kinds, 10))
    assert (found.covered, found.total) == (1000, 1000) and int(found.counts.sum()) == 26_000
    assert found.kl == pytest.approx(999 / 52_000, rel=0.15)


def test_stacked_digits_are_read_back():
    digits = data.digits("test")
    stack = data.stacked(digits, 3000, seed=1)
    network = metrics.feature_network(data.digits())
    shares = torch.bincount(digits.labels, minlength=10) / len(digits)
    found = metrics.stacked_coverage(network, stack.floats(), shares=shares)
    right = (torch.bincount(stack.labels, minlength=1000) - found.counts).abs().sum() / 6000
    assert found.covered > 900 and found.kl < 0.3 and right < 0.15


@pytest.mark.parametrize(
    ("network", "images", "options", "message"),
    [
        (Reader(2), torch.zeros(3, 2, 5, 4), {}, r"expected images \(N, channels, 4, 4\)"),
        (Reader(2), torch.zeros(0, 2, 4, 4), {}, r"got \(0, 2, 4, 4\)"),
        (metrics.FeatureNetwork((3, 4, 4), 2), torch.zeros(3, 3, 4, 4), {}, "for one of 3"),
        (
            metrics.FeatureNetwork((1, 4, 4), 2),
            torch.full((9, 2, 4, 4), math.nan),
            {},
            "finite images",
        ),
        (
            Reader(2),
            torch.zeros(9, 2, 4, 4),
            {"shares": torch.tensor([1.0, 0.0])},
            "2 positive shares",
        ),
        (
            Reader(2),
            torch.zeros(9, 2, 4, 4),
            {"shares": torch.full((3,), 1 / 3)},
            "2 positive shares",
        ),
    ],
)
def test_a_stack_that_cannot_be_read(network, images, options, message):
    with pytest.raises(ValueError, match=message):
        metrics.stacked_coverage(network, images, **options)


def test_fewer_samples_than_kinds_are_warned_of():
    with pytest.warns(UserWarning, match="3 samples cannot cover 4 kinds"):
        metrics.stacked_coverage(Reader(2), torch.zeros(3, 2, 4, 4))
