"""Adversarial losses against values worked out by hand, their slopes, and their behaviour at
extreme logits.
"""

import math

import pytest
import torch
from hypothesis import given, settings, strategies as st

from gantut.losses import LOSSES, f_gan, label_smoothing, least_squares, softplus
from gantut.losses.gan import adversarial_loss

LN2, SP1 = math.log(2), math.log1p(math.e)  # softplus(0) and softplus(1)


def sp(v):
    return math.log1p(math.exp(v))


E, TANH = math.exp, math.tanh
# name: (discriminator, generator) at the logits real = 1, fake = -1 and at real = fake = 0
VALUES = {
    "minimax": ((2 * sp(-1), -sp(-1)), (2 * LN2, -LN2)),
    "non_saturating": ((2 * sp(-1), SP1), (2 * LN2, LN2)),
    "label_smoothing": ((2 * sp(-1) + 0.1, SP1), (2 * LN2, LN2)),
    "least_squares": ((0.5, 2.0), (0.5, 0.5)),
    "least_squares_pearson": ((0.0, 0.5), (1.0, 0.0)),
    "hinge": ((0.0, 1.0), (2.0, 0.0)),
    "wasserstein": ((-2.0, 1.0), (0.0, 0.0)),
    "relativistic": ((sp(-2), sp(2)), (LN2, LN2)),
    "relativistic_hinge": ((0.0, 3.0), (1.0, 1.0)),
    "relativistic_average": ((2 * sp(-2), 2 * sp(2)), (2 * LN2, 2 * LN2)),
    "relativistic_average_hinge": ((0.0, 6.0), (2.0, 2.0)),
    "relativistic_average_least_squares": ((1.0, 9.0), (1.0, 1.0)),
    "f_kl": ((E(-2) - 1, 1.0), (E(-1), 0.0)),
    "f_reverse_kl": ((E(-1) - 2, E(1)), (0.0, 1.0)),
    "f_pearson": ((-1.75, 1.0), (0.0, 0.0)),
    "f_neyman": ((1 - 2 * E(0.5) + E(-1), E(1) - 1), (0.0, 0.0)),
    "f_hellinger": ((2 * E(-1) - 2, E(1) - 1), (0.0, 0.0)),
    "f_jensen_shannon": ((2 * sp(-1) - 2 * LN2, SP1 - LN2), (0.0, 0.0)),
    "f_gan": ((2 * sp(-1), SP1), (2 * LN2, LN2)),
    "f_total_variation": ((-TANH(1), TANH(1) / 2), (0.0, 0.0)),
}


def test_the_table_covers_every_loss():
    assert set(VALUES) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("case", "real", "fake"), [(0, 1.0, -1.0), (1, 0.0, 0.0)])
def test_values_by_hand(name, case, real, fake):
    real_logits = torch.full((3,), real, dtype=torch.float64)
    fake_logits = torch.full((3,), fake, dtype=torch.float64)
    expected = VALUES[name][case]
    for player, value in zip(("discriminator", "generator"), expected, strict=True):
        loss = getattr(LOSSES[name], player)(real_logits, fake_logits)
        assert loss.shape == (3,)
        assert torch.allclose(loss, torch.full_like(loss, value), atol=1e-12), player


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_gradients_match_finite_differences_and_reach_all_examples(name, player):
    g = torch.Generator().manual_seed(0)
    # Away from the hinge's corners at ±1.
    real, fake = (
        (0.8 * torch.rand(2, 5, generator=g, dtype=torch.float64) - 0.4).requires_grad_().unbind()
    )
    assert torch.autograd.gradcheck(getattr(LOSSES[name], player), (real, fake))


@pytest.mark.parametrize("name", LOSSES)
def test_the_signs_of_the_slopes(name):
    """The discriminator wants real up and fake down; the generator wants fake up.

    (At 0 a least-squares target may be met already.)
    """
    real, low, high = (torch.tensor([v], requires_grad=True) for v in (0.0, -0.5, 0.5))
    d_real, d_fake = torch.autograd.grad(LOSSES[name].discriminator(real, high), (real, high))
    (g_fake,) = torch.autograd.grad(LOSSES[name].generator(real, low), low)
    assert d_real < 0 and d_fake > 0 and g_fake < 0


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_extreme_logits_stay_finite(name, dtype):
    for value in (-100.0, 100.0):
        real = torch.full((2,), value, dtype=dtype, requires_grad=True)
        fake = torch.full((2,), -value, dtype=dtype, requires_grad=True)
        for player in ("discriminator", "generator"):
            loss = getattr(LOSSES[name], player)(real, fake)
            slopes = torch.autograd.grad(loss.sum(), (real, fake), allow_unused=True)
            assert loss.dtype == dtype
            assert torch.isfinite(loss).all() and all(
                s is None or torch.isfinite(s).all() for s in slopes
            )


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_half_precision_agrees_with_double(name, dtype):
    """The same logits in both, so only the arithmetic differs: a few units of the last place of the
    largest term.
    """
    real, fake = torch.linspace(-4, 4, 9), torch.linspace(3, -3, 9)
    for player in ("discriminator", "generator"):
        exact = getattr(LOSSES[name], player)(real.to(dtype).double(), fake.to(dtype).double())
        rounded = getattr(LOSSES[name], player)(real.to(dtype), fake.to(dtype)).double()
        scale = 8 * torch.finfo(dtype).eps * (1 + exact.abs().max())
        assert (rounded - exact).abs().max() <= scale, player


@pytest.mark.parametrize("name", LOSSES)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_properties(name, data):
    """(N,) shapes, no NaN, equivariance under a common permutation, and the order of the arguments:
    real first.
    """
    n = data.draw(st.integers(1, 6))
    logits = st.lists(st.floats(-100, 100, width=32), min_size=n, max_size=n)
    real, fake = (torch.tensor(data.draw(logits), dtype=torch.float64) for _ in range(2))
    order = torch.tensor(data.draw(st.permutations(range(n))))
    for player in ("discriminator", "generator"):
        loss = getattr(LOSSES[name], player)
        value = loss(real, fake)
        assert value.shape == (n,) and torch.isfinite(value).all()
        assert torch.allclose(loss(real[order], fake[order]), value[order], rtol=1e-9, atol=1e-9)
    # A discriminator that separates pays less than one that is wrong by as much.
    a = real.abs().mean().expand(n)
    good, bad = LOSSES[name].discriminator(a, -a), LOSSES[name].discriminator(-a, a)
    assert (good <= bad).all()


def test_saturation_at_minus_25():
    """Where D is sure of a fake the minimax slope is gone and the non-saturating one is -1, not
    -0.001 (the log(sigmoid + 1e-8) bug).
    """
    fake = torch.tensor([-25.0], requires_grad=True)
    (minimax,) = torch.autograd.grad(LOSSES["minimax"].generator(None, fake), fake)
    (other,) = torch.autograd.grad(LOSSES["non_saturating"].generator(None, fake), fake)
    assert abs(minimax.item()) < 1e-10
    assert other.item() == pytest.approx(-1.0, abs=1e-9)


def test_optimal_discriminator_attains_the_divergence():
    """E[-loss] at D* = p / (p + q) is -log 4 + 2 JSD on discrete p, q."""
    p = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    q = torch.tensor([0.1, 0.3, 0.6], dtype=torch.float64)
    logits = (p / q).log()
    zero = torch.full_like(logits, -1000.0)  # softplus(-1000) = 0 switches the other half off
    loss = LOSSES["minimax"].discriminator
    value = -(p * loss(logits, zero) + q * loss(-zero, logits)).sum()
    m = (p + q) / 2
    jsd = 0.5 * (p * (p / m).log()).sum() + 0.5 * (q * (q / m).log()).sum()
    assert value.item() == pytest.approx((-math.log(4) + 2 * jsd).item(), abs=1e-12)


def test_names_resolve_in_one_place():
    assert adversarial_loss("hinge") is LOSSES["hinge"]
    assert adversarial_loss(LOSSES["hinge"]) is LOSSES["hinge"]
    pair = adversarial_loss((lambda real, fake: fake - real, lambda real, fake: -fake))
    assert pair.discriminator(1, 3) == 2 and not pair.generator_needs_real
    for bad in ("hing", ("hinge", "hinge"), (abs,), None, 3):
        with pytest.raises(ValueError, match=r"unknown loss .*; known: minimax.*relativ"):
            adversarial_loss(bad)


def test_the_relativistic_generator_asks_for_real_logits():
    asking = [name for name, pair in LOSSES.items() if pair.generator_needs_real]
    assert asking == [name for name in LOSSES if name.startswith("relativistic")]
    for name, pair in LOSSES.items():
        if pair.generator_needs_real:
            with pytest.raises(ValueError, match="needs the real logits, got None"):
                pair.generator(None, torch.zeros(2))
        else:
            assert torch.equal(
                pair.generator(None, torch.ones(2)), pair.generator(torch.zeros(2), torch.ones(2))
            ), name


@pytest.mark.parametrize("name", LOSSES)
def test_logits_of_different_length(name):
    with pytest.raises(ValueError, match=r"one shape \(N,\), got \(3,\) and \(2,\)"):
        LOSSES[name].discriminator(torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match=r"one shape \(N,\), got \(2, 1\) and \(2,\)"):
        LOSSES[name].discriminator(torch.zeros(2, 1), torch.zeros(2))


def best(loss, p, q):
    """The logits that minimise E_p loss(real) + E_q loss(fake) on a discrete space, found by
    Newton's method of a kept library.
    """
    v = torch.zeros_like(p, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [v],
        max_iter=500,
        tolerance_grad=1e-13,
        tolerance_change=1e-16,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimizer.zero_grad()
        # D's losses are sums of a real and a fake part, so the fake logit 0 adds a constant to the
        # real part, and the reverse.
        zero = torch.zeros_like(v)
        value = (p * loss(v, zero) + q * loss(zero, v)).sum()
        value.backward()
        return value

    optimizer.step(closure)
    return v.detach()


P, Q = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("loss", "probability"),
    [
        ("minimax", lambda p, q: p / (p + q)),
        (label_smoothing(0.95), lambda p, q: 0.95 * p / (p + q)),
        (label_smoothing(0.9, 0.1), lambda p, q: (0.9 * p + 0.1 * q) / (p + q)),
    ],
)
def test_the_best_discriminator_of_cross_entropies(loss, probability):
    found = best(adversarial_loss(loss).discriminator, P, Q).sigmoid()
    assert torch.allclose(found, probability(P, Q), atol=1e-6)


def test_one_sided_smoothing_at_equilibrium():
    """At p = q and a target of 0.95 the best D is 0.475 everywhere, not ½.

    (With 0.95 on the real term *alone*, 0.487.)
    """
    p = torch.full((4,), 0.25, dtype=torch.float64)
    assert torch.allclose(
        best(label_smoothing(0.95).discriminator, p, p).sigmoid(), torch.tensor(0.475).double()
    )

    def forgets_the_other_half(real, fake):
        return 0.95 * softplus(-real) + softplus(fake)

    assert best(forgets_the_other_half, p, p).sigmoid()[0].item() == pytest.approx(
        0.95 / 1.95, abs=1e-6
    )


@pytest.mark.parametrize(("a", "b", "c"), [(0.0, 1.0, 1.0), (-1.0, 1.0, 0.0), (0.2, 3.0, 1.0)])
def test_least_squares_optimum_and_its_chi_square(a, b, c):
    loss = least_squares(a, b, c)
    v = best(loss.discriminator, P, Q)
    assert torch.allclose(v, (b * P + a * Q) / (P + Q), atol=1e-7)
    if (b - c, b - a) == (1, 2):
        # The paper's identity: ½ E_p (D − c)² + ½ E_q (D − c)² = ½ χ²(p + q ‖ 2q) at the best D.
        value = ((P + Q) * loss.generator(None, v)).sum()
        chi_square = ((2 * Q - (P + Q)).square() / (P + Q)).sum()
        assert value.item() == pytest.approx(0.5 * chi_square.item(), abs=1e-9)


def test_hinge_attains_the_total_variation():
    """The best hinge D is sign(p − q), and its loss there is 2 − 2·TV."""
    v = torch.sign(P - Q)
    zero = torch.zeros_like(v)
    loss = LOSSES["hinge"].discriminator
    # hinge(v, −1) = max(0, 1 − v): fakes at −1 cost nothing, and neither do reals at 1.
    value = (P * loss(v, zero - 1) + Q * loss(zero + 1, v)).sum()
    assert value.item() == pytest.approx(2 - (P - Q).abs().sum().item(), abs=1e-12)
    for seed in range(20):
        other = v + torch.randn(
            3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
        assert (P * loss(other, zero - 1) + Q * loss(zero + 1, other)).sum() >= value - 1e-12


@pytest.mark.parametrize(("mu", "value"), [(1, -1.163451), (2, None), (3, None)])
def test_the_value_of_the_game_between_two_gaussians(mu, value):
    """V(G, D*) = −log 4 + 2 JSD for N(0, 1) and N(μ, 1), by integration on a fine grid."""
    jsd = {1: 0.111421, 2: 0.336831, 3: 0.526777}[mu]
    x = torch.linspace(-12, 15, 20001, dtype=torch.float64)
    log_p, log_q = (
        torch.distributions.Normal(m, 1.0).log_prob(x) for m in (torch.tensor(0.0).double(), mu)
    )
    v, zero = log_p - log_q, torch.full_like(x, -1000.0)
    loss = LOSSES["minimax"].discriminator
    game = -torch.trapezoid(log_p.exp() * loss(v, zero) + log_q.exp() * loss(-zero, v), x).item()
    assert game == pytest.approx(-math.log(4) + 2 * jsd, abs=2e-6)
    if value is not None:
        assert game == pytest.approx(value, abs=1e-6)


def test_against_pytorch():
    real, fake = torch.randn(2, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
    for s, t in ((1.0, 0.0), (0.9, 0.0), (0.8, 0.1)):
        expected = cross_entropy(real, torch.full_like(real, s), reduction="none") + cross_entropy(
            fake, torch.full_like(fake, t), reduction="none"
        )
        assert torch.allclose(label_smoothing(s, t).discriminator(real, fake), expected, atol=1e-12)
    margin = torch.nn.functional.margin_ranking_loss(
        real, fake, torch.ones(50), margin=1.0, reduction="none"
    )
    assert torch.allclose(LOSSES["relativistic_hinge"].discriminator(real, fake), margin)


def test_the_average_s_gradient_passes_through_the_average():
    real, fake = torch.tensor([1.0, 2.0]), torch.tensor([0.5, -0.5], requires_grad=True)
    loss = LOSSES["relativistic_average_least_squares"].discriminator(real, fake).sum()
    (slope,) = torch.autograd.grad(loss, fake)
    # Σ_i ½(r_i − f̄ − 1)² + ½(f_i − r̄ + 1)²: the first part falls on all fakes alike.
    expected = -((real - fake.mean() - 1).sum() / 2) + (fake - real.mean() + 1)
    assert torch.allclose(slope, expected.detach())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: least_squares(1.0, 1.0, 0.0), "a ≠ b, got 1.0 and 1.0 and 0.0"),
        (lambda: least_squares(0.0, math.nan), "finite targets"),
        (lambda: label_smoothing(1.1), "≤ 1, got 0.0 and 1.1"),
        (lambda: label_smoothing(0.3, 0.4), "got 0.4 and 0.3"),
        (lambda: f_gan("kl_divergence"), "unknown divergence 'kl_divergence'; known: kl"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()
