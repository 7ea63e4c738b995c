"""Optimizers for two players: each step by hand, states that resume, and losses that cannot be."""

import copy
import math

import pytest
import torch

from gantut.games import (
    Alternating,
    CompetitiveGradient,
    Consensus,
    Extragradient,
    Optimistic,
    Simultaneous,
)
from gantut.games.dynamics import LINEAR_MAPS, bilinear, dirac_gan, quadratic
from gantut.games.methods import OptimisticAdam, SymplecticGradientAdjustment
from gantut.losses import LOSSES, r1
from gantut.networks import MLPDiscriminator, MLPGenerator
from gantut.optim import ConjugateGradient

LR = 0.2
MAKE = {
    "simultaneous": lambda x, y: Simultaneous(torch.optim.SGD(x, LR), torch.optim.SGD(y, LR)),
    "alternating": lambda x, y: Alternating(torch.optim.Adam(x, LR), torch.optim.Adam(y, LR)),
    "extragradient": lambda x, y: Extragradient(x, y, lr=LR),
    "optimistic": lambda x, y: Optimistic(x, y, lr=LR),
    "optimistic_adam": lambda x, y: OptimisticAdam(x, y, lr=LR),
    "consensus": lambda x, y: Consensus(x, y, lr=LR, gamma=0.5),
    "symplectic": lambda x, y: SymplecticGradientAdjustment(x, y, lr=LR),
    "competitive": lambda x, y: CompetitiveGradient(x, y, lr=LR),
    "competitive_adaptive": lambda x, y: CompetitiveGradient(x, y, lr=LR, beta=0.9),
    "conjugate": lambda x, y: Alternating(
        *(ConjugateGradient(p, rule="polak_ribiere", line_search=None, lr=LR) for p in (x, y))
    ),
}


def players(start=(0.7, -0.3)):
    return tuple(torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in start)


def test_one_step_by_hand_on_the_bilinear_game():
    """f = xy at (a, b): v = (b, −a), and every first step can be written down."""
    a, b, h = 0.7, -0.3, LR
    expected = {
        "simultaneous": (a - h * b, b + h * a),
        "extragradient": (a - h * (b + h * a), b + h * (a - h * b)),
        "optimistic": (a - h * b, b + h * a),
        "consensus": (a - h * (b + 0.5 * a), b - h * (-a + 0.5 * b)),
        "symplectic": (a - h * (b + a), b - h * (-a + b)),
        "competitive": (a - h / (1 + h * h) * (b + h * a), b + h / (1 + h * h) * (a - h * b)),
    }
    for name, place in expected.items():
        x, y = players()
        before = MAKE[name]([x], [y]).step(lambda x=x, y=y: bilinear().losses(x, y))
        assert (x.item(), y.item()) == pytest.approx(place, abs=1e-12), name
        assert [loss.item() for loss in before] == pytest.approx([a * b, -a * b])


def test_the_optimistic_second_step():
    x, y = players()
    optimizer = MAKE["optimistic"]([x], [y])
    z, last = torch.tensor([0.7, -0.3]).double(), None
    J = bilinear().jacobian()
    for _ in range(3):
        v = J @ z
        z, last = z - LR * (2 * v - (v if last is None else last)), v
        optimizer.step(lambda: bilinear().losses(x, y))
        assert torch.allclose(torch.cat([x, y]).detach(), z, atol=1e-12)


def test_optimistic_adam_takes_torchs_adam_steps_optimistically():
    """Each step is 2·δ_t − δ_{t−1}, with torch's Adam's step δ_t on the same gradients."""
    game, betas = dirac_gan(gamma=0.3), (0.5, 0.9)
    x, y = players()
    optimizer = OptimisticAdam([x], [y], lr=0.1, betas=betas)
    twin = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    adam, last = torch.optim.Adam([twin], 0.1, betas=betas), None
    for _ in range(5):
        before = torch.cat([x, y]).detach()
        old, twin.grad = twin.detach().clone(), -game.field(before).detach()
        adam.step()
        step = twin.detach() - old
        optimizer.step(lambda: game.losses(x, y))
        moved = torch.cat([x, y]).detach() - before
        expected = step if last is None else 2 * step - last
        assert torch.allclose(moved, expected, rtol=1e-9, atol=1e-12)
        if last is not None:  # the plain step would be another one
            assert (moved - step).norm() > 1e-3
        last = step


def random_game(n=3, m=2, seed=0, curvature=1.0):
    g = torch.Generator().manual_seed(seed)
    A, B, C = (torch.randn(*s, generator=g, dtype=torch.float64) for s in ((n, n), (m, m), (n, m)))
    return quadratic(curvature * A @ A.T, curvature * B @ B.T, C)


def one_step(make, game, start):
    x, y = (part.clone().requires_grad_() for part in start.split(game.sizes))
    make([x], [y]).step(lambda: game.losses(x, y))
    return torch.cat([x, y]).detach()


START = torch.randn(5, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


@pytest.mark.parametrize("name", ["simultaneous", "extragradient", "consensus", "competitive"])
@pytest.mark.parametrize("seed", range(3))
def test_one_step_is_the_linear_map_in_several_dimensions(name, seed):
    game = random_game(seed=seed)
    make, options = MAKE[name], {"gamma": 0.5} if name == "consensus" else {}
    if name == "competitive":

        def make(x, y):
            return CompetitiveGradient(x, y, lr=LR, tolerance=1e-13)

    matrix = LINEAR_MAPS[name](game.jacobian(), game.sizes, LR, **options)
    assert torch.allclose(one_step(make, game, START), matrix @ START, atol=1e-9)


@pytest.mark.parametrize("curvature", [1.0, -1.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_symplectic_adjustment_is_aligned(seed, curvature):
    """The sign of (v·∇H)(Aᵀv·∇H)/d + 1/10, with d = 5, at starts where the product decides it.

    The product p grows with the fourth power of the distance, so it can be made what one likes:
    −0.4 and −0.6 lie on either side of −d/10, and both below −1/10.
    """
    game = random_game(seed=seed, curvature=curvature)
    J = game.jacobian()
    A, v = 0.5 * (J - J.T), J @ START
    p = (v @ J.T @ v) * (A.T @ v @ J.T @ v)
    for target in (-0.4, -0.6) if p < 0 else (0.4, 0.6):
        z = (target / p) ** 0.25 * START
        strength = -0.7 if target == -0.6 else 0.7

        def make(x, y):
            return SymplecticGradientAdjustment(x, y, lr=LR, strength=0.7)

        expected = LINEAR_MAPS["symplectic"](J, game.sizes, LR, strength=strength) @ z
        assert torch.allclose(one_step(make, game, z), expected, atol=1e-12)
    assert (p > 0) == (curvature > 0)  # near a stable point, or an unstable one


def test_the_symplectic_adjustment_leaves_an_unstable_point():
    """Without the alignment λAᵀv would pull a rotating game into a maximum of both losses."""
    own, meet = torch.tensor([[-0.3]]).double(), torch.tensor([[1.0]]).double()
    game = quadratic(own, own, meet)
    z = torch.tensor([2.0, 1.0]).double()
    assert one_step(MAKE["symplectic"], game, z).norm() > z.norm()
    unaligned = LINEAR_MAPS["symplectic"](game.jacobian(), game.sizes, LR)
    assert (unaligned @ z).norm() < z.norm()


def test_per_player_conjugate_gradients_and_negative_momentum():
    """β < 0 is negative momentum: Polak–Ribière's goes below 0, and Fletcher–Reeves' cannot."""
    signs = {}
    for rule in ("polak_ribiere", "fletcher_reeves"):
        x, y = players((0.6, 0.2))
        optimizer = Alternating(
            *(ConjugateGradient([p], rule=rule, line_search=None, lr=LR) for p in (x, y))
        )
        betas = []
        for _ in range(40):
            optimizer.step(lambda x=x, y=y: dirac_gan().losses(x, y))
            betas.append(optimizer.optimizers[0].report["beta"])
        signs[rule] = min(betas)
    assert signs["polak_ribiere"] < -0.01
    assert signs["fletcher_reeves"] >= 0


def test_adaptive_competitive_steps():
    """One step by hand: s = v² at first, so each coordinate's step is η / (|v| + ε)."""
    game, z = random_game(), START
    J = game.jacobian()
    v = J @ z
    S = torch.diag(LR / (v.abs() + 1e-5))
    meeting = J.clone()
    meeting[:3, :3] = 0
    meeting[3:, 3:] = 0
    expected = z - torch.linalg.solve(torch.eye(5).double() + S @ meeting, S @ v)

    def make(x, y):
        return CompetitiveGradient(x, y, lr=LR, beta=0.9, tolerance=1e-13)

    assert torch.allclose(one_step(make, game, z), expected, atol=1e-8)


@pytest.mark.parametrize("name", MAKE)
def test_state_is_saved_and_resumed_to_the_last_bit(name):
    game = dirac_gan(gamma=0.2)

    def run(interrupt):
        x, y = players()
        optimizer = MAKE[name]([x], [y])
        for k in range(8):
            if k == interrupt:
                old, (x, y) = optimizer, (p.detach().clone().requires_grad_() for p in (x, y))
                optimizer = MAKE[name]([x], [y])
                optimizer.state = copy.deepcopy(old.state)
                if hasattr(old, "optimizers"):
                    for mine, its in zip(optimizer.optimizers, old.optimizers, strict=True):
                        mine.load_state_dict(its.state_dict())
            optimizer.step(lambda x=x, y=y: game.losses(x, y))
        assert optimizer.state["steps"] == 8
        return x.item(), y.item()

    assert run(None) == run(3)


def gan_losses(G, D, real, z, pair):
    def losses():
        fake = G(z)
        f = pair.generator(D(real), D(fake)).mean()
        g = (pair.discriminator(D(real), D(fake)) + r1(0.5)(D, real, fake.detach())).mean()
        return f, g

    return losses


@pytest.mark.parametrize("name", MAKE)
def test_penalties_compose_on_a_small_gan(name):
    """The minimax pair is zero-sum but for R1 on the discriminator: all methods take steps."""
    G = MLPGenerator(2, (2,), hidden=(8,), activation="tanh", seed=0).double()
    D = MLPDiscriminator((2,), hidden=(8,), activation="tanh", seed=1).double()
    real, z = torch.randn(2, 16, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    optimizer = MAKE[name](list(G.parameters()), list(D.parameters()))
    before = [p.detach().clone() for p in (*G.parameters(), *D.parameters())]
    values = [optimizer.step(gan_losses(G, D, real + 1, z, LOSSES["minimax"])) for _ in range(3)]
    assert all(math.isfinite(v.item()) for pair in values for v in pair)
    assert all(
        not torch.equal(a, b)
        for a, b in zip(before[:-1], (*G.parameters(), *D.parameters()), strict=False)
        if a.any()
    )


def test_competitive_gradients_refuse_other_games():
    G, D = MLPGenerator(2, (2,), hidden=(4,)), MLPDiscriminator((2,), hidden=(4,))
    real, z = torch.randn(2, 8, 2, generator=torch.Generator().manual_seed(0))
    optimizer = CompetitiveGradient(list(G.parameters()), list(D.parameters()), lr=0.1)
    with pytest.raises(ValueError, match="zero-sum interaction.*the non-saturating one is not"):
        optimizer.step(gan_losses(G, D, real, z, LOSSES["non_saturating"]))


@pytest.mark.parametrize(
    ("losses", "error", "message"),
    [
        (lambda x, y: (x * y).sum(), TypeError, "iteration over a 0-d tensor"),
        (
            lambda x, y: ((x * y).sum(), 1.0),
            TypeError,
            "second player's loss must be a tensor with one number; got float",
        ),
        (lambda x, y: ((x * y).sum(), (x * y) * torch.ones(2)), TypeError, "second player's loss"),
        (
            lambda x, y: ((x * y).sum() * math.nan, -(x * y).sum()),
            ValueError,
            "step 0: the first player's loss is nan",
        ),
        (
            lambda x, y: ((y * y).sum(), -(x * y).sum()),
            ValueError,
            "first player's loss does not depend on the first",
        ),
        (
            lambda x, y: ((x * y).sum(), (x * x).sum()),
            ValueError,
            "second player's loss does not depend on the second",
        ),
        (
            lambda x, y: ((x * y).sum(), torch.zeros(())),
            ValueError,
            "second player's loss does not depend",
        ),
    ],
)
@pytest.mark.parametrize("name", MAKE)
def test_bad_losses(name, losses, error, message):
    x, y = players()
    with pytest.raises(error, match=message):
        MAKE[name]([x], [y]).step(lambda: losses(x, y))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x, y: Extragradient([], [y], lr=0.1), "both players need parameters, got 0 and 1"),
        (lambda x, y: Extragradient([x], [y], lr=0.0), "lr must be a finite number > 0, got 0"),
        (
            lambda x, y: Consensus([x], [y], lr=0.1, gamma=-1.0),
            "gamma must be a finite number > 0, got -1",
        ),
        (
            lambda x, y: OptimisticAdam([x], [y], lr=0.1, betas=(1.0, 0.9)),
            r"betas must lie in \[0, 1\)",
        ),
        (
            lambda x, y: CompetitiveGradient([x], [y], lr=0.1, beta=2.0),
            r"beta must lie in \[0, 1\), got 2",
        ),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make(*players())
