"""Small games whose learning can be understood completely: their vector fields, Jacobians, and what each method makes of them.

A game is two losses of two players' parameters, f(x, y) for x and g(x, y) for y, both minimised. v = (∇ₓf, ∇ᵧg) is the field of both
gradients and J = ∂v/∂z its Jacobian at z = (x, y). For one loss J is a Hessian: symmetric, with real eigenvalues. For a game it is not,
and eigenvalues with an imaginary part mean rotation. [balduzzi2018, mescheder2018]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gantut.games.methods import GameOptimizer
from gantut.losses.gan import AdversarialLoss, adversarial_loss
from gantut.optim.flattening import gradient


class Game(NamedTuple):
    """``losses(x, y)`` gives both scalars; ``sizes`` are the numbers of both players' parameters; ``equilibrium`` is where v = 0."""

    name: str
    losses: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    sizes: tuple[int, int]
    equilibrium: Tensor

    def field(self, z: Tensor) -> Tensor:
        """−v(z): the direction in which gradient descent moves both, (n,); differentiable."""
        x, y = (
            part.detach().requires_grad_() if not part.requires_grad else part
            for part in z.split(self.sizes)
        )
        f, g = self.losses(x, y)
        return -torch.cat(
            [gradient(f, [x], create_graph=True), gradient(g, [y], create_graph=True)]
        )

    def jacobian(self, z: Tensor | None = None) -> Tensor:
        """J = ∂v/∂z at z, at the equilibrium unless given, (n, n)."""
        z = (self.equilibrium if z is None else z).detach().requires_grad_()
        v = -self.field(z)
        return torch.stack([gradient(component, [z], retain_graph=True) for component in v])


def bilinear(scale: float = 1.0) -> Game:
    """f = s·x·y, g = −f: the plainest game that turns in circles. Its Jacobian has the eigenvalues ±s·i."""
    return Game(
        "bilinear",
        lambda x, y: (scale * (x @ y), -scale * (x @ y)),
        (1, 1),
        torch.zeros(2).double(),
    )


def quadratic(own_x: Tensor, own_y: Tensor, interaction: Tensor) -> Game:
    """f = ½ xᵀAx + xᵀCy and g = ½ yᵀBy − xᵀCy, with symmetric A (n, n), B (m, m) and C (n, m); the equilibrium is 0.

    Raises:
        ValueError: shapes that do not fit, or A or B not symmetric.
    """
    n, m = interaction.shape
    if own_x.shape != (n, n) or own_y.shape != (m, m):
        raise ValueError(
            f"for C {(n, m)} expected A {(n, n)} and B {(m, m)}, got {tuple(own_x.shape)}, {tuple(own_y.shape)}"
        )
    if not (torch.allclose(own_x, own_x.T) and torch.allclose(own_y, own_y.T)):
        raise ValueError("A and B must be symmetric")

    def losses(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        shared = x @ interaction @ y
        return 0.5 * x @ own_x @ x + shared, 0.5 * y @ own_y @ y - shared

    return Game("quadratic", losses, (n, m), torch.zeros(n + m, dtype=interaction.dtype))


def dirac_gan(loss: str | AdversarialLoss = "minimax", *, gamma: float = 0.0) -> Game:
    """The GAN of one point: data at 0, the generator's sample at x, D(s) = y·s, and R1 with γ, which is γ/2 · y². [mescheder2018]

    Real logits are 0 and fake ones x·y, for any pair of ``LOSSES``. The equilibrium is (0, 0).

    Raises:
        ValueError: an unknown loss, or γ negative or not finite.
    """
    if not (math.isfinite(gamma) and gamma >= 0):
        raise ValueError(f"gamma must be a finite number ≥ 0, got {gamma}")
    pair = adversarial_loss(loss)

    def losses(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        real, fake = 0 * y, x * y
        penalty = 0.5 * gamma * y.square()
        return pair.generator(real, fake).sum(), (pair.discriminator(real, fake) + penalty).sum()

    return Game("dirac_gan", losses, (1, 1), torch.zeros(2).double())


# -- what a method does to z near an equilibrium, where v = Jz: one step is a matrix ------------------------------------------------------


def _split(J: Tensor, sizes: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The rows of each player, the other's set to 0."""
    x_rows, y_rows = J.clone(), J.clone()
    x_rows[sizes[0] :] = 0
    y_rows[: sizes[0]] = 0
    return x_rows, y_rows


def simultaneous(J: Tensor, sizes: tuple[int, int], lr: float, *, momentum: float = 0.0) -> Tensor:
    """z ← z − η Jz; with heavy-ball momentum on (z, last step)."""
    eye = torch.eye(len(J), dtype=J.dtype)
    if not momentum:
        return eye - lr * J
    top, bottom = (
        torch.cat([eye - lr * J, momentum * eye], 1),
        torch.cat([-lr * J, momentum * eye], 1),
    )
    return torch.cat([top, bottom])


def alternating(J: Tensor, sizes: tuple[int, int], lr: float, *, momentum: float = 0.0) -> Tensor:
    """y moves first, and x answers; with momentum each player keeps its own last step."""
    n = len(J)
    result = torch.eye(2 * n if momentum else n, dtype=J.dtype)
    for rows, mine in zip(
        reversed(_split(J, sizes)), (slice(sizes[0], n), slice(0, sizes[0])), strict=True
    ):
        move = torch.eye(len(result), dtype=J.dtype)
        move[:n, :n] -= lr * rows
        if momentum:
            own = torch.zeros(n, dtype=J.dtype)
            own[mine] = 1
            move[:n, n:] = momentum * torch.diag(own)
            move[n:, :n] = -lr * rows
            move[n:, n:] = torch.diag(1 - own + momentum * own)
        result = move @ result
    return result


def extragradient(J: Tensor, sizes: tuple[int, int], lr: float) -> Tensor:
    """I − ηJ(I − ηJ)."""
    eye = torch.eye(len(J), dtype=J.dtype)
    return eye - lr * J @ (eye - lr * J)


def optimistic(J: Tensor, sizes: tuple[int, int], lr: float) -> Tensor:
    """(z, last z) ↦ (z − 2ηJz + ηJ·last, z)."""
    eye = torch.eye(len(J), dtype=J.dtype)
    return torch.cat([torch.cat([eye - 2 * lr * J, lr * J], 1), torch.cat([eye, 0 * eye], 1)])


def consensus(J: Tensor, sizes: tuple[int, int], lr: float, *, gamma: float) -> Tensor:
    """I − η(J + γJᵀJ)."""
    return torch.eye(len(J), dtype=J.dtype) - lr * (J + gamma * J.T @ J)


def symplectic(J: Tensor, sizes: tuple[int, int], lr: float, *, strength: float = 1.0) -> Tensor:
    """I − η(J + λAᵀJ) with A = ½(J − Jᵀ)."""
    return torch.eye(len(J), dtype=J.dtype) - lr * (J + strength * 0.5 * (J - J.T).T @ J)


def competitive(J: Tensor, sizes: tuple[int, int], lr: float) -> Tensor:
    """I − η(I + ηK)⁻¹J, with K the part of J in which the players meet."""
    meeting = J.clone()
    n = sizes[0]
    meeting[:n, :n] = 0
    meeting[n:, n:] = 0
    eye = torch.eye(len(J), dtype=J.dtype)
    return eye - lr * torch.linalg.solve(eye + lr * meeting, J)


LINEAR_MAPS: dict[str, Callable[..., Tensor]] = {
    "simultaneous": simultaneous,
    "alternating": alternating,
    "extragradient": extragradient,
    "optimistic": optimistic,
    "consensus": consensus,
    "symplectic": symplectic,
    "competitive": competitive,
}


def spectral_radius(matrix: Tensor) -> float:
    """The largest eigenvalue in absolute value: the factor per step to which the distance settles."""
    return torch.linalg.eigvals(matrix).abs().max().item()


def contraction(game: Game, method: str, lr: float, **options: float) -> float:
    """The spectral radius of one step of ``method`` at the game's equilibrium: below 1 it converges there, above it is driven away.

    Raises:
        ValueError: the method is unknown; the message lists the known ones.
    """
    if method not in LINEAR_MAPS:
        raise ValueError(f"unknown method {method!r}; known: {', '.join(LINEAR_MAPS)}")
    return spectral_radius(LINEAR_MAPS[method](game.jacobian(), game.sizes, lr, **options))


# -- paths --------------------------------------------------------------------------------------------------------------------------------


def play(
    game: Game,
    make: Callable[[list[Tensor], list[Tensor]], GameOptimizer],
    start: Tensor,
    steps: int,
) -> Tensor:
    """The path (steps + 1, n) of the optimizer that ``make(x, y)`` builds, from ``start``. It ends early, in NaN, where it leaves 10⁶."""
    x, y = (part.clone().requires_grad_() for part in start.split(game.sizes))
    optimizer = make([x], [y])
    path = start.new_full((steps + 1, len(start)), math.nan)
    path[0] = start
    for k in range(steps):
        optimizer.step(lambda: game.losses(x, y))
        path[k + 1] = torch.cat([x, y]).detach()
        if not path[k + 1].abs().max() < 1e6:
            break
    return path


def measured_contraction(path: Tensor, equilibrium: Tensor, skip: int = 0) -> float:
    """The factor per step by which the distance to the equilibrium changed along a path, after the first ``skip`` steps.

    It is the slope of a straight line through the logarithms of the distances, which averages the swings of a spiral out.
    """
    distance = (path[skip:] - equilibrium).norm(dim=1).log()
    time = torch.arange(len(distance), dtype=distance.dtype)
    time = time - time.mean()
    return ((time @ distance) / (time @ time)).exp().item()


def flow(
    field: Callable[[Tensor], Tensor],
    start: Tensor,
    *,
    step: float,
    steps: int,
    method: str = "rk4",
) -> Tensor:
    """The path (steps + 1, n) of dz/dt = field(z), by "euler" (which is gradient descent) or by the fourth-order "rk4".

    Raises:
        ValueError: an unknown method, or a step that is not positive.
    """
    if method not in ("euler", "rk4") or not step > 0:
        raise ValueError(f"expected method euler or rk4 and a step > 0, got {method!r} and {step}")
    path = [start]
    for _ in range(steps):
        z = path[-1]
        k1 = field(z).detach()
        if method == "rk4":
            k2 = field(z + 0.5 * step * k1).detach()
            k3 = field(z + 0.5 * step * k2).detach()
            k4 = field(z + step * k3).detach()
            k1 = (k1 + 2 * k2 + 2 * k3 + k4) / 6
        path.append(z + step * k1)
    return torch.stack(path)


def portrait(
    field: Callable[[Tensor], Tensor], limits: tuple[float, float] = (-2, 2), points: int = 15
) -> tuple[Tensor, Tensor]:
    """The field of a game with one parameter a side on a grid: places and directions, (points, points, 2) each."""
    line = torch.linspace(*limits, points, dtype=torch.float64)
    places = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1)
    return places, torch.stack([field(z).detach() for z in places.reshape(-1, 2)]).reshape(
        places.shape
    )
