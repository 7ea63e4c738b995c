"""Densities: normalised, equal to PyTorch's own mixtures, sampled from what they state."""

import functools
import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from gantut.data import DENSITIES, grid, load, pinwheel, ring, spirals, two_moons


def source(seed=0):
    return torch.Generator().manual_seed(seed)


ALL = [ring(std=0.1), grid(std=0.2), two_moons(), spirals(), pinwheel()]


@pytest.mark.parametrize("density", ALL, ids=lambda d: d.name)
def test_the_log_density_is_pytorchs_own_mixture(density):
    k = len(density.centres)
    theirs = MixtureSameFamily(
        Categorical(logits=torch.zeros(k, dtype=torch.float64)),
        Independent(
            Normal(density.centres.double(), torch.tensor(density.std, dtype=torch.float64)), 1
        ),
    )
    x = 2 * torch.randn(200, 2, generator=source(), dtype=torch.float64)
    torch.testing.assert_close(density.log_prob(x), theirs.log_prob(x), rtol=1e-10, atol=1e-10)


@functools.cache
def quadrature(density):
    """The log-density at the points of a square grid, and the area of a cell.

    A sum over a grid whose step is 0.8 standard deviations is the integral of a Gaussian up to
    2 exp(−2π²/0.8²) = 8e-14.
    """
    line = torch.arange(-5.5, 5.5, 0.8 * density.std, dtype=torch.float64)
    points = torch.cartesian_prod(line, line)
    return torch.cat([density.log_prob(part) for part in points.split(20_000)]), (
        0.8 * density.std
    ) ** 2


@pytest.mark.parametrize("density", ALL, ids=lambda d: d.name)
def test_it_integrates_to_one(density):
    log_p, area = quadrature(density)
    assert log_p.exp().sum().item() * area == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("density", ALL, ids=lambda d: d.name)
def test_samples_follow_the_density(density):
    # E log p over samples against the same mean by quadrature: minus the entropy.
    x = density.sample(40_000, source())
    assert x.dtype == torch.float32 and x.shape == (40_000, 2)
    log_p, area = quadrature(density)
    entropy = -(log_p.exp() * log_p).sum().item() * area
    assert -density.log_prob(x.double()).mean().item() == pytest.approx(entropy, abs=0.03)


@pytest.mark.parametrize("n", [1, 2, 7, 8, 25])
def test_a_ring_has_exactly_n_distinct_modes(n):
    modes = ring(n, radius=2.0).modes
    assert len({tuple(round(v, 4) + 0.0 for v in mode) for mode in modes.tolist()}) == n
    torch.testing.assert_close(modes.norm(dim=1), torch.full((n,), 2.0))
    if n > 1:  # equal distances all the way round
        sides = (modes - modes.roll(1, 0)).norm(dim=1)
        torch.testing.assert_close(sides, torch.full((n,), 4 * math.sin(math.pi / n)))


def test_the_grid_is_centred_and_evenly_spaced():
    modes = grid(5, spacing=2.0).modes
    assert sorted(set(modes[:, 0].tolist())) == [-4, -2, 0, 2, 4]
    assert len(modes) == 25 and modes.mean(0).abs().max() < 1e-6


def test_curves_have_no_modes():
    assert all(len(density.modes) == 0 for density in (two_moons(), spirals(), pinwheel()))


def test_two_moons_are_point_symmetric():
    x = torch.randn(50, 2, generator=source(), dtype=torch.float64)
    torch.testing.assert_close(two_moons().log_prob(x), two_moons().log_prob(-x))


def test_spirals_are_even_along_their_length():
    arm = spirals().centres[:200]
    gaps = (arm[1:] - arm[:-1]).norm(dim=1)
    assert gaps.max() / gaps.min() < 1.25
    assert arm[0].norm() == pytest.approx(0.3, abs=0.01) and arm[-1].norm() == pytest.approx(
        2, abs=0.01
    )


def test_batches_are_a_function_of_seed_and_number():
    batches, again, other = (ring().batches(16, seed=s) for s in (3, 3, 4))
    assert torch.equal(batches.batch(5), again.batch(5))
    assert not torch.equal(batches.batch(5), batches.batch(6))
    assert not torch.equal(batches.batch(5), other.batch(5))
    assert torch.equal(next(iter(batches)), batches.batch(0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ring(0), "modes must be at least 1, got 0"),
        (lambda: grid(0), "side must be at least 1, got 0"),
        (lambda: ring(std=-1.0), "std must be a finite number > 0, got -1.0"),
        (lambda: ring(std=math.nan), "got nan"),
        (lambda: ring().log_prob(torch.zeros(3)), r"expected points of shape \(N, 2\), got \(3,\)"),
        (lambda: ring().batches(0), "batch_size must be at least 1, got 0"),
        (lambda: load("rings"), "unknown data set 'rings'; known: .*ring.*two_moons"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_names_lead_to_densities():
    for name in DENSITIES:
        assert load(name).name == name
