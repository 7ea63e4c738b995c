"""Penalties on critics whose gradient is known in closed form, one example at a time."""

import pytest
import torch
from hypothesis import given, settings, strategies as st

from gantut.losses import PENALTIES, dragan, gradient_penalty, input_gradient, r1, r1_r2

N, DIM = 64, 5
# The sum of two squares, and the terms in the norm: what each pays for a slope.
COST = {
    "r1": lambda at_real, at_fake, between, around: at_real**2,
    "r2": lambda at_real, at_fake, between, around: at_fake**2,
    "r1_r2": lambda at_real, at_fake, between, around: at_real**2 + at_fake**2,
    "gradient_penalty": lambda at_real, at_fake, between, around: 2 * (between - 1) ** 2,
    "gradient_penalty_one_sided": lambda at_real, at_fake, between, around: (
        2 * (between - 1).relu() ** 2
    ),
    "gradient_penalty_zero_centred": lambda at_real, at_fake, between, around: 2 * between**2,
    "dragan": lambda at_real, at_fake, between, around: 2 * (around - 1) ** 2,
}


def linear(w):
    return lambda x: x.flatten(1) @ w


def quadratic(x):
    return 0.5 * x.flatten(1).square().sum(1)  # its gradient is x


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def pair():
    return torch.randn(2, N, DIM, generator=seeded(), dtype=torch.float64).unbind()


def test_the_table_covers_every_penalty():
    assert set(COST) == set(PENALTIES)


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("length", [0.5, 1.0, 3.0])
def test_penalties_in_closed_form_on_a_linear_critic(name, length, pair):
    """Per example and with the slope in the weights: D(x) = w·x has the gradient w everywhere.

    A norm over the whole batch would be √64 times as large.
    """
    w = torch.linspace(0.1, 1, DIM, dtype=torch.float64)
    w = (length * w / w.norm()).requires_grad_()
    value = PENALTIES[name](2.0)(linear(w), *pair, generator=seeded())
    expected = COST[name](*[w.norm()] * 4)
    assert value.shape == (N,)
    assert torch.allclose(value, expected.detach().expand(N), atol=1e-12)
    (slope,) = torch.autograd.grad(value.mean(), w)
    (wanted,) = torch.autograd.grad(expected, w)
    assert torch.allclose(slope, wanted, atol=1e-10)


@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_in_closed_form_on_a_quadratic_critic(name, pair):
    """D(x) = ½‖x‖² has the gradient x: each example pays for its own place."""
    real, fake = pair
    value = PENALTIES[name](2.0)(quadratic, real, fake, generator=seeded(3))
    g = seeded(3)
    epsilon = torch.rand(N, 1, generator=g, dtype=torch.float64)
    between = epsilon * real + (1 - epsilon) * fake
    g = seeded(3)
    delta = torch.rand(N, DIM, generator=g, dtype=torch.float64)
    alpha = torch.rand(N, 1, generator=g, dtype=torch.float64)
    around = real + alpha * 0.5 * real.std(correction=0) * delta
    expected = COST[name](*(x.norm(dim=1) for x in (real, fake, between, around)))
    assert torch.allclose(value, expected, atol=1e-12)


def places(penalty, real, fake, seed=0):
    """Where a penalty looks."""
    seen = []

    def D(x):
        seen.append(x.detach())
        return x.flatten(1).sum(1)

    penalty(D, real, fake, generator=seeded(seed))
    return torch.cat(seen)


@pytest.mark.parametrize("options", [{}, {"target": 0.0}, {"one_sided": True}])
def test_interpolates_lie_on_the_line_each_at_its_own_uniform_place(options):
    n, d = 4000, 3
    x = places(gradient_penalty(**options), torch.ones(n, d), torch.zeros(n, d))
    assert torch.equal(x, x[:, :1].expand(n, d))  # one ε for an example
    exact = torch.linspace(0, 1, n)
    assert (x[:, 0].sort().values - exact).abs().max() < 0.03
    # ε is the share of the real one: with the same numbers, x̂ − fake = ε (real − fake).
    epsilon = torch.rand(n, 1, generator=seeded())
    assert torch.allclose(x, epsilon.expand(n, d))


def test_dragan_looks_around_the_data_as_far_as_its_authors_do():
    """x̂ − x = α·c·s·δ: E αδ = ¼ and E (αδ)² = 1/9; without α it would be ½ and ⅓."""
    n, d, spread = 2000, 200, 0.5
    real = torch.randn(n, d, generator=seeded(5), dtype=torch.float64)
    moved = places(dragan(spread=spread), real, real) - real
    share = moved / (spread * real.std(correction=0))
    assert share.min() >= 0 and share.max() <= 1
    assert share.mean().item() == pytest.approx(1 / 4, abs=0.015)
    assert share.square().mean().item() == pytest.approx(1 / 9, abs=0.01)
    # α belongs to an example: the largest of its 200 values shows it, and it is uniform.
    reach = share.max(1).values.sort().values
    assert (reach - torch.linspace(0, 1, n, dtype=torch.float64)).abs().max() < 0.05
    # δ belongs to a value: the values of an example are not alike.
    assert (share.std(1) / share.mean(1)).median().item() == pytest.approx(3**-0.5, abs=0.03)


@pytest.mark.parametrize("name", PENALTIES)
def test_the_gradient_in_the_weights_matches_finite_differences(name, pair):
    real, fake = (x[:6, :2] for x in pair)

    def value(w):
        return PENALTIES[name](1.5)(
            lambda x: torch.tanh(x @ w).sum(1), real, fake, generator=seeded()
        )

    w = torch.randn(2, 3, generator=seeded(1), dtype=torch.float64)
    assert torch.autograd.gradcheck(value, (w.requires_grad_(),))


@pytest.mark.parametrize("name", PENALTIES)
def test_nothing_flows_into_the_generator_and_flat_critics_are_harmless(name, pair):
    """Penalties regularise D alone; and at a slope of 0 the norm's derivative must not be NaN."""
    real, fake = pair[0], pair[1].clone().requires_grad_()
    w = torch.zeros(DIM, dtype=torch.float64, requires_grad=True)
    value = PENALTIES[name](1.0)(linear(w), real, fake)
    slopes = torch.autograd.grad(value.sum(), (w, fake), allow_unused=True)
    assert torch.isfinite(value).all() and torch.isfinite(slopes[0]).all()
    assert slopes[1] is None


@pytest.mark.parametrize("name", PENALTIES)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_permutation(name, data):
    """No penalty couples examples, but for random numbers and DRAGAN's one deviation."""
    n = data.draw(st.integers(1, 5))
    order = torch.tensor(data.draw(st.permutations(range(n))))
    real, fake = torch.randn(2, n, 3, generator=seeded(n), dtype=torch.float64)
    if name.startswith("gradient_penalty"):
        fake = real  # every interpolate is then the example itself
    penalty = PENALTIES[name](1.0) if name != "dragan" else dragan(1.0, spread=0.0)
    value = penalty(quadratic, real, fake)
    assert value.shape == (n,) and torch.isfinite(value).all() and (value >= 0).all()
    assert torch.allclose(penalty(quadratic, real[order], fake[order]), value[order])


# -- packs of examples


def packed(D, m):
    """D on packs of m neighbours, joined along their first dimension."""
    return lambda x: D(x.reshape(len(x) // m, m * x.shape[1], *x.shape[2:]))


@pytest.mark.parametrize("m", [1, 2, 4])
@pytest.mark.parametrize("shape", [(DIM,), (3, 2, 2)])
def test_a_pack_s_gradient_is_that_of_all_its_examples(m, shape):
    x = torch.randn(8, *shape, generator=seeded(), dtype=torch.float64)

    def D(x):
        x = x.flatten(1)
        return (torch.arange(1, len(x) + 1).double() * 0.5) * x.square().sum(1)

    found = input_gradient(packed(D, m), x)
    number = torch.arange(1, 8 // m + 1).double()[:, None]
    assert torch.allclose(found, number * x.reshape(8 // m, -1))


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("m", [2, 4])
def test_every_penalty_takes_a_discriminator_of_packs(name, m, pair):
    """One number per pack, with the norm over the whole pack: (w, …, w) has the norm √m‖w‖."""
    w = torch.linspace(0.1, 1, DIM, dtype=torch.float64)
    value = PENALTIES[name](2.0)(packed(linear(w.repeat(m)), m), *pair, generator=seeded())
    expected = COST[name](*[m**0.5 * w.norm()] * 4)
    assert value.shape == (N // m,)
    assert torch.allclose(value, expected.expand(N // m), atol=1e-12)


# -- precision and bad input


def test_half_precision():
    """Penalties keep the precision of their input and stay finite in it."""
    for dtype in (torch.bfloat16, torch.float16):
        real, fake = torch.randn(2, 8, DIM, generator=seeded()).to(dtype)
        for name in PENALTIES:
            value = PENALTIES[name](1.0)(quadratic, real, fake)
            assert value.dtype == dtype and torch.isfinite(value).all(), name


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_bad_coefficients(name, bad):
    with pytest.raises(ValueError, match=f"must be a finite number ≥ 0, got {bad}"):
        PENALTIES[name](bad)


@pytest.mark.parametrize("option", [{"target": -1.0}, {"spread": float("nan")}])
def test_bad_options(option):
    factory = gradient_penalty if "target" in option else dragan
    name, value = next(iter(option.items()))
    with pytest.raises(ValueError, match=f"{name} must be a finite number ≥ 0, got {value}"):
        factory(**option)


@pytest.mark.parametrize("logits", [(N, DIM), (N, 1), (), (N - 1,), (2 * N,), (0,)])
def test_a_discriminator_without_one_logit_for_each_example(logits, pair):
    def D(x):
        return x.sum() * torch.ones(logits, dtype=x.dtype)

    with pytest.raises(ValueError, match=r"one logit per example, shape \(64,\), or per pack"):
        r1(1.0)(D, *pair)


@pytest.mark.parametrize("penalty", [gradient_penalty(), r1_r2(1.0)])
def test_real_and_fake_of_different_shape(penalty, pair):
    with pytest.raises(ValueError, match=r"of one shape, got \(64, 5\) and \(3, 5\)"):
        penalty(quadratic, pair[0], pair[1][:3])
