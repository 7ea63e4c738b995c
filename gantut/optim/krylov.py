"""Linear conjugate gradients on operators, and Newton's method on top of them. [hestenes1952, steihaug1983]

Neither needs a matrix. A Hessian enters through its product with a vector, which autograd gives at the price of about two gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gantut.optim.vectors import add_, flatten, gradient
from gantut.processes import averaged

Operator = Callable[[Tensor], Tensor]


class Solution(NamedTuple):
    """``x``; the norms of the residual b − Ax before each step and at the end; why it stopped: "converged", "iterations", "curvature",
    "radius".
    """

    x: Tensor
    residuals: list[float]
    stopped: str


def linear_cg(
    operator: Operator,
    b: Tensor,
    x: Tensor | None = None,
    *,
    tolerance: float = 1e-10,
    iterations: int | None = None,
    damping: float = 0.0,
    radius: float = math.inf,
) -> Solution:
    """Solve (A + damping · I) x = b for a symmetric positive definite operator v ↦ Av: at most n steps, up to rounding. [hestenes1952]

    It stops when ‖b − Ax‖ ≤ tolerance · ‖b‖. Where a direction of negative curvature turns up, or the step would leave the ball of
    ``radius``, it ends at the ball's border along that direction (Steihaug's rule), or where it is if there is no ball.

    Raises:
        ValueError: b is not a vector of finite numbers, or the operator returns another shape.
    """
    if b.ndim != 1 or not torch.isfinite(b).all():
        raise ValueError(f"expected a vector b of finite numbers, got shape {tuple(b.shape)}")

    def damped(v: Tensor) -> Tensor:
        result = operator(v)
        if result.shape != v.shape:
            raise ValueError(
                f"the operator maps {tuple(v.shape)} to {tuple(result.shape)}; expected the same shape"
            )
        return result + damping * v if damping else result

    x = torch.zeros_like(b) if x is None else x.clone()
    r = b - damped(x) if x.any() else b.clone()
    d, rr = r.clone(), (r @ r).item()
    residuals, limit = [math.sqrt(rr)], tolerance * b.norm().item()
    for _ in range(len(b) if iterations is None else iterations):
        if residuals[-1] <= limit:
            return Solution(x, residuals, "converged")
        product = damped(d)
        curvature = (d @ product).item()
        if not curvature > 0:
            return Solution(
                x if math.isinf(radius) else _to_border(x, d, radius), residuals, "curvature"
            )
        step = rr / curvature
        ahead = x + step * d
        if ahead.norm().item() >= radius:
            return Solution(_to_border(x, d, radius), residuals, "radius")
        x, r = ahead, r - step * product
        rr, before = (r @ r).item(), rr
        d = r + (rr / before) * d
        residuals.append(math.sqrt(rr))
    return Solution(x, residuals, "converged" if residuals[-1] <= limit else "iterations")


def _to_border(x: Tensor, d: Tensor, radius: float) -> Tensor:
    """x + t·d with t ≥ 0 and norm ``radius``."""
    a, b, c = (d @ d).item(), 2 * (x @ d).item(), (x @ x).item() - radius * radius
    return x + (-b + math.sqrt(max(0.0, b * b - 4 * a * c))) / (2 * a) * d


def hessian_product(loss: Tensor, parameters: Sequence[Tensor]) -> Operator:
    """v ↦ ∇²loss · v, the gradient of ∇loss · v; the loss's graph is kept. [pearlmutter1994]"""
    slope = gradient(loss, parameters, create_graph=True)

    def product(v: Tensor) -> Tensor:
        if not slope.requires_grad:  # a linear loss
            return torch.zeros_like(v)
        return averaged(gradient(slope @ v, parameters, retain_graph=True)).detach()

    return product


class NewtonCG(torch.optim.Optimizer):
    """Newton's method in a trust region: minimise g·s + ½ s·Hs over ‖s‖ ≤ Δ by linear conjugate gradients, and trust what came true.

    ``step`` needs a closure that returns the loss *without* calling backward. The step is kept when the loss fell by at least a
    ten-thousandth of what the quadratic promised; Δ shrinks to a quarter of the step where less than a quarter came true, and doubles
    where more than three quarters did at the border. The inner solve stops at min(½, √‖g‖)·‖g‖, which makes the convergence
    superlinear. [steihaug1983, nocedal2006]

    Raises:
        ValueError: a setting out of range; no closure; a loss or gradient that is not finite, or does not depend on the parameters.
        TypeError: the closure does not return a tensor with one number.
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        radius: float = 1.0,
        max_radius: float = 1e3,
        iterations: int = 50,
    ) -> None:
        if not 0 < radius <= max_radius or iterations < 1:
            raise ValueError(
                f"NewtonCG needs 0 < radius ≤ max_radius and iterations ≥ 1, got {radius}, {max_radius}, {iterations}"
            )
        super().__init__(params, {})
        self.max_radius, self.iterations = max_radius, iterations
        self.parameters = [p for group in self.param_groups for p in group["params"]]
        self.state[self.parameters[0]].update(
            radius=radius, steps=0, rejected=0, products=0, evaluations=0
        )

    @property
    def report(self) -> dict[str, Any]:
        """radius, steps, rejected steps, Hessian products and loss evaluations so far."""
        return self.state[self.parameters[0]]

    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor:  # type: ignore[override]
        if closure is None:
            raise ValueError(
                "NewtonCG needs a closure that returns the loss, without calling backward; got None"
            )
        report = self.report
        loss = self._evaluate(closure)
        if not loss.requires_grad:
            raise ValueError("the loss does not depend on any parameter")
        g = averaged(gradient(loss, self.parameters, retain_graph=True))
        if not (torch.isfinite(loss) and torch.isfinite(g).all()):
            raise ValueError(f"the loss {loss.item()} or its gradient is not finite")
        report["steps"] += 1
        length = g.norm().item()
        if length == 0:
            return loss.detach()
        product = hessian_product(loss, self.parameters)

        def counted(v: Tensor) -> Tensor:
            report["products"] += 1
            return product(v)

        inner = linear_cg(
            counted,
            -g,
            tolerance=min(0.5, math.sqrt(length)),
            iterations=self.iterations,
            radius=report["radius"],
        )
        promised = -(g @ inner.x + 0.5 * inner.x @ counted(inner.x)).item()
        add_(self.parameters, inner.x)
        with torch.no_grad():
            after = self._evaluate(closure)
        fell = (averaged(loss.detach().reshape(1)) - averaged(after.reshape(1))).item()
        came_true = fell / promised if promised > 0 and math.isfinite(fell) else -1.0
        # At the end both are rounding: what is left of the promise is too small for the values to show.
        if promised <= 1e-14 * max(1.0, abs(loss.item())) and abs(fell) <= 1e-12 * max(
            1.0, abs(loss.item())
        ):
            came_true = 1.0
        if came_true < 0.25:
            report["radius"] = 0.25 * inner.x.norm().item()
        elif came_true > 0.75 and inner.stopped in ("radius", "curvature"):
            report["radius"] = min(2 * report["radius"], self.max_radius)
        if came_true < 1e-4:
            add_(self.parameters, inner.x, -1.0)
            report["rejected"] += 1
            return loss.detach()
        return after.detach()

    def _evaluate(self, closure: Callable[[], Tensor]) -> Tensor:
        self.report["evaluations"] += 1
        loss = closure()
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise TypeError(
                f"the closure must return the loss, a tensor with one number; got {type(loss).__name__}"
            )
        return loss


def dense(operator: Operator, n: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """The matrix (n, n) of a small operator, column by column."""
    return torch.stack([operator(column) for column in torch.eye(n, dtype=dtype)], dim=1)


__all__ = ["NewtonCG", "Operator", "Solution", "dense", "flatten", "hessian_product", "linear_cg"]
