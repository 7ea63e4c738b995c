"""Optimizers for two players: each step by hand, states that resume, and losses that cannot be."""

import math

import pytest
import torch

from gantut.games import (
    GAME_OPTIMIZERS,
    Alternating,
    CompetitiveGradient,
    Consensus,
    Extragradient,
    Optimistic,
    OptimisticAdam,
    Simultaneous,
    SymplecticGradientAdjustment,
)
from gantut.games.dynamics import bilinear, dirac_gan, quadratic
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


def test_the_table_is_complete():
    assert set(GAME_OPTIMIZERS) <= set(MAKE)


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


def test_optimistic_adam_without_memory_is_a_step_of_signs():
    x, y = players()
    OptimisticAdam([x], [y], lr=0.1, betas=(0.0, 0.0)).step(lambda: bilinear().losses(x, y))
    assert (x.item(), y.item()) == pytest.approx((0.7 + 0.1, -0.3 + 0.1), abs=1e-6)


def random_game(n=3, m=2, seed=0):
    g = torch.Generator().manual_seed(seed)
    A, B, C = (torch.randn(*s, generator=g, dtype=torch.float64) for s in ((n, n), (m, m), (n, m)))
    return quadratic(A @ A.T, B @ B.T, C)


@pytest.mark.parametrize(
    "name", ["simultaneous", "extragradient", "consensus", "symplectic", "competitive"]
)
@pytest.mark.parametrize("seed", range(3))
def test_one_step_is_the_linear_map_in_several_dimensions(name, seed):
    from gantut.games.dynamics import LINEAR_MAPS

    game = random_game(seed=seed)
    start = torch.randn(5, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    x, y = (part.clone().requires_grad_() for part in start.split(game.sizes))
    make = MAKE[name]
    if name == "symplectic":
        optimizer = SymplecticGradientAdjustment([x], [y], lr=LR, align=False)
    elif name == "competitive":
        optimizer = CompetitiveGradient([x], [y], lr=LR, tolerance=1e-13)
    else:
        optimizer = make([x], [y])
    optimizer.step(lambda: game.losses(x, y))
    options = {"gamma": 0.5} if name == "consensus" else {}
    matrix = LINEAR_MAPS[name](game.jacobian(), game.sizes, LR, **options)
    assert torch.allclose(torch.cat([x, y]).detach(), matrix @ start, atol=1e-9)


def test_per_player_conjugate_gradients_and_negative_momentum():
    """β < 0 is negative momentum: Polak–Ribière's goes below 0 on the Dirac-GAN, and Fletcher–Reeves' cannot."""
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
    assert signs["polak_ribiere"] < -0.01 and signs["fletcher_reeves"] >= 0


@pytest.mark.parametrize("name", MAKE)
def test_state_is_saved_and_resumed_to_the_last_bit(name):
    game = dirac_gan(gamma=0.2)

    def run(interrupt):
        x, y = players()
        optimizer = MAKE[name]([x], [y])
        for k in range(8):
            if k == interrupt:
                state = optimizer.state_dict()
                x, y = (p.detach().clone().requires_grad_() for p in (x, y))
                optimizer = MAKE[name]([x], [y])
                optimizer.load_state_dict(state)
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
    """The minimax pair, which is zero-sum but for R1 on the discriminator: every method takes steps and stays finite."""
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
        (lambda x, y: (x * y).sum(), TypeError, "both players' losses, a pair; got Tensor"),
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
