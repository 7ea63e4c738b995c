"""The mutual information gap: known values, scikit-learn's information, bad input."""

import math

import pytest
import torch
from sklearn.metrics import mutual_info_score

from gantut.metrics import mutual_information_gap


def uniform(*size, seed=0):
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_code_that_is_the_factors():
    v = uniform(4000, 3)
    found = mutual_information_gap(torch.cat([v, uniform(4000, 1, seed=1)], 1), v)
    assert found.mig > 0.95
    assert torch.equal(found.information.argmax(0), torch.arange(3))
    assert torch.allclose(found.information[[0, 1, 2], [0, 1, 2]], torch.ones(3).double())


def test_any_increasing_map_of_a_dimension_changes_nothing():
    v = uniform(4000, 2)
    straight, bent = mutual_information_gap(v, v), mutual_information_gap((5 * v).exp(), v)
    assert straight.mig == bent.mig


def test_a_factor_told_twice_has_no_gap():
    v = uniform(4000, 1)
    assert mutual_information_gap(torch.cat([v, -v], 1), v).mig == pytest.approx(0, abs=1e-12)


def test_a_rotated_code_has_a_small_gap():
    v = uniform(8000, 2) - 0.5
    turn = torch.tensor([[1.0, 1.0], [-1.0, 1.0]], dtype=torch.float64) / math.sqrt(2)
    assert mutual_information_gap(v @ turn, v).mig < 0.05 < 0.9 < mutual_information_gap(v, v).mig


def test_a_code_that_knows_nothing():
    assert mutual_information_gap(uniform(20_000, 4), uniform(20_000, 2, seed=1)).mig < 0.005


def test_information_is_scikit_learns():
    labels = torch.randint(5, (3000, 1), generator=torch.Generator().manual_seed(0))
    codes = torch.randint(4, (3000, 2), generator=torch.Generator().manual_seed(1)) + labels // 2
    found = mutual_information_gap(codes, labels, bins=20)
    shares = torch.bincount(labels[:, 0]).double() / 3000
    entropy = -(shares * shares.log()).sum().item()
    for j in range(2):
        exact = mutual_info_score(codes[:, j].numpy(), labels[:, 0].numpy()) / entropy
        assert found.information[j, 0].item() == pytest.approx(exact, abs=1e-10)


def normal(*size):
    return torch.randn(*size, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


@pytest.mark.parametrize("ties", ["relu", "rounded", "none"])
def test_the_order_of_the_rows_does_not_matter(ties):
    """Equal values share a bin; sorted data with many ties must not look informative."""
    n = 20_000
    factor = (torch.arange(n) * 10 // n)[:, None]
    z = normal(n, 2)
    z[:, 0] = {"relu": z[:, 0].relu(), "rounded": (z[:, 0] * 20).round(), "none": z[:, 0]}[ties]
    found = mutual_information_gap(z, factor)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    shuffled = mutual_information_gap(z[order], factor[order])
    assert torch.allclose(found.information, shuffled.information, atol=1e-12)
    assert found.mig < 0.005  # the code was drawn without looking at the factor


@pytest.mark.filterwarnings("ignore:.*biased")
def test_ties_are_binned_alike_whatever_follows_them():
    """Half zeros are one bin; the other half is cut into bins of a twentieth each."""
    z = torch.cat([torch.zeros(500), torch.linspace(1, 2, 500)])[:, None].repeat(1, 2).double()
    z[:, 1] = z[:, 1].flip(0)
    factor = torch.cat([torch.zeros(500), torch.arange(10).repeat_interleave(50) + 1])[:, None]
    found = mutual_information_gap(z, factor, bins=20)
    # Bins of 50 match the factor's levels, and its zeros match the code's: all is told.
    assert found.information[0, 0].item() == pytest.approx(1, abs=1e-12)


def test_few_examples_are_warned_about():
    with pytest.warns(UserWarning, match="100 examples for 20×20 bins"):
        mutual_information_gap(uniform(100, 2), uniform(100, 1, seed=1))


@pytest.mark.parametrize(
    ("codes", "factors", "bins", "message"),
    [
        (uniform(50), uniform(50, 1), 5, r"codes \(N, d\)"),
        (uniform(50, 2), uniform(40, 1), 5, "codes and factors of the same examples"),
        (uniform(50, 2) * math.nan, uniform(50, 1), 5, "100 NaN"),
        (uniform(50, 1), uniform(50, 1), 5, "dimensions must be at least 2, got 1"),
        (uniform(50, 2), uniform(50, 1), 1, "bins must be at least 2, got 1"),
        (uniform(50, 2), torch.ones(50, 1), 5, "got one value only of factor 0"),
    ],
)
def test_bad_input(codes, factors, bins, message):
    with pytest.raises(ValueError, match=message):
        mutual_information_gap(codes, factors, bins=bins)
