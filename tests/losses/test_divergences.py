"""f-divergences: the variational supremum, the duality behind it, and SciPy's own numbers."""

import math

import pytest
import scipy.spatial.distance
import scipy.special
import torch

from gantut.losses import DIVERGENCES, LOSSES, f_divergence, f_gan
from gantut.losses.divergences import exponential, softplus

NAMES = list(DIVERGENCES)


def pairs(n=40):
    """Positive masses, some of them far apart."""
    g = torch.Generator().manual_seed(0)
    p, q = torch.empty(2, n, dtype=torch.float64).exponential_(generator=g).pow(2) + 1e-3
    return p / p.sum(), q / q.sum()


@pytest.mark.parametrize("name", NAMES)
def test_the_supremum_is_the_divergence(name):
    """p·t(v) − q·c(v) at the best logit is q·f(p/q), point by point, and no logit does better."""
    p, q = pairs()
    chosen = DIVERGENCES[name]
    v = chosen.best_logit((p / q).log())
    if name == "total_variation":
        assert torch.isinf(v).all()
        v = 100 * v.sign()  # tanh(100) is 1 to the last digit
    attained, exact = p * chosen.reward(v) - q * chosen.conjugate(v), q * chosen.f(p / q)
    assert (attained - exact).abs().max() < 1e-9
    assert attained.sum().item() == pytest.approx(f_divergence(name, p, q), abs=1e-9)
    grid = torch.linspace(-100, 100, 4001, dtype=torch.float64)[:, None]
    assert (p * chosen.reward(grid) - q * chosen.conjugate(grid) <= exact + 1e-12).all()


@pytest.mark.parametrize("name", [n for n in NAMES if n != "total_variation"])
def test_a_trained_discriminator_attains_the_divergence(name):
    """No formula for the best logit: L-BFGS on D's loss finds it, to 1e-6."""
    p, q = torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.1, 0.3, 0.25, 0.35]], dtype=torch.float64)
    v = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    chosen = DIVERGENCES[name]
    optimizer = torch.optim.LBFGS(
        [v],
        lr=0.5,
        max_iter=2000,
        tolerance_grad=1e-12,
        tolerance_change=1e-16,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimizer.zero_grad()
        loss = (q * chosen.conjugate(v) - p * chosen.reward(v)).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert -closure().item() == pytest.approx(f_divergence(name, p, q), abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_reward_is_the_slope_of_f_at_the_ratio(name):
    """Duality: at the best logit T = f'(p/q), and c = u·f'(u) − f(u). f is convex, with f(1) = 0
    but for the original game.
    """
    u = torch.linspace(0.05, 6, 60, dtype=torch.float64, requires_grad=True)
    chosen = DIVERGENCES[name]
    value = chosen.f(u)
    (slope,) = torch.autograd.grad(value.sum(), u, create_graph=True)
    v = chosen.best_logit(u.detach().log())
    assert torch.allclose(chosen.reward(v), slope, atol=1e-9)
    assert torch.allclose(chosen.conjugate(v), u * slope - value, atol=1e-9)
    at_one = chosen.f(torch.ones(1, dtype=torch.float64)).item()
    assert at_one == pytest.approx(-math.log(4) if name == "gan" else 0.0, abs=1e-12)
    assert (slope.diff() > -1e-12).all()


def test_against_scipy():
    p, q = pairs()
    kl = scipy.special.rel_entr(p.numpy(), q.numpy()).sum()
    assert f_divergence("kl", p, q) == pytest.approx(kl, abs=1e-10)
    assert f_divergence("reverse_kl", q, p) == pytest.approx(kl, abs=1e-10)
    jsd = scipy.spatial.distance.jensenshannon(p.numpy(), q.numpy()) ** 2
    assert f_divergence("jensen_shannon", p, q) == pytest.approx(2 * jsd, abs=1e-10)
    assert f_divergence("gan", p, q) == pytest.approx(2 * jsd - math.log(4), abs=1e-10)
    assert f_divergence("total_variation", p, q) == pytest.approx(
        0.5 * (p - q).abs().sum().item(), abs=1e-12
    )
    assert f_divergence("hellinger", p, q) == pytest.approx(
        (p.sqrt() - q.sqrt()).square().sum().item(), abs=1e-12
    )
    assert f_divergence("pearson", p, q) == pytest.approx(f_divergence("neyman", q, p), abs=1e-10)


def test_the_original_game_is_one_of_the_family():
    real, fake = torch.linspace(-5, 5, 11), torch.linspace(4, -4, 11)
    for ours, theirs in (
        (f_gan("gan"), "non_saturating"),
        (f_gan("gan", saturating=True), "minimax"),
    ):
        assert torch.equal(ours.discriminator(real, fake), LOSSES[theirs].discriminator(real, fake))
        assert torch.equal(ours.generator(None, fake), LOSSES[theirs].generator(None, fake))


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name):
    v = torch.linspace(-3, 3, 13, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(DIVERGENCES[name].reward, (v,))
    assert torch.autograd.gradcheck(DIVERGENCES[name].conjugate, (v,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_exponential_continues_by_its_tangent(dtype):
    edge = math.log(torch.finfo(dtype).max) - 6
    v = torch.tensor(
        [-100.0, 0.0, 1.0, edge - 0.5, edge + 1, 100.0], dtype=dtype, requires_grad=True
    )
    value = exponential(v)
    (slope,) = torch.autograd.grad(value.sum(), v)
    assert torch.isfinite(value).all() and torch.isfinite(slope).all() and (slope >= 0).all()
    assert value[:3].tolist() == pytest.approx(
        [math.exp(-100), 1.0, math.exp(1)], rel=8 * torch.finfo(dtype).eps
    )
    # Beyond the edge: value e^edge (1 + v − edge), slope e^edge.
    assert value[4].item() / slope[4].item() == pytest.approx(2.0, rel=0.05)


def test_softplus_in_full_precision():
    v = torch.tensor([-700.0, -50.0, 0.0, 25.0, 745.0], dtype=torch.float64)
    expected = [math.log1p(math.exp(x)) if x < 701 else x for x in v.tolist()]
    assert softplus(v).tolist() == pytest.approx(expected, rel=1e-15, abs=0)


def test_bad_input():
    p, q = pairs(4)
    with pytest.raises(ValueError, match="unknown divergence 'js'; known: kl, reverse_kl, pearson"):
        f_divergence("js", p, q)
    with pytest.raises(ValueError, match=r"q as positive probabilities"):
        f_divergence("kl", p, 2 * q)
    with pytest.raises(ValueError, match=r"p as positive probabilities"):
        f_divergence("kl", torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5]))
