"""Penalties on critics whose gradient is known in closed form, one example at a time."""

import pytest
import torch
from hypothesis import given, settings, strategies as st

from gantut.losses import PENALTIES, consistency, dragan, gradient_penalty, r1, r1_r2, r2

N, DIM = 64, 5


def linear(w):
    return lambda x: x.flatten(1) @ w


def quadratic(x):
    return 0.5 * x.flatten(1).square().sum(1)  # its gradient is x


@pytest.fixture
def pair():
    g = torch.Generator().manual_seed(0)
    return torch.randn(2, N, DIM, generator=g, dtype=torch.float64).unbind()


def test_a_linear_critic_of_slope_one_pays_no_gradient_penalty(pair):
    """The norm over the whole batch would give 10 * 49 here: sqrt(64) - 1 = 7."""
    w = torch.full((DIM,), DIM**-0.5, dtype=torch.float64)
    assert torch.allclose(
        gradient_penalty(10.0)(linear(w), *pair), torch.zeros(N).double(), atol=1e-12
    )


def test_gradient_penalty_of_a_steeper_linear_critic(pair):
    w = torch.full((DIM,), 3 * DIM**-0.5, dtype=torch.float64)
    value = gradient_penalty(10.0)(linear(w), *pair)
    assert value.shape == (N,)
    assert torch.allclose(value, torch.full_like(value, 40.0))


def test_gradient_penalty_interpolates_each_pair_with_its_own_epsilon():
    real, fake = torch.ones(N, 1, dtype=torch.float64), torch.zeros(N, 1, dtype=torch.float64)
    value = gradient_penalty(1.0)(quadratic, real, fake, generator=torch.Generator().manual_seed(0))
    epsilon = 1 - value.sqrt()  # (|x̂| - 1)² with x̂ = ε
    expected = torch.rand(
        N, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    ).squeeze(1)
    assert torch.allclose(epsilon, expected)
    assert len(epsilon.unique()) == N


def test_r1_r2_on_a_quadratic_critic(pair):
    real, fake = pair
    at_real, at_fake = real.square().sum(1), fake.square().sum(1)
    assert torch.allclose(r1(0.3)(quadratic, real, fake), 0.15 * at_real)
    assert torch.allclose(r2(0.3)(quadratic, real, fake), 0.15 * at_fake)
    assert torch.allclose(r1_r2(0.3)(quadratic, real, fake), 0.15 * (at_real + at_fake))


def shift(x, *, generator=None):
    """A change that adds 0.1 to every value: a linear critic's logit moves by 0.1 Σ w."""
    return x + 0.1


def made(name, weight):
    return consistency(weight, shift) if name == "consistency" else PENALTIES[name](weight)


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("length", [0.5, 1.0, 3.0])
def test_penalties_in_closed_form_on_a_linear_critic(name, length, pair):
    """Per example and with the slope in the weights: D(x) = w·x has the gradient w everywhere."""
    w = torch.linspace(0.1, 1, DIM, dtype=torch.float64)
    w = (length * w / w.norm()).requires_grad_()
    value = made(name, 2.0)(linear(w), *pair, generator=torch.Generator().manual_seed(0))
    norm, moved = w.norm(), 0.1 * w.sum()
    expected = {
        "r1": norm**2,
        "r2": norm**2,
        "r1_r2": 2 * norm**2,
        "gradient_penalty": 2 * (norm - 1) ** 2,
        "gradient_penalty_one_sided": 2 * (norm - 1).relu() ** 2,
        "dragan": 2 * (norm - 1) ** 2,
        "consistency": 2 * moved**2,
    }[name]
    assert value.shape == (N,)
    assert torch.allclose(value, expected.detach().expand(N), atol=1e-12)
    (slope,) = torch.autograd.grad(value.mean(), w)
    (wanted,) = torch.autograd.grad(expected, w)
    assert torch.allclose(slope, wanted, atol=1e-10)


@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_in_closed_form_on_a_quadratic_critic(name, pair):
    """D(x) = ½‖x‖² has the gradient x: each example pays for its own place, drawn from the same generator."""
    real, fake = pair
    value = made(name, 2.0)(quadratic, real, fake, generator=torch.Generator().manual_seed(3))
    g = torch.Generator().manual_seed(3)
    if name.startswith("gradient_penalty"):
        epsilon = torch.rand(N, 1, generator=g, dtype=torch.float64)
        x = epsilon * real + (1 - epsilon) * fake
    elif name == "dragan":
        x = real + 0.5 * real.std(correction=0) * torch.rand(
            N, DIM, generator=g, dtype=torch.float64
        )
    else:
        x = real
    norm = x.norm(dim=1)
    expected = {
        "r1": real.square().sum(1),
        "r2": fake.square().sum(1),
        "r1_r2": real.square().sum(1) + fake.square().sum(1),
        "gradient_penalty": 2 * (norm - 1).square(),
        "gradient_penalty_one_sided": 2 * (norm - 1).relu().square(),
        "dragan": 2 * (norm - 1).square(),
        "consistency": 2 * (quadratic(real + 0.1) - quadratic(real)).square(),
    }[name]
    assert torch.allclose(value, expected, atol=1e-12)


@pytest.mark.parametrize("name", PENALTIES)
def test_the_gradient_in_the_weights_matches_finite_differences(name, pair):
    real, fake = (x[:6, :2] for x in pair)

    def value(w):
        return made(name, 1.5)(
            lambda x: torch.tanh(x @ w).sum(1),
            real,
            fake,
            generator=torch.Generator().manual_seed(0),
        )

    w = torch.randn(2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.autograd.gradcheck(value, (w.requires_grad_(),))


@pytest.mark.parametrize("name", PENALTIES)
def test_nothing_flows_into_the_generator_and_flat_critics_are_harmless(name, pair):
    """Penalties regularise D alone; and at a slope of exactly 0 the norm's derivative must not be NaN."""
    real, fake = pair[0], pair[1].clone().requires_grad_()
    w = torch.zeros(DIM, dtype=torch.float64, requires_grad=True)
    value = made(name, 1.0)(linear(w), real, fake)
    slopes = torch.autograd.grad(value.sum(), (w, fake), allow_unused=True)
    assert torch.isfinite(value).all() and torch.isfinite(slopes[0]).all()
    assert slopes[1] is None


@pytest.mark.parametrize("name", PENALTIES)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_permutation(name, data):
    """No penalty couples examples, but for the random numbers that a place in the batch receives and DRAGAN's one deviation."""
    n = data.draw(st.integers(1, 5))
    order = torch.tensor(data.draw(st.permutations(range(n))))
    g = torch.Generator().manual_seed(n)
    real, fake = torch.randn(2, n, 3, generator=g, dtype=torch.float64)
    if name in ("gradient_penalty", "gradient_penalty_one_sided"):
        fake = real  # every interpolate is then the example itself
    penalty = made(name, 1.0) if name != "dragan" else dragan(1.0, spread=0.0)
    value = penalty(quadratic, real, fake)
    assert value.shape == (n,) and torch.isfinite(value).all() and (value >= 0).all()
    assert torch.allclose(penalty(quadratic, real[order], fake[order]), value[order])


def test_consistency_on_images_and_fakes():
    g = torch.Generator().manual_seed(0)
    real, fake = torch.rand(2, 5, 1, 8, 8, generator=g)
    total = consistency(2.0, shift, fake_weight=3.0)(quadratic, real, fake)
    gap = (quadratic(real + 0.1) - quadratic(real)).square()
    gap_fake = (quadratic(fake + 0.1) - quadratic(fake)).square()
    assert torch.allclose(total, 2 * gap + 3 * gap_fake)
    assert consistency(1.0)(quadratic, real, fake, generator=g).shape == (5,)
    with pytest.raises(ValueError, match="fake_weight must be a finite number ≥ 0, got -1"):
        consistency(1.0, fake_weight=-1.0)


def test_half_precision():
    """Penalties keep the precision of their input and stay finite in it."""
    for dtype in (torch.bfloat16, torch.float16):
        real, fake = torch.randn(2, 8, DIM, generator=torch.Generator().manual_seed(0)).to(dtype)
        for name in PENALTIES:
            value = made(name, 1.0)(quadratic, real, fake)
            assert value.dtype == dtype and torch.isfinite(value).all(), name


@pytest.mark.parametrize("name", PENALTIES)
def test_bad_coefficients(name):
    for bad in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="must be a finite number ≥ 0, got"):
            PENALTIES[name](bad)


def test_bad_shapes(pair):
    with pytest.raises(ValueError, match="one logit per example"):
        r1(1.0)(lambda x: x, *pair)
    with pytest.raises(ValueError, match="one shape"):
        gradient_penalty()(quadratic, pair[0], pair[1][:3])
