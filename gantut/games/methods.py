"""Optimizers for two players.

Each takes both losses at once, because what one player should do depends on what the other is about
to do. The first player is called x (the generator) and the second y (the discriminator); f and g
are their losses, both minimised. v stacks both players' own gradients, v = (∇ₓf, ∇ᵧg), z = (x, y)
their parameters, and J = ∂v/∂z is the Jacobian of v.

There is one protocol, ``step(losses)``: ``losses()`` computes and returns the pair (f, g), each a
tensor with one number, with its graph and without calling ``backward``. A penalty is simply part of
a player's loss. What each method does near an equilibrium stands in ``LINEAR_MAPS``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from gantut.numerics import check_positive
from gantut.optim.flattening import add_, copy_, flatten, gradient, scalar, unflatten
from gantut.optim.linear import linear_cg

Tensors = Iterable[Tensor]
Pair = tuple[Tensor, Tensor]
Losses = Callable[[], Pair]


class GameOptimizer(ABC):
    """What all methods share: both players' parameters, and a state.

    ``state`` is a dictionary of tensors and numbers. It is what a resumed run needs beside the
    parameters, and beside the states of the players' own optimizers where a method has such.
    A method of your own is a subclass that writes ``update``.

    Args:
        x: The first player's parameters, such as ``G.parameters()``.
        y: The second player's.

    Raises:
        ValueError: a player without parameters; in ``step``: a loss that is not finite, or that
            does not depend on its own player.
        TypeError: in ``step``: the losses are not two tensors with one number each.
    """

    def __init__(self, x: Tensors, y: Tensors) -> None:
        self.x, self.y = list(x), list(y)
        if not self.x or not self.y:
            raise ValueError(f"both players need parameters, got {len(self.x)} and {len(self.y)}")
        self.both = self.x + self.y
        self.sizes = [sum(p.numel() for p in player) for player in (self.x, self.y)]
        self.state: dict[str, Any] = {"steps": 0}

    def step(self, losses: Losses) -> Pair:
        """Move both players once.

        Args:
            losses: Computes and returns (f, g), without calling ``backward``. Some methods call it
                more than once, so it must be deterministic within a step.

        Returns:
            Both losses as they were before the step, detached.
        """
        before = self.update(losses)
        self.state["steps"] += 1
        return before

    @abstractmethod
    def update(self, losses: Losses) -> Pair:
        """One step of the method; both losses before it, detached."""

    def evaluate(self, losses: Losses) -> Pair:
        """Both losses, checked."""
        f, g = losses()
        for name, loss, player in (("first", f, self.x), ("second", g, self.y)):
            title, steps = f"the {name} player's loss", self.state["steps"]
            if not torch.isfinite(scalar(loss, title)):
                raise ValueError(f"step {steps}: {title} is {loss.item()}")
            # Once is enough: the graph keeps its shape, and the check costs a gradient.
            if steps == 0 and not _depends(loss, player):
                raise ValueError(f"{title} does not depend on the {name} player's parameters")
        return f.reshape(()), g.reshape(())

    def field(self, losses: Losses, *, create_graph: bool = False) -> tuple[Tensor, Pair]:
        """v = (∇ₓf, ∇ᵧg) as one row, and the losses, detached."""
        f, g = self.evaluate(losses)
        graph = {"create_graph": create_graph, "retain_graph": True}
        v = torch.cat([gradient(f, self.x, **graph), gradient(g, self.y, **graph)])
        return v, (f.detach(), g.detach())


def _depends(loss: Tensor, player: list[Tensor]) -> bool:
    if not loss.requires_grad:
        return False
    pieces = torch.autograd.grad(loss, player, retain_graph=True, allow_unused=True)
    return any(piece is not None for piece in pieces)


class _OfTwo(GameOptimizer):
    """A method made of two PyTorch optimizers, one for each player."""

    def __init__(self, x: torch.optim.Optimizer, y: torch.optim.Optimizer) -> None:
        self.optimizers = (x, y)
        players = ([p for group in o.param_groups for p in group["params"]] for o in (x, y))
        super().__init__(*players)

    def move(self, player: int, slope: Tensor) -> None:
        """Let one player's optimizer take its step, with the given gradient."""
        parameters = (self.x, self.y)[player]
        for parameter, piece in zip(parameters, unflatten(slope, parameters), strict=True):
            parameter.grad = piece.clone()
        self.optimizers[player].step()


class Simultaneous(_OfTwo):
    """Both players move at once, each by its own optimizer.

    With SGD of step η this is z ← z − η v(z). On f = x·y it spirals outwards.

    Args:
        x: The first player's optimizer, such as ``torch.optim.SGD(G.parameters(), 0.1)``.
        y: The second player's.

    Example:
        >>> import torch
        >>> x, y = (torch.tensor([v], requires_grad=True) for v in (1.0, 0.0))
        >>> method = Simultaneous(torch.optim.SGD([x], 0.5), torch.optim.SGD([y], 0.5))
        >>> for _ in range(2):  # minimise xy over x, and −xy over y
        ...     _ = method.step(lambda: ((x * y).sum(), -(x * y).sum()))
        >>> x.item(), y.item()
        (0.75, 1.0)
    """

    def update(self, losses: Losses) -> Pair:
        v, before = self.field(losses)
        for player, slope in enumerate(v.split(self.sizes)):
            self.move(player, slope)
        return before


class Alternating(_OfTwo):
    """The discriminator moves first, and the generator answers to where it now stands.

    This is how GANs are usually trained: y ← y − η ∇ᵧg(x, y), then x ← x − η ∇ₓf(x, y). On f = x·y
    it runs in a closed curve.

    Args:
        x: The first player's optimizer, which moves last.
        y: The second player's, which moves first.

    Example:
        >>> import torch
        >>> x, y = (torch.tensor([v], requires_grad=True) for v in (1.0, 0.0))
        >>> method = Alternating(torch.optim.SGD([x], 0.5), torch.optim.SGD([y], 0.5))
        >>> f, g = method.step(lambda: ((x * y).sum(), -(x * y).sum()))
        >>> x.item(), y.item()  # x already answers to y = 0.5
        (0.75, 0.5)
    """

    def update(self, losses: Losses) -> Pair:
        g = self.evaluate(losses)[1]
        self.move(1, gradient(g, self.y))
        f = self.evaluate(losses)[0]
        self.move(0, gradient(f, self.x))
        return f.detach(), g.detach()


class _WithStep(GameOptimizer):
    """A method with one step length η for both players."""

    def __init__(self, x: Tensors, y: Tensors, *, lr: float) -> None:
        super().__init__(x, y)
        check_positive(lr=lr)
        self.lr = lr


class Extragradient(_WithStep):
    """Look one step ahead, and move from the old place by the gradient of the new one.

        z ← z − η v(z − η v(z))

    It costs two evaluations a step, and turns the circle of f = x·y into a spiral inwards.
    [korpelevich1976]

    Args:
        x: The first player's parameters.
        y: The second player's.
        lr: The step η, for the look and for the move.

    Example:
        >>> import torch
        >>> x, y = (torch.tensor([v], requires_grad=True) for v in (1.0, 0.0))
        >>> f, g = Extragradient([x], [y], lr=0.5).step(lambda: (x @ y, -x @ y))
        >>> x.item(), y.item()
        (0.75, 0.5)
    """

    def update(self, losses: Losses) -> Pair:
        z = flatten(self.both).detach()
        v, before = self.field(losses)
        add_(self.both, v, -self.lr)
        ahead, _ = self.field(losses)
        copy_(self.both, z)
        add_(self.both, ahead, -self.lr)
        return before


class Optimistic(_WithStep):
    """Expect that the gradient will change as it just did.

        z ← z − η (2 v_t − v_{t−1})

    The first step is a plain one. It does nearly what ``Extragradient`` does, for one evaluation a
    step. [daskalakis2018]

    Args:
        x: The first player's parameters.
        y: The second player's.
        lr: The step η.

    Example:
        >>> import torch
        >>> x, y = (torch.tensor([v], requires_grad=True) for v in (1.0, 0.0))
        >>> method = Optimistic([x], [y], lr=0.5)
        >>> for _ in range(2):
        ...     _ = method.step(lambda: (x @ y, -x @ y))
        >>> x.item(), y.item()
        (0.5, 1.0)
    """

    def update(self, losses: Losses) -> Pair:
        v, before = self.field(losses)
        last = self.state.get("last", v)
        add_(self.both, 2 * v - last, -self.lr)
        self.state["last"] = v
        return before


class OptimisticAdam(_WithStep):
    """Adam's direction, taken optimistically.

        u_t = m̂_t / (√ŝ_t + 10⁻⁸),   z ← z − η (2 u_t − u_{t−1})

    with Adam's bias-corrected averages m̂ of v and ŝ of v². The first step is Adam's.
    [daskalakis2018]

    Args:
        x: The first player's parameters.
        y: The second player's.
        lr: The step η.
        betas: How much m and s keep of their past, each in [0, 1).

    Example:
        >>> import torch
        >>> x, y = (torch.tensor([v], requires_grad=True) for v in (1.0, 1.0))
        >>> f, g = OptimisticAdam([x], [y], lr=0.25).step(lambda: (x @ y, -x @ y))
        >>> x.item(), y.item()  # Adam's first step is η, whatever the gradient's size
        (0.75, 1.25)
    """

    def __init__(
        self, x: Tensors, y: Tensors, *, lr: float, betas: tuple[float, float] = (0.5, 0.9)
    ) -> None:
        super().__init__(x, y, lr=lr)
        if not (0 <= betas[0] < 1 and 0 <= betas[1] < 1):
            raise ValueError(f"betas must lie in [0, 1), got {betas}")
        self.betas = betas

    def update(self, losses: Losses) -> Pair:
        v, before = self.field(losses)
        (keep_m, keep_s), t = self.betas, self.state["steps"] + 1
        m = torch.lerp(v, self.state.get("mean", torch.zeros_like(v)), keep_m)
        s = torch.lerp(v * v, self.state.get("square", torch.zeros_like(v)), keep_s)
        u = (m / (1 - keep_m**t)) / ((s / (1 - keep_s**t)).sqrt() + 1e-8)
        add_(self.both, 2 * u - self.state.get("last", u), -self.lr)
        self.state.update(mean=m, square=s, last=u)
        return before


class Consensus(_WithStep):
    """Each player also lowers ½‖v‖², the length of all gradients, which both can agree on.

        z ← z − η (v + γ Jᵀv)

    The pull Jᵀv = ∇½‖v‖² turns the rotation of a game into a descent. It also leads to points that
    are no equilibria, wherever ‖v‖ has a local minimum. [mescheder2017]

    Args:
        x: The first player's parameters.
        y: The second player's.
        lr: The step η.
        gamma: The weight γ of the pull, above 0.

    Example:
        >>> import torch
        >>> x, y = (torch.tensor([v], requires_grad=True) for v in (1.0, 0.0))
        >>> f, g = Consensus([x], [y], lr=0.5, gamma=0.5).step(lambda: (x @ y, -x @ y))
        >>> x.item(), y.item()
        (0.75, 0.5)
    """

    def __init__(self, x: Tensors, y: Tensors, *, lr: float, gamma: float) -> None:
        super().__init__(x, y, lr=lr)
        check_positive(gamma=gamma)
        self.gamma = gamma

    def update(self, losses: Losses) -> Pair:
        graph, before = self.field(losses, create_graph=True)
        v = graph.detach()
        pull = gradient(graph @ v, self.both)  # Jᵀv
        add_(self.both, v + self.gamma * pull, -self.lr)
        return before


class SymplecticGradientAdjustment(_WithStep):
    """Turn v by the rotating part of the game, A = ½(J − Jᵀ).

        z ← z − η (v + s λ Aᵀv)

    The sign s keeps the adjustment from pushing away from stable fixed points and pulling towards
    unstable ones. With ∇H = Jᵀv, the gradient of H = ½‖v‖², and d the number of parameters,

        s = sign( (v·∇H) (Aᵀv·∇H) / d + 1/10 ).

    [balduzzi2018]

    Args:
        x: The first player's parameters.
        y: The second player's.
        lr: The step η.
        strength: The weight λ of the adjustment, above 0.

    Example:
        >>> import torch
        >>> x, y = (torch.tensor([v], requires_grad=True) for v in (1.0, 0.0))
        >>> f, g = SymplecticGradientAdjustment([x], [y], lr=0.5).step(lambda: (x @ y, -x @ y))
        >>> x.item(), y.item()
        (0.5, 0.5)
    """

    def __init__(self, x: Tensors, y: Tensors, *, lr: float, strength: float = 1.0) -> None:
        super().__init__(x, y, lr=lr)
        check_positive(strength=strength)
        self.strength = strength

    def update(self, losses: Losses) -> Pair:
        graph, before = self.field(losses, create_graph=True)
        v = graph.detach()
        # Jᵀu for any u is linear in u; its derivative, applied to v, is Jv.
        u = torch.zeros_like(v, requires_grad=True)
        transposed = gradient(graph @ u, self.both, create_graph=True)
        (forward,) = torch.autograd.grad(transposed @ v, u, retain_graph=True)
        slope = gradient(graph @ v, self.both)  # ∇H = Jᵀv
        adjustment = 0.5 * (slope - forward)  # Aᵀv
        agreement = (v @ slope) * (adjustment @ slope)
        sign = math.copysign(1.0, agreement.item() / len(v) + 0.1)
        add_(self.both, v + sign * self.strength * adjustment, -self.lr)
        return before


class CompetitiveGradient(_WithStep):
    """Both players choose their step knowing that the other does the same.

    Each step is the Nash equilibrium of the game's bilinear model. With D = ∂²f/∂x∂y,

        Δx = −η (I + η² D Dᵀ)⁻¹ (∇ₓf + η D ∇ᵧf),   Δy = −η (∇ᵧg − Dᵀ Δx).

    The system is solved by linear conjugate gradients, from the last step's solution on.
    [schaefer2019] With ``beta`` each coordinate has its own step, η / (√ŝ + 10⁻⁵), where s averages
    squared gradients: the adaptive form. [schaefer2020]

    The players must meet in a zero-sum game: g = −f, up to terms of one player alone, such as a
    penalty on the discriminator. Of the pairs in ``LOSSES``, ``minimax`` is zero-sum and
    ``non_saturating`` is not. The first step checks that.

    Args:
        x: The first player's parameters.
        y: The second player's.
        lr: The step η.
        beta: How much s keeps of its past, in [0, 1); unless it is given, all steps are η.
        tolerance: The inner solve ends at this relative residual.
        iterations: The most steps of the inner solve; each costs two products with D.

    Raises:
        ValueError: in the first step: the interaction is not zero-sum.

    Example:
        >>> import torch
        >>> x, y = (torch.tensor([v], requires_grad=True) for v in (1.0, 0.0))
        >>> f, g = CompetitiveGradient([x], [y], lr=0.5).step(lambda: (x @ y, -x @ y))
        >>> round(x.item(), 4), round(y.item(), 4)
        (0.8, 0.4)
    """

    def __init__(
        self,
        x: Tensors,
        y: Tensors,
        *,
        lr: float,
        beta: float | None = None,
        tolerance: float = 1e-6,
        iterations: int = 100,
    ) -> None:
        super().__init__(x, y, lr=lr)
        if beta is not None and not 0 <= beta < 1:
            raise ValueError(f"beta must lie in [0, 1), got {beta}")
        self.beta = beta
        self.inner: dict[str, Any] = {"tolerance": tolerance, "iterations": iterations}

    def update(self, losses: Losses) -> Pair:
        f, g = self.evaluate(losses)
        first = self.state["steps"] == 0
        f_x, f_y = (gradient(f, player, create_graph=True) for player in (self.x, self.y))
        g_y = gradient(g, self.y, create_graph=first, retain_graph=True)
        v_x, v_y = f_x.detach(), g_y.detach()

        def d(v: Tensor) -> Tensor:  # D v: from y's space to x's
            return gradient(f_y @ v, self.x, retain_graph=True).detach()

        def d_transposed(v: Tensor) -> Tensor:
            return gradient(f_x @ v, self.y, retain_graph=True).detach()

        if first:
            probe = torch.randn(len(v_y), generator=torch.Generator().manual_seed(0)).to(v_y)
            _check_zero_sum(d(probe), gradient(g_y @ probe, self.x, retain_graph=True))
        # S = diag(steps) is η I, or each coordinate's own. Because ∇ᵧf = −v_y, up to y's own terms,
        # Δx = −S_x^½ (I + B Bᵀ)⁻¹ S_x^½ (v_x − D S_y v_y) with B = S_x^½ D S_y^½.
        root_x, root_y = self._root_steps("square_x", v_x), self._root_steps("square_y", v_y)
        inner = linear_cg(
            lambda v: v + root_x * d(root_y * root_y * d_transposed(root_x * v)),
            root_x * (v_x - d(root_y * root_y * v_y)),
            self.state.get("guess"),
            **self.inner,
        )
        step_x = -root_x * inner.x
        step_y = -root_y * root_y * (v_y - d_transposed(step_x))  # y's best answer to it
        add_(self.x, step_x)
        add_(self.y, step_y)
        self.state["guess"] = inner.x
        return f.detach(), g.detach()

    def _root_steps(self, name: str, v: Tensor) -> Tensor:
        """The square roots of the coordinates' steps."""
        if self.beta is None:
            return torch.full_like(v, math.sqrt(self.lr))
        s = torch.lerp(v * v, self.state.get(name, torch.zeros_like(v)), self.beta)
        self.state[name] = s
        hat = s / (1 - self.beta ** (self.state["steps"] + 1))
        return (self.lr / (hat.sqrt() + 1e-5)).sqrt()


def _check_zero_sum(of_f: Tensor, of_g: Tensor) -> None:
    """Where g = −f, the mixed derivatives of both cancel in any direction."""
    left = (of_f + of_g).norm().item()
    size = max(of_f.norm().item(), of_g.norm().item())
    if left > 1e-3 * size:
        raise ValueError(
            "competitive gradients need a zero-sum interaction, g = −f up to terms of one "
            f"player; here {left / size:.2g} of the mixed derivatives is left in f + g. "
            "The minimax pair is zero-sum, the non-saturating one is not"
        )
