"""Adversarial losses against values worked out by hand, their slopes, and their behaviour at extreme logits."""

import math

import pytest
import torch

from gantut.losses import LOSSES, adversarial_loss

LN2, SP1 = math.log(2), math.log1p(math.e)  # softplus(0) and softplus(1)

# name: (discriminator, generator) at the logits real = 1, fake = -1 and at real = fake = 0
VALUES = {
    "minimax": ((2 * (SP1 - 1), -(SP1 - 1)), (2 * LN2, -LN2)),
    "non_saturating": ((2 * (SP1 - 1), SP1), (2 * LN2, LN2)),
    "least_squares": ((0.5, 2.0), (0.5, 0.5)),
    "hinge": ((0.0, 1.0), (2.0, 0.0)),
    "wasserstein": ((-2.0, 1.0), (0.0, 0.0)),
    "relativistic": ((math.log1p(math.exp(-2)), math.log1p(math.exp(2))), (LN2, LN2)),
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
    real, fake = (0.8 * torch.rand(2, 5, generator=g, dtype=torch.float64) - 0.4).requires_grad_().unbind()
    assert torch.autograd.gradcheck(getattr(LOSSES[name], player), (real, fake))


@pytest.mark.parametrize("name", LOSSES)
def test_the_signs_of_the_slopes(name):
    """The discriminator wants real up and fake down; the generator wants fake up."""
    real, fake = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    d_real, d_fake = torch.autograd.grad(LOSSES[name].discriminator(real, fake), (real, fake))
    (g_fake,) = torch.autograd.grad(LOSSES[name].generator(real, fake), fake)
    assert d_real < 0 and d_fake >= 0 and g_fake < 0
    if name != "least_squares":  # its slope for fakes at 0 is 0: fakes are where they should be
        assert d_fake > 0


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_extreme_logits_stay_finite(name, dtype):
    for value in (-100.0, 100.0):
        real = torch.full((2,), value, dtype=dtype, requires_grad=True)
        fake = torch.full((2,), -value, dtype=dtype, requires_grad=True)
        for player in ("discriminator", "generator"):
            loss = getattr(LOSSES[name], player)(real, fake)
            (slope,) = torch.autograd.grad(loss.sum(), fake)
            assert torch.isfinite(loss).all() and torch.isfinite(slope).all()


def test_saturation_at_minus_25():
    """Where D is sure of a fake the minimax slope is gone and the non-saturating one is -1, not -0.001 (the log(sigmoid + 1e-8) bug)."""
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
    with pytest.raises(ValueError, match=r"unknown loss 'hing'; known: minimax.*relativistic"):
        adversarial_loss("hing")


def test_the_relativistic_generator_asks_for_real_logits():
    assert [n for n, pair in LOSSES.items() if pair.generator_needs_real] == ["relativistic"]
    with pytest.raises(ValueError, match="needs the real logits, got None"):
        LOSSES["relativistic"].generator(None, torch.zeros(2))
