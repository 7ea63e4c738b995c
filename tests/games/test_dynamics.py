"""Small games: the table of exact values, theory against measured steps, and the flow."""

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
from gantut.games.dynamics import (
    LINEAR_MAPS,
    bilinear,
    contraction,
    dirac_gan,
    flow,
    play,
    quadratic,
)
from gantut.games.methods import SymplecticGradientAdjustment
from gantut.losses import LOSSES

H = 0.2


@pytest.mark.parametrize(
    ("method", "options", "value"),
    [
        ("simultaneous", {}, math.sqrt(1 + H**2)),
        ("alternating", {}, 1.0),
        ("extragradient", {}, math.sqrt(1 - H**2 + H**4)),
        ("optimistic", {}, 0.978906),
        ("competitive", {}, 1 / math.sqrt(1 + H**2)),
        ("consensus", {"gamma": 1.0}, 0.824621),
        ("alternating", {"momentum": -0.5}, 0.994063),
    ],
)
def test_the_table_of_the_bilinear_game(method, options, value):
    assert contraction(bilinear(), method, H, **options) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("method", "options", "gamma", "value"),
    [
        ("consensus", {"gamma": 0.5}, 0.0, 0.98011),
        ("symplectic", {}, 0.0, 0.95525),
        ("extragradient", {}, 0.0, 0.99504),
        ("optimistic", {}, 0.0, 0.99494),
        ("competitive", {}, 0.0, 0.99504),
        ("simultaneous", {}, 1.0, 0.900),
        ("alternating", {}, 1.0, 0.927),
    ],
)
def test_the_table_of_the_dirac_gan(method, options, gamma, value):
    assert contraction(dirac_gan(gamma=gamma), method, H, **options) == pytest.approx(
        value, abs=1.5e-5 if gamma == 0 else 5e-4
    )


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.5])
@pytest.mark.parametrize("loss", ["minimax", "non_saturating"])
def test_the_eigenvalues_of_the_dirac_gan_with_r1(gamma, loss):
    """−γ/2 ± √(γ²/4 − f′(0)²) with f′(0) = ½, for the field −v; critical damping at γ = 1."""
    found = torch.linalg.eigvals(-dirac_gan(loss, gamma=gamma).jacobian())
    root = torch.tensor(gamma**2 / 4 - 0.25, dtype=torch.complex128).sqrt()
    expected = torch.stack([-gamma / 2 + root, -gamma / 2 - root])
    for value in expected:
        assert (
            (found - value).abs().min() < 1e-6
            if gamma == 1.0
            else (found - value).abs().min() < 1e-12
        )


MAKE = {
    "simultaneous": (lambda x, y: Simultaneous(torch.optim.SGD(x, H), torch.optim.SGD(y, H)), {}),
    "alternating": (lambda x, y: Alternating(torch.optim.SGD(x, H), torch.optim.SGD(y, H)), {}),
    "extragradient": (lambda x, y: Extragradient(x, y, lr=H), {}),
    "optimistic": (lambda x, y: Optimistic(x, y, lr=H), {}),
    "consensus": (lambda x, y: Consensus(x, y, lr=H, gamma=0.5), {"gamma": 0.5}),
    "symplectic": (lambda x, y: SymplecticGradientAdjustment(x, y, lr=H), {}),
    "competitive": (lambda x, y: CompetitiveGradient(x, y, lr=H), {}),
}


def measured_contraction(path, equilibrium, skip):
    """The slope of a line through the logarithms of the distances: swings average out."""
    distance = (path[skip:] - equilibrium).norm(dim=1).log()
    time = torch.arange(len(distance), dtype=distance.dtype)
    time = time - time.mean()
    return ((time @ distance) / (time @ time)).exp().item()


@pytest.mark.parametrize(
    "game",
    [bilinear(), dirac_gan(gamma=0.3), dirac_gan(gamma=1.7)],
    ids=["bilinear", "damped", "overdamped"],
)
@pytest.mark.parametrize("method", MAKE)
def test_measured_contraction_is_the_spectral_radius(method, game):
    make, options = MAKE[method]
    path = play(game, make, torch.tensor([1e-4, 5e-5], dtype=torch.float64), 200)
    theory = contraction(game, method, H, **options)
    measured = measured_contraction(path, game.equilibrium, skip=50)
    assert measured == pytest.approx(theory, abs=1e-3)


@pytest.mark.parametrize("momentum", [-0.5, 0.0, 0.3])
@pytest.mark.parametrize("method", ["simultaneous", "alternating"])
def test_momentum_is_in_the_map(method, momentum):
    """Heavy-ball SGD takes exactly the steps of the matrix on (z, last step)."""
    game = dirac_gan(gamma=0.5)
    wrap = Simultaneous if method == "simultaneous" else Alternating
    scale = 1e-5  # so small that the game is linear

    def make(x, y):
        return wrap(
            *(
                torch.optim.SGD(p, H, momentum=momentum) if momentum >= 0 else NegativeMomentum(p)
                for p in (x, y)
            )
        )

    class NegativeMomentum(torch.optim.SGD):
        """PyTorch refuses momentum below 0."""

        def __init__(self, params):
            super().__init__(params, H)

        @torch.no_grad()
        def step(self, closure=None):
            for p in self.param_groups[0]["params"]:
                buffer = self.state[p].setdefault("momentum", torch.zeros_like(p))
                buffer.mul_(momentum).add_(p.grad, alpha=-H)
                p.add_(buffer)

    start = scale * torch.tensor([1.0, 0.5], dtype=torch.float64)
    path = play(game, make, start, 6)
    matrix = LINEAR_MAPS[method](game.jacobian(), game.sizes, H, momentum=momentum)
    state = torch.cat([start, torch.zeros(2).double()]) if momentum else start
    for k in range(1, 7):
        state = matrix @ state
        assert torch.allclose(path[k], state[:2], rtol=1e-6, atol=1e-14)


def test_the_jacobian_of_a_quadratic_game():
    g = torch.Generator().manual_seed(0)
    A, B, C = (torch.randn(*s, generator=g, dtype=torch.float64) for s in ((3, 3), (2, 2), (3, 2)))
    A, B = A + A.T, B + B.T
    game = quadratic(A, B, C)
    expected = torch.cat([torch.cat([A, C], 1), torch.cat([-C.T, B], 1)])
    assert torch.allclose(game.jacobian(), expected)
    assert torch.allclose(game.jacobian(torch.randn(5, generator=g, dtype=torch.float64)), expected)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_its_dirac_gan(name):
    """Away from the equilibrium too, J is finite for every pair."""
    game = dirac_gan(name)
    J = game.jacobian(torch.tensor([0.3, 0.1], dtype=torch.float64))
    assert J.shape == (2, 2) and torch.isfinite(J).all()


def test_the_players_of_the_dirac_gan_want_what_they_should():
    """With D rising towards y > 0, x goes up; with the sample above the data, D turns down."""
    field = dirac_gan("non_saturating").field(torch.tensor([0.5, 0.25]).double())
    assert field[0] > 0 > field[1]
    J = dirac_gan(gamma=0.7).jacobian()
    expected = torch.tensor([[0.0, -0.5], [0.5, 0.7]]).double()
    assert torch.allclose(J, expected)


def test_the_flow_turns_in_circles():
    """dz/dt = −Jz of the bilinear game is a rotation: after a quarter turn x is where y was."""
    start, game = torch.tensor([1.0, 0.0], dtype=torch.float64), bilinear()
    path = flow(game.field, start, step=2 * math.pi / 200, steps=200)
    assert (path[50] - torch.tensor([0.0, 1.0])).norm() < 1e-6
    assert (path[-1] - start).norm() < 1e-6
    assert torch.allclose(path.norm(dim=1), torch.ones(201).double(), atol=1e-6)


def test_the_flow_is_of_fourth_order():
    """Half the step, a sixteenth of the error, on a field that is not linear."""
    start, game = torch.tensor([1.0, 0.5], dtype=torch.float64), dirac_gan(gamma=0.5)
    exact, coarse, fine = (flow(game.field, start, step=4 / n, steps=n)[-1] for n in (200, 20, 40))
    assert 14 < ((coarse - exact).norm() / (fine - exact).norm()).item() < 18


def test_a_path_that_leaves_ends_in_nan():
    make = MAKE["simultaneous"][0]
    path = play(bilinear(40.0), make, torch.tensor([1.0, 1.0], dtype=torch.float64), 30)
    assert torch.isnan(path[-1]).all() and not torch.isnan(path[3]).any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dirac_gan("wgan"), "unknown loss 'wgan'"),
        (lambda: dirac_gan(gamma=-1.0), "gamma must be a finite number ≥ 0, got -1"),
        (
            lambda: contraction(bilinear(), "adam", 0.1),
            "unknown method 'adam'; known: simultaneous",
        ),
        (
            lambda: quadratic(torch.ones(2, 2).triu(), torch.eye(1), torch.ones(2, 1)),
            "must be symmetric",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
