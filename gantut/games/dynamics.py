"""Small games that can be understood completely, and what each method makes of them.

A game is two losses of two players' parameters, f(x, y) for x and g(x, y) for y, both minimised.
v = (∇ₓf, ∇ᵧg) is the field of both gradients, and J = ∂v/∂z its Jacobian at z = (x, y). For one
loss J would be a Hessian: symmetric, with real eigenvalues. For a game it is not symmetric, and
eigenvalues with an imaginary part mean rotation. [balduzzi2018, mescheder2018]
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gantut.games.methods import GameOptimizer
from gantut.losses.gan import AdversarialLoss, adversarial_loss
from gantut.numerics import check_weight, chosen
from gantut.optim.flattening import gradient


class Game(NamedTuple):
    """A game of two players.

    ``name`` is for pictures. ``losses(x, y)`` gives both losses, each a scalar. ``sizes`` are the
    numbers of both players' parameters, and ``equilibrium``, (n,), is where v = 0.

    Example:
        >>> import torch
        >>> bilinear().field(torch.tensor([1.0, 2.0])).tolist()
        [-2.0, 1.0]
    """

    name: str
    losses: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    sizes: tuple[int, int]
    equilibrium: Tensor

    def field(self, z: Tensor) -> Tensor:
        """−v(z): the direction in which gradient descent moves both, (n,); differentiable."""
        z = z if z.requires_grad else z.detach().requires_grad_()
        x, y = z.split(self.sizes)
        f, g = self.losses(x, y)
        return -torch.cat(
            [gradient(f, [x], create_graph=True), gradient(g, [y], create_graph=True)]
        )

    def jacobian(self, z: Tensor | None = None) -> Tensor:
        """J = ∂v/∂z at z, or at the equilibrium, (n, n)."""
        z = self.equilibrium if z is None else z
        return torch.autograd.functional.jacobian(lambda z: -self.field(z), z.detach())


def bilinear(scale: float = 1.0) -> Game:
    """The plainest game that turns in circles: f = s·x·y, g = −f.

    Its Jacobian has the eigenvalues ±s·i.

    Args:
        scale: s, how fast it turns.
    """

    def losses(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return scale * (x @ y), -scale * (x @ y)

    return Game("bilinear", losses, (1, 1), torch.zeros(2).double())


def quadratic(own_x: Tensor, own_y: Tensor, interaction: Tensor) -> Game:
    """f = ½ xᵀAx + xᵀCy and g = ½ yᵀBy − xᵀCy: a linear field with any spectrum one likes.

    The equilibrium is 0, and J = (A, C; −Cᵀ, B).

    Args:
        own_x: A, (n, n), symmetric: x's own curvature.
        own_y: B, (m, m), symmetric: y's own curvature.
        interaction: C, (n, m).

    Raises:
        ValueError: A or B is not symmetric.

    Example:
        >>> import torch
        >>> a, b, c = (torch.tensor([[value]]) for value in (0.5, 2.0, 1.0))
        >>> quadratic(a, b, c).jacobian().tolist()
        [[0.5, 1.0], [-1.0, 2.0]]
    """
    if not (torch.allclose(own_x, own_x.T) and torch.allclose(own_y, own_y.T)):
        raise ValueError("A and B must be symmetric")

    def losses(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        shared = x @ interaction @ y
        return 0.5 * x @ own_x @ x + shared, 0.5 * y @ own_y @ y - shared

    sizes = interaction.shape[0], interaction.shape[1]
    return Game("quadratic", losses, sizes, torch.zeros(sum(sizes), dtype=interaction.dtype))


def dirac_gan(loss: str | AdversarialLoss = "minimax", *, gamma: float = 0.0) -> Game:
    """The GAN of one point: data at 0, the generator's sample at x, and D(s) = y·s.

    The real logit is 0 and the fake one x·y. R1 adds γ/2 · y² to the discriminator's loss, which
    damps the rotation. The equilibrium is (0, 0). [mescheder2018]

    Args:
        loss: A name of ``LOSSES``, or a pair of its kind.
        gamma: R1's weight γ; without damping it is 0.

    Raises:
        ValueError: an unknown loss, or γ negative or not finite.

    Example:
        >>> dirac_gan(gamma=1.0).jacobian().tolist()
        [[0.0, -0.5], [0.5, 1.0]]
    """
    pair, gamma = adversarial_loss(loss), check_weight("gamma", gamma)

    def losses(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        real, fake = 0 * y, x * y
        penalty = 0.5 * gamma * y.square()
        return pair.generator(real, fake).sum(), (pair.discriminator(real, fake) + penalty).sum()

    return Game("dirac_gan", losses, (1, 1), torch.zeros(2).double())


# -- one step of each method near an equilibrium, where v = Jz, as a matrix ------------------------


def _eye(J: Tensor) -> Tensor:
    return torch.eye(len(J), dtype=J.dtype)


def simultaneous(J: Tensor, sizes: tuple[int, int], lr: float, *, momentum: float = 0.0) -> Tensor:
    """z ← z − η Jz; with heavy-ball momentum it acts on (z, last step)."""
    plain = _eye(J) - lr * J
    if not momentum:
        return plain
    keep = momentum * _eye(J)
    return torch.cat([torch.cat([plain, keep], 1), torch.cat([-lr * J, keep], 1)])


def alternating(J: Tensor, sizes: tuple[int, int], lr: float, *, momentum: float = 0.0) -> Tensor:
    """First y's rows of the simultaneous step, x at rest, and then x's rows."""
    both = simultaneous(J, sizes, lr, momentum=momentum)
    rest = result = _eye(both)
    mine = torch.arange(len(J)) >= sizes[0]
    for rows in (mine, ~mine):
        rows = rows.repeat(len(both) // len(J))[:, None]
        result = torch.where(rows, both, rest) @ result
    return result


def extragradient(J: Tensor, sizes: tuple[int, int], lr: float) -> Tensor:
    """I − ηJ(I − ηJ)."""
    return _eye(J) - lr * J @ (_eye(J) - lr * J)


def optimistic(J: Tensor, sizes: tuple[int, int], lr: float) -> Tensor:
    """(z, last z) ↦ (z − 2ηJz + ηJ·last, z)."""
    eye = _eye(J)
    return torch.cat([torch.cat([eye - 2 * lr * J, lr * J], 1), torch.cat([eye, 0 * eye], 1)])


def consensus(J: Tensor, sizes: tuple[int, int], lr: float, *, gamma: float) -> Tensor:
    """I − η(J + γJᵀJ)."""
    return _eye(J) - lr * (J + gamma * J.T @ J)


def symplectic(J: Tensor, sizes: tuple[int, int], lr: float, *, strength: float = 1.0) -> Tensor:
    """I − η(J + λAᵀJ) with A = ½(J − Jᵀ); where the method flips its sign, λ is negative."""
    return _eye(J) - lr * (J + strength * 0.5 * (J - J.T).T @ J)


def competitive(J: Tensor, sizes: tuple[int, int], lr: float) -> Tensor:
    """I − η(I + ηK)⁻¹J, with K the part of J in which the players meet."""
    meeting, n = J.clone(), sizes[0]
    meeting[:n, :n] = 0
    meeting[n:, n:] = 0
    return _eye(J) - lr * torch.linalg.solve(_eye(J) + lr * meeting, J)


_MAPS = (simultaneous, alternating, extragradient, optimistic, consensus, symplectic, competitive)
LINEAR_MAPS: dict[str, Callable[..., Tensor]] = {method.__name__: method for method in _MAPS}


def contraction(game: Game, method: str, lr: float, **options: float) -> float:
    """The factor by which a method's distance to the equilibrium settles to change, per step.

    It is the spectral radius of the method's matrix, the largest of its eigenvalues in absolute
    value: below 1 the method converges to the equilibrium, above 1 it is driven away.

    Args:
        game: The game; its Jacobian at the equilibrium is what counts.
        method: A name of ``LINEAR_MAPS``.
        lr: The step η.
        options: What the method's matrix takes besides: ``momentum``, ``gamma`` or ``strength``.

    Raises:
        ValueError: the method is unknown; the message lists the known ones.

    Example:
        >>> round(contraction(bilinear(), "simultaneous", 0.2), 4)  # √(1 + η²)
        1.0198
        >>> round(contraction(bilinear(), "extragradient", 0.2), 4)
        0.9806
    """
    linear = chosen("method", method, LINEAR_MAPS)
    matrix = linear(game.jacobian(), game.sizes, lr, **options)
    return torch.linalg.eigvals(matrix).abs().max().item()


# -- paths -----------------------------------------------------------------------------------------


def play(
    game: Game,
    make: Callable[[list[Tensor], list[Tensor]], GameOptimizer],
    start: Tensor,
    steps: int,
) -> Tensor:
    """The path of a method in a game. It ends early, in NaN, where it leaves 10⁶.

    Args:
        game: The game to play.
        make: Builds the optimizer, from both players' parameters.
        start: Where to begin, (n,).
        steps: How many steps.

    Returns:
        The places, (steps + 1, n).

    Example:
        >>> import torch
        >>> from gantut.games import Extragradient
        >>> path = play(bilinear(), lambda x, y: Extragradient(x, y, lr=0.5), torch.eye(2)[0], 3)
        >>> path[:2].tolist()
        [[1.0, 0.0], [0.75, 0.5]]
    """
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


def flow(field: Callable[[Tensor], Tensor], start: Tensor, *, step: float, steps: int) -> Tensor:
    """The path of dz/dt = field(z), by Runge and Kutta's fourth-order method.

    This is what infinitely small gradient steps would do; gradient descent is Euler's method.

    Args:
        field: z ↦ dz/dt, each (n,), such as ``Game.field``.
        start: Where to begin, (n,).
        step: The length of a step in time.
        steps: How many steps.

    Returns:
        The places, (steps + 1, n).

    Example:
        >>> import math, torch
        >>> path = flow(bilinear().field, torch.tensor([1.0, 0.0]), step=math.pi / 20, steps=20)
        >>> [round(v, 2) for v in path[-1].abs().tolist()]  # half a turn
        [1.0, 0.0]
    """
    path = [start]
    for _ in range(steps):
        z = path[-1]
        k1 = field(z).detach()
        k2 = field(z + 0.5 * step * k1).detach()
        k3 = field(z + 0.5 * step * k2).detach()
        k4 = field(z + step * k3).detach()
        path.append(z + step * ((k1 + 2 * k2 + 2 * k3 + k4) / 6))
    return torch.stack(path)
