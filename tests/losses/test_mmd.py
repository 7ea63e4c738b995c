"""MMD against brute force, against its own closed form, and where it is known."""

import math

import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel

from gantut.losses import mmd, mmd_to_prior


def clouds(n=60, d=2, shift=0.0):
    x, y = torch.randn(2, n, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x + shift, y


def test_against_scikit_learn():
    x, y = clouds(shift=0.7)
    total = 0.0
    for h in (0.5, 2.0):
        kernels = [rbf_kernel(a, b, gamma=1 / (2 * h * h)) for a, b in ((x, x), (x, y), (y, y))]
        off = [(k.sum() - k.trace()) / (60 * 59) for k in (kernels[0], kernels[2])]
        total += (off[0] + off[1] - 2 * kernels[1].mean()) / 2
    value = mmd(x, y, (0.5, 2.0))
    assert value.shape == (60,)
    assert value.mean().item() == pytest.approx(total, abs=1e-12)


def test_against_two_samples():
    """The closed form to N(0, I) is what the two-sample estimate averages to, within four standard
    errors over many prior samples.
    """
    z = 0.5 * clouds(40)[0] + 0.3
    scaled = [h * math.sqrt(2) for h in (0.5, 1.0, 2.0)]
    g = torch.Generator().manual_seed(1)
    values = torch.stack(
        [
            mmd(z, torch.randn(40, 2, generator=g, dtype=torch.float64), scaled).mean()
            for _ in range(400)
        ]
    )
    assert abs(values.mean() - mmd_to_prior(z).mean()) < 4 * values.std() / 20


def test_it_is_unbiased_at_the_prior_and_positive_off_it():
    g = torch.Generator().manual_seed(2)
    values = torch.stack(
        [
            mmd_to_prior(torch.randn(16, 3, generator=g, dtype=torch.float64)).mean()
            for _ in range(500)
        ]
    )
    assert abs(values.mean()) < 4 * values.std() / math.sqrt(500)
    assert (values < 0).any()  # an unbiased estimate of 0 must be
    assert mmd_to_prior(torch.zeros(16, 3)).mean() > 10 * values.std()


def test_a_known_value():
    """One Gaussian kernel of bandwidth h between N(m, 1) and N(0, 1): 2 h/√(2 + h²) (1 − exp(−m² /
    (2(2 + h²)))).
    """
    n, h, m = 2000, 1.0, 1.5
    z = torch.randn(n, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64) + m
    exact = 2 * h / math.sqrt(2 + h * h) * (1 - math.exp(-m * m / (2 * (2 + h * h))))
    assert mmd_to_prior(z, (h,)).mean().item() == pytest.approx(exact, abs=0.03)


def test_permutation_and_gradients():
    x, y = clouds(6)
    order = torch.tensor([3, 1, 0, 5, 2, 4])
    assert torch.allclose(mmd(x[order], y[order]), mmd(x, y)[order])
    assert torch.autograd.gradcheck(mmd_to_prior, (x.clone().requires_grad_(),))
    assert torch.autograd.gradcheck(mmd, (x.clone().requires_grad_(), y))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mmd_to_prior(torch.zeros(1, 2)), r"N ≥ 2, got \(1, 2\)"),
        (
            lambda: mmd(torch.zeros(3, 2), torch.zeros(4, 2)),
            r"one shape, got \(3, 2\) and \(4, 2\)",
        ),
        (lambda: mmd_to_prior(torch.zeros(3, 2), (0.0,)), r"positive bandwidths, got \(0.0,\)"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
