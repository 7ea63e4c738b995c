"""Optimizers for two players. Each takes both losses at once, because what one player should do depends on what the other is about to do.

One protocol: ``step(losses)``, where ``losses()`` computes and returns both players' losses, each a scalar to be minimised, with their
graphs and without calling backward. Penalties are simply part of a player's loss. The first player is called x (the generator), the
second y (the discriminator); v stacks both players' own gradients, v = (∇ₓ f, ∇ᵧ g). Where several processes work together, every
gradient is averaged over them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from gantut.optim.krylov import linear_cg
from gantut.optim.vectors import add_, flatten, gradient, unflatten
from gantut.processes import averaged

Losses = Callable[[], tuple[Tensor, Tensor]]


def _check_positive(**settings: float) -> None:
    for name, value in settings.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a finite number > 0, got {value}")


class GameOptimizer(ABC):
    """Holds both players' parameters and a state that can be saved; a subclass writes ``update``.

    Raises:
        ValueError: a player without parameters; in ``step``: a loss that is not finite, or that does not depend on its own player.
        TypeError: the losses are not two tensors with one number each.
    """

    def __init__(self, x: Iterable[Tensor], y: Iterable[Tensor]) -> None:
        self.x, self.y = list(x), list(y)
        if not self.x or not self.y:
            raise ValueError(
                f"both players need parameters, got {len(self.x)} and {len(self.y)} tensors"
            )
        self.both = self.x + self.y
        self.sizes = [sum(p.numel() for p in player) for player in (self.x, self.y)]
        self.state: dict[str, Any] = {"steps": 0}

    def step(self, losses: Losses) -> tuple[Tensor, Tensor]:
        """Move both players once; return both losses as they were before (detached, and averaged over all processes)."""
        f, g = averaged(torch.stack(self.update(losses)))
        self.state["steps"] += 1
        return f, g

    @abstractmethod
    def update(self, losses: Losses) -> tuple[Tensor, Tensor]:
        """One step of the method."""

    def evaluate(self, losses: Losses) -> tuple[Tensor, Tensor]:
        """Both losses, checked."""
        with torch.enable_grad():
            found = losses()
        if not (isinstance(found, (tuple, list)) and len(found) == 2):
            raise TypeError(
                f"losses() must return both players' losses, a pair; got {type(found).__name__}"
            )
        for name, loss, player in (("first", found[0], self.x), ("second", found[1], self.y)):
            if not isinstance(loss, Tensor) or loss.numel() != 1:
                raise TypeError(
                    f"the {name} player's loss must be a tensor with one number; got {type(loss).__name__}"
                )
            if not torch.isfinite(averaged(loss)):
                raise ValueError(
                    f"step {self.state['steps']}: the {name} player's loss is {loss.item()}"
                )
            if (
                self.state["steps"] == 0
            ):  # the graph does not change its shape later, and the check costs a gradient
                self._check_dependence(name, loss, player)
        return found[0].reshape(()), found[1].reshape(())

    @staticmethod
    def _check_dependence(name: str, loss: Tensor, player: list[Tensor]) -> None:
        pieces: tuple[Tensor | None, ...] = ()
        if loss.requires_grad:
            pieces = torch.autograd.grad(loss, player, retain_graph=True, allow_unused=True)
        if all(piece is None for piece in pieces):
            raise ValueError(
                f"the {name} player's loss does not depend on the {name} player's parameters"
            )

    def field(
        self, losses: Losses, *, create_graph: bool = False
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """v = (∇ₓ f, ∇ᵧ g) as one row, and the losses (detached)."""
        f, g = self.evaluate(losses)
        v = torch.cat(
            [
                gradient(loss, p, create_graph=create_graph, retain_graph=True)
                for loss, p in ((f, self.x), (g, self.y))
            ]
        )
        return v if create_graph else averaged(v), (f.detach(), g.detach())

    def state_dict(self) -> dict[str, Any]:
        """Tensors and numbers: everything a resumed run needs."""
        return {
            name: value.clone() if isinstance(value, Tensor) else value
            for name, value in self.state.items()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what ``state_dict`` gave."""
        self.state = {
            name: value.clone() if isinstance(value, Tensor) else value
            for name, value in state.items()
        }


class _Wrapped(GameOptimizer):
    """Two PyTorch optimizers, one for each player; their states are saved too."""

    def __init__(self, x: torch.optim.Optimizer, y: torch.optim.Optimizer) -> None:
        self.optimizers = (x, y)
        super().__init__(
            *([p for group in o.param_groups for p in group["params"]] for o in (x, y))
        )

    def assign(self, player: int, slope: Tensor) -> None:
        parameters = (self.x, self.y)[player]
        for parameter, piece in zip(parameters, unflatten(slope, parameters), strict=True):
            parameter.grad = piece.clone()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "optimizers": [o.state_dict() for o in self.optimizers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        rest = dict(state)
        for optimizer, own in zip(self.optimizers, rest.pop("optimizers"), strict=True):
            optimizer.load_state_dict(own)
        super().load_state_dict(rest)


class Simultaneous(_Wrapped):
    """Both players move at once, each by its own optimizer: with SGD, (x, y) ← (x, y) − η v."""

    def update(self, losses: Losses) -> tuple[Tensor, Tensor]:
        v, before = self.field(losses)
        for player, slope in enumerate(v.split(self.sizes)):
            self.assign(player, slope)
        for optimizer in self.optimizers:
            optimizer.step()
        return before


class Alternating(_Wrapped):
    """The second player (the discriminator) moves first, and the first player answers to where it now stands."""

    def update(self, losses: Losses) -> tuple[Tensor, Tensor]:
        before: list[Tensor] = []
        for player, parameters in ((1, self.y), (0, self.x)):
            loss = self.evaluate(losses)[player]
            self.assign(player, averaged(gradient(loss, parameters)))
            self.optimizers[player].step()
            before.insert(0, loss.detach())
        return before[0], before[1]


class _WithStep(GameOptimizer):
    """One step length for both players, and nothing else to choose."""

    def __init__(self, x: Iterable[Tensor], y: Iterable[Tensor], *, lr: float) -> None:
        _check_positive(lr=lr)
        super().__init__(x, y)
        self.lr = lr


class Extragradient(_WithStep):
    """Look ahead one step, and then move from the old place by the gradient of the new one: z ← z − η v(z − η v(z)). [korpelevich1976]"""

    def update(self, losses: Losses) -> tuple[Tensor, Tensor]:
        v, before = self.field(losses)
        origin = [p.detach().clone() for p in self.both]
        add_(self.both, v, -self.lr)
        ahead, _ = self.field(losses)
        with torch.no_grad():
            for parameter, value in zip(self.both, origin, strict=True):
                parameter.copy_(value)
        add_(self.both, ahead, -self.lr)
        return before


class Optimistic(_WithStep):
    """Expect that the gradient will change as it just did: z ← z − 2η v_t + η v_{t−1}; the first step is a plain one. [daskalakis2018]"""

    def update(self, losses: Losses) -> tuple[Tensor, Tensor]:
        v, before = self.field(losses)
        last = self.state.get("last", v)
        add_(self.both, 2 * v - last, -self.lr)
        self.state["last"] = v
        return before


class OptimisticAdam(GameOptimizer):
    """Adam's direction u_t = m̂_t / (√ŝ_t + ε), taken optimistically: z ← z − 2η u_t + η u_{t−1}. [daskalakis2018]"""

    def __init__(
        self,
        x: Iterable[Tensor],
        y: Iterable[Tensor],
        *,
        lr: float,
        betas: tuple[float, float] = (0.5, 0.9),
        eps: float = 1e-8,
    ) -> None:
        _check_positive(lr=lr, eps=eps)
        if not (0 <= betas[0] < 1 and 0 <= betas[1] < 1):
            raise ValueError(f"betas must lie in [0, 1), got {betas}")
        super().__init__(x, y)
        self.lr, self.betas, self.eps = lr, betas, eps

    def update(self, losses: Losses) -> tuple[Tensor, Tensor]:
        v, before = self.field(losses)
        t = self.state["steps"] + 1
        m = torch.lerp(v, self.state.get("mean", torch.zeros_like(v)), self.betas[0])
        s = torch.lerp(v * v, self.state.get("square", torch.zeros_like(v)), self.betas[1])
        u = (m / (1 - self.betas[0] ** t)) / ((s / (1 - self.betas[1] ** t)).sqrt() + self.eps)
        add_(self.both, 2 * u - self.state.get("last", u), -self.lr)
        self.state.update(mean=m, square=s, last=u)
        return before


class Consensus(GameOptimizer):
    """Each player also lowers ½‖v‖², the length of all gradients: z ← z − η (v + γ Jᵀv) with J = ∂v/∂z. [mescheder2017]"""

    def __init__(
        self, x: Iterable[Tensor], y: Iterable[Tensor], *, lr: float, gamma: float
    ) -> None:
        _check_positive(lr=lr, gamma=gamma)
        super().__init__(x, y)
        self.lr, self.gamma = lr, gamma

    def update(self, losses: Losses) -> tuple[Tensor, Tensor]:
        v, before = self.field(losses, create_graph=True)
        mean = averaged(v).detach()
        # Jᵀv as the slope of v·v̄ with v̄ held fixed, which stays right where v̄ is a mean over processes.
        pull = averaged(gradient(v @ mean, self.both))
        add_(self.both, mean + self.gamma * pull, -self.lr)
        return before


class SymplecticGradientAdjustment(GameOptimizer):
    """Turn v by the rotating part of the game: z ← z − η (v + λ Aᵀv) with A = ½(J − Jᵀ). [balduzzi2018]

    With ``align`` the sign of λ is chosen so that the adjustment does not push away from stable fixed points: that of
    (v·∇H)(Aᵀv·∇H) + 0.1 with H = ½‖v‖².
    """

    def __init__(
        self,
        x: Iterable[Tensor],
        y: Iterable[Tensor],
        *,
        lr: float,
        strength: float = 1.0,
        align: bool = True,
    ) -> None:
        _check_positive(lr=lr, strength=strength)
        super().__init__(x, y)
        self.lr, self.strength, self.align = lr, strength, align

    def update(self, losses: Losses) -> tuple[Tensor, Tensor]:
        v, before = self.field(losses, create_graph=True)
        mean = averaged(v).detach()
        transposed = averaged(
            gradient(v @ mean, self.both, create_graph=False, retain_graph=True)
        )  # Jᵀv
        forward = self._jacobian_times(v, mean)  # Jv
        adjustment = 0.5 * (transposed - forward)
        sign = 1.0
        if self.align:
            agreement = (mean @ transposed) * (adjustment @ transposed)
            sign = math.copysign(1.0, agreement.item() / len(mean) + 0.1)
        add_(self.both, mean + sign * self.strength * adjustment, -self.lr)
        return before

    def _jacobian_times(self, v: Tensor, direction: Tensor) -> Tensor:
        """J·direction by differentiating Jᵀu, which is linear in u, once more."""
        u = torch.zeros_like(v, requires_grad=True)
        transposed = gradient(v @ u, self.both, create_graph=True)
        (product,) = torch.autograd.grad(transposed @ direction, u)
        return averaged(product)


class CompetitiveGradient(GameOptimizer):
    """Both players choose their step knowing that the other does the same: the Nash equilibrium of the game's bilinear model.
    [schaefer2019]

    Δx = −η (I + η² D Dᵀ)⁻¹ (∇ₓf + η D ∇ᵧf) and the same for y, with D = ∂²f/∂x∂y, solved by linear conjugate gradients to ``tolerance``
    in at most ``iterations`` steps, starting from the last solution. With ``betas`` each coordinate has its own step, η / (√ŝ + ε),
    where s averages squared gradients: the adaptive form. [schaefer2020]

    The interaction must be zero-sum: g = −f up to terms of one player alone, such as a penalty on the discriminator. The first step
    checks that.

    Raises:
        ValueError: in the first step, an interaction that is not zero-sum.
    """

    def __init__(
        self,
        x: Iterable[Tensor],
        y: Iterable[Tensor],
        *,
        lr: float,
        beta: float | None = None,
        eps: float = 1e-5,
        tolerance: float = 1e-6,
        iterations: int = 100,
    ) -> None:
        _check_positive(lr=lr, eps=eps, tolerance=tolerance, iterations=iterations)
        if beta is not None and not 0 <= beta < 1:
            raise ValueError(f"beta must lie in [0, 1), got {beta}")
        super().__init__(x, y)
        self.lr, self.beta, self.eps, self.tolerance, self.iterations = (
            lr,
            beta,
            eps,
            tolerance,
            iterations,
        )

    def update(self, losses: Losses) -> tuple[Tensor, Tensor]:
        f, g = self.evaluate(losses)
        f_x = gradient(f, self.x, create_graph=True)
        f_y = gradient(f, self.y, create_graph=True)
        v_x, v_y = averaged(f_x).detach(), averaged(gradient(g, self.y, retain_graph=True)).detach()
        if self.state["steps"] == 0:
            self._check_zero_sum(f, g, v_y)

        def times_d(v: Tensor) -> Tensor:  # D v: from y's space to x's
            return averaged(gradient(f_y @ v, self.x, retain_graph=True)).detach()

        def times_d_transposed(v: Tensor) -> Tensor:
            return averaged(gradient(f_x @ v, self.y, retain_graph=True)).detach()

        root_x, root_y = self._root_steps(v_x, v_y)
        # With S = diag(steps): Δx = −S_x^½ (I + B Bᵀ)⁻¹ S_x^½ (v_x − D S_y v_y), B = S_x^½ D S_y^½; v_y = −∇ᵧf. Then Δy follows from Δx.
        side = root_x * (v_x - times_d(root_y * root_y * v_y))

        def operator(v: Tensor) -> Tensor:
            return v + root_x * times_d(root_y * root_y * times_d_transposed(root_x * v))

        inner = linear_cg(
            operator,
            side,
            self.state.get("guess"),
            tolerance=self.tolerance,
            iterations=self.iterations,
        )
        step_x = -root_x * inner.x
        # Given Δx, y's best answer is Δy = −S_y (v_y − Dᵀ Δx).
        step_y = -root_y * root_y * (v_y - times_d_transposed(step_x))
        add_(self.x, step_x)
        add_(self.y, step_y)
        self.state.update(
            guess=inner.x, products=self.state.get("products", 0) + 2 * len(inner.residuals)
        )
        return f.detach(), g.detach()

    def _root_steps(self, v_x: Tensor, v_y: Tensor) -> tuple[Tensor, Tensor]:
        if self.beta is None:
            root = math.sqrt(self.lr)
            return torch.full_like(v_x, root), torch.full_like(v_y, root)
        t, roots = self.state["steps"] + 1, []
        for name, v in (("square_x", v_x), ("square_y", v_y)):
            s = torch.lerp(v * v, self.state.get(name, torch.zeros_like(v)), self.beta)
            self.state[name] = s
            roots.append((self.lr / ((s / (1 - self.beta**t)).sqrt() + self.eps)).sqrt())
        return roots[0], roots[1]

    def _check_zero_sum(self, f: Tensor, g: Tensor, probe: Tensor) -> None:
        probe = torch.randn(
            probe.shape, generator=torch.Generator().manual_seed(0), dtype=probe.dtype
        ).to(probe.device)
        products = []
        for loss in (f, g):
            slope = gradient(loss, self.y, create_graph=True)
            products.append(
                gradient(slope @ probe, self.x, retain_graph=True)
                if slope.requires_grad
                else 0 * flatten(self.x)
            )
        total = (products[0] + products[1]).norm().item()
        size = max(p.norm().item() for p in products)
        if total > 1e-3 * size:
            raise ValueError(
                f"competitive gradients need a zero-sum interaction, g = −f up to terms of one player; here the mixed derivatives "
                f"of f + g have {total / size:.2g} of the size of f's. The minimax pair is zero-sum, the non-saturating one is not"
            )


GAME_OPTIMIZERS: dict[str, Callable[..., GameOptimizer]] = {
    "simultaneous": Simultaneous,
    "alternating": Alternating,
    "extragradient": Extragradient,
    "optimistic": Optimistic,
    "optimistic_adam": OptimisticAdam,
    "consensus": Consensus,
    "symplectic": SymplecticGradientAdjustment,
    "competitive": CompetitiveGradient,
}
