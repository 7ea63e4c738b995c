"""Penalties on critics whose gradient is known in closed form, one example at a time."""

import pytest
import torch

from gantut.losses import PENALTIES, gradient_penalty, r1, r1_r2, r2

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
    assert torch.allclose(gradient_penalty(10.0)(linear(w), *pair), torch.zeros(N).double(), atol=1e-12)


def test_gradient_penalty_of_a_steeper_linear_critic(pair):
    w = torch.full((DIM,), 3 * DIM**-0.5, dtype=torch.float64)
    value = gradient_penalty(10.0)(linear(w), *pair)
    assert value.shape == (N,)
    assert torch.allclose(value, torch.full_like(value, 40.0))


def test_gradient_penalty_interpolates_each_pair_with_its_own_epsilon():
    real, fake = torch.ones(N, 1, dtype=torch.float64), torch.zeros(N, 1, dtype=torch.float64)
    value = gradient_penalty(1.0)(quadratic, real, fake, generator=torch.Generator().manual_seed(0))
    epsilon = 1 - value.sqrt()  # (|x̂| - 1)² with x̂ = ε
    expected = torch.rand(N, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64).squeeze(1)
    assert torch.allclose(epsilon, expected)
    assert len(epsilon.unique()) == N


def test_r1_r2_on_a_quadratic_critic(pair):
    real, fake = pair
    at_real, at_fake = real.square().sum(1), fake.square().sum(1)
    assert torch.allclose(r1(0.3)(quadratic, real, fake), 0.15 * at_real)
    assert torch.allclose(r2(0.3)(quadratic, real, fake), 0.15 * at_fake)
    assert torch.allclose(r1_r2(0.3)(quadratic, real, fake), 0.15 * (at_real + at_fake))


@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_can_be_differentiated_in_the_weights(name, pair):
    w = torch.linspace(0.1, 1, DIM, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(PENALTIES[name](1.0)(linear(w), *pair).mean(), w)
    norm = w.detach().norm()
    expected = {"r1": 1.0, "r2": 1.0, "r1_r2": 2.0, "gradient_penalty": 2 * (1 - 1 / norm)}[name] * w.detach()
    assert torch.allclose(slope, expected)


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
