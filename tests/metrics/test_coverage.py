"""Covered classes, modes and kinds: counted by hand, by second implementations, on bad input."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.metrics import accuracy_score

from gantut import data, metrics


def cloud(n, d, seed):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


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


@pytest.mark.parametrize(("few", "covered"), [(49, 1), (50, 2)])
def test_a_class_is_covered_from_a_tenth_of_its_share_on(few, covered):
    """An equal share of 1,000 samples in two classes is 500, and a tenth of it 50."""
    chosen = (torch.arange(1000) < few).long()
    assert metrics.label_coverage(torch.eye(2)[chosen]).covered == covered


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
    with pytest.raises(ValueError, match=r"4 labels, one a sample, got \(2,\)"):
        metrics.class_accuracy(logits, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="labels must lie in 0 … 2, got 0 … 3"):
        metrics.class_accuracy(logits, torch.tensor([0, 1, 2, 3]))
    with pytest.warns(UserWarning, match="all labels are 2: nothing is said of other classes"):
        assert metrics.class_accuracy(logits, torch.full((4,), 2)) == 0.5


@pytest.mark.parametrize(
    "measure",
    [metrics.label_coverage, lambda v: metrics.class_accuracy(v, torch.zeros(len(v)).long())],
)
@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (torch.empty(0, 3), r"expected logits \(N, d\) with N ≥ 1, got \(0, 3\)"),
        (torch.zeros(4), r"expected logits \(N, d\) with N ≥ 1, got \(4,\)"),
        (torch.zeros(4, 1), "two classes or more, got"),
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
    assert (found.covered, len(found.counts)) == (2, 4)
    assert found.counts.tolist() == [2, 1, 0, 0] and found.high_quality == pytest.approx(3 / 5)


def test_a_perfect_sampler_has_989_in_a_thousand():
    ring = data.ring(8, std=0.02)
    found = metrics.mode_coverage(ring.sample(100_000, torch.Generator().manual_seed(0)), ring)
    assert found.covered == 8
    assert found.high_quality == pytest.approx(1 - math.exp(-4.5), abs=0.0015)


def test_mode_coverage_needs_modes_and_points():
    with pytest.raises(ValueError, match="separate modes, .* got none of 'two_moons'"):
        metrics.mode_coverage(torch.zeros(3, 2), data.two_moons())
    with pytest.raises(ValueError, match="the samples hold 1 NaN"):
        metrics.mode_coverage(torch.tensor([[0.0, float("nan")]]), data.ring())
    with pytest.raises(ValueError, match=r"samples of shape \(N, 2\), got \(3, 3\)"):
        metrics.mode_coverage(torch.zeros(3, 3), data.ring())
    with pytest.raises(ValueError, match="sigmas > 0, got 0"):
        metrics.mode_coverage(torch.zeros(9, 2), data.ring(), sigmas=0)
    with pytest.warns(UserWarning, match="7 samples cannot cover 8 modes"):
        metrics.mode_coverage(torch.zeros(7, 2), data.ring())


# -- stacked images --------------------------------------------------------------------------------


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
    """Two channels of two classes make the kinds 00, 01, 10, 11, each expected in a quarter.

    Samples 00, 00, 01, 11 have the shares ½, ¼, 0, ¼.
    """
    images = drawn(torch.tensor([[0, 0], [0, 0], [0, 1], [1, 1]]), 2)
    found = metrics.stacked_coverage(Reader(2), images)
    assert (found.covered, found.counts.tolist()) == (3, [2, 1, 0, 1])
    assert found.kl == pytest.approx(0.5 * math.log(2))
    # Classes with the shares ¾ and ¼ make kinds with 9/16, 3/16, 3/16, 1/16.
    uneven = metrics.stacked_coverage(Reader(2), images, shares=torch.tensor([0.75, 0.25]))
    expected = scipy.stats.entropy([0.5, 0.25, 0, 0.25], [9 / 16, 3 / 16, 3 / 16, 1 / 16])
    assert uneven.kl == pytest.approx(expected, abs=1e-12)


def test_a_perfect_stack_has_the_stated_kl():
    """1,000 kinds and 26,000 samples: about 999 / 52,000 = 0.019 nats although nothing is wrong."""
    kinds = torch.randint(10, (26_000, 3), generator=torch.Generator().manual_seed(0))
    found = metrics.stacked_coverage(Reader(10), drawn(kinds, 10))
    assert (found.covered, len(found.counts)) == (1000, 1000) and int(found.counts.sum()) == 26_000
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
        (
            metrics.FeatureNetwork((3, 4, 4), 2),
            torch.zeros(3, 3, 4, 4),
            {},
            "network of one channel, got one of 3",
        ),
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
