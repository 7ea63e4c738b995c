"""Nonlinear conjugate gradients, as a PyTorch optimizer. [hestenes1952, nocedal2006, hager2006]

Steepest descent takes the gradient anew at each step and undoes part of the step before. Conjugate
gradients keep some of the last direction, d ← −g + β·d, so that on a quadratic no step spoils an
earlier one, and n steps solve n dimensions. On a quadratic all rules for β give the same number;
elsewhere they differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gantut.numerics import at_least, check_positive, chosen
from gantut.optim.flattening import Closure, VectorOptimizer, add_, copy_, flatten
from gantut.optim.line_search import Point, search


class Products(NamedTuple):
    """The inner products that the rules are made of.

    g is the new gradient, g₋ the last one, y = g − g₋ and d the last direction. Products of two
    gradients are taken in the preconditioner's metric, g·Pg.
    """

    gg: float
    gy: float
    yy: float
    g_last: float  # g₋·g₋
    dy: float
    dg: float
    dd: float


def _ratio(a: float, b: float) -> float:
    """a / b, and 0 (a restart) where b is 0."""
    return a / b if b else 0.0


def _hager_zhang(p: Products) -> float:
    beta = _ratio(p.gy - 2 * p.yy * _ratio(p.dg, p.dy), p.dy)
    # β may be negative where that helps, but not below a bound that goes to −∞ as the gradient
    # goes to 0.
    floor = -1 / max(math.sqrt(p.dd) * min(0.01, math.sqrt(p.g_last)), 1e-300)
    return max(beta, floor)


BETA_RULES: dict[str, Callable[[Products], float]] = {
    "steepest_descent": lambda p: 0.0,
    "fletcher_reeves": lambda p: _ratio(p.gg, p.g_last),
    "polak_ribiere": lambda p: _ratio(p.gy, p.g_last),
    "polak_ribiere_plus": lambda p: max(0.0, _ratio(p.gy, p.g_last)),
    "hestenes_stiefel": lambda p: _ratio(p.gy, p.dy),
    "hestenes_stiefel_plus": lambda p: max(0.0, _ratio(p.gy, p.dy)),
    "dai_yuan": lambda p: _ratio(p.gg, p.dy),
    "hager_zhang": _hager_zhang,
}
SEARCHES = ("strong_wolfe", "approximate_wolfe")


class ConjugateGradient(VectorOptimizer):
    """Nonlinear conjugate gradients, for losses that hold still.

        d ← −P g + β d,   x ← x + a d,

    with β by a rule and the step a by a line search. A direction that does not lead downhill is
    replaced by −P g, which is called a restart. If a search finds no lower point along d, it is
    repeated along −P g; if that fails too, the parameters go back to where they were.

    ``report`` counts ``evaluations`` of the loss, ``restarts``, and ``fallbacks`` (searches that
    had to be repeated). It also holds what the last step was made of: ``beta``, ``direction``,
    ``gradient``, the length ``step`` and the first ``slope`` of a search, and whether it
    ``stalled``.

    Args:
        params: The parameters, or groups of them, as for every PyTorch optimizer.
        lr: A group's part of the diagonal preconditioner P. Without a line search it is the usual
            learning rate, with one the scale of the group beside the others'.
        rule: What β is, a name of ``BETA_RULES``. Hager and Zhang's is the most robust.
            [hager2006]
        line_search: How a is found, "approximate_wolfe" or "strong_wolfe" (see ``line_search.py``;
            the first goes on where the values drown in rounding). None takes a = 1, for games,
            where the other player makes a search obsolete.
        iterations: How many directions one call of ``step`` takes; each further one saves an
            evaluation, for it starts where the search before it ended.
        powell: Restart when |g·g₋| ≥ powell · g·g, a sign that conjugacy is lost. Powell proposed
            0.2; unless it is given nothing is tested. [nocedal2006]
        clip: Bounds (low, high) for β. Without a line search β may explode.
        c1: The share of the promised decrease that a step must keep.
        c2: The share of the slope that may be left at its end. Small values make the search exact.
        max_evaluations: The most evaluations for one search.

    Raises:
        ValueError: an unknown rule or search, or a setting out of range; in ``step``: no closure
            for a search, no gradient at all, or a loss or gradient that is not finite.
        TypeError: in ``step``: the closure does not return a tensor with one number.

    Example:
        >>> import torch
        >>> x = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
        >>> optimizer = ConjugateGradient([x])
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
        ...     loss.backward()
        ...     return loss
        >>> for _ in range(40):
        ...     loss = optimizer.step(closure)
        >>> [round(v, 6) for v in x.tolist()]
        [1.0, 1.0]
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float = 1.0,
        rule: str = "hager_zhang",
        line_search: str | None = "approximate_wolfe",
        iterations: int = 1,
        powell: float | None = None,
        clip: tuple[float, float] = (-math.inf, math.inf),
        c1: float = 1e-4,
        c2: float = 0.1,
        max_evaluations: int = 25,
    ) -> None:
        check_positive(lr=lr)
        at_least(1, iterations=iterations, max_evaluations=max_evaluations)
        if line_search is not None:
            chosen("line_search", line_search, SEARCHES)
        if not 0 < c1 < c2 < 1:
            raise ValueError(f"expected 0 < c1 < c2 < 1, got {(c1, c2)}")
        super().__init__(params, {"lr": lr}, restarts=0, fallbacks=0, stalled=False, beta=0.0)
        self.rule, self.line_search = chosen("rule", rule, BETA_RULES), line_search
        self.iterations, self.powell, self.clip = iterations, powell, clip
        self.conditions: dict[str, Any] = {"c1": c1, "c2": c2, "max_evaluations": max_evaluations}

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Tensor | None:  # type: ignore[override]
        """Take ``iterations`` steps; with ``line_search=None`` a single one.

        Args:
            closure: Clears the gradients, computes the loss, calls ``backward`` and returns the
                loss. A search calls it at the start and at each trial, so it must be deterministic
                within a step: the same batch, the same noise. Without a search it may be left out,
                and the gradients in place are used.

        Returns:
            The loss where the parameters are now; without a search, where they were before.
        """
        report, report["stalled"] = self.report, False
        if self.line_search is None:
            before = None if closure is None else self._look(closure)[0]
            gradient = self._gradient()
            direction = self._direction(gradient)
            add_(self.parameters, direction)
            report.update(direction=direction, gradient=gradient)
            return None if before is None else gradient.new_tensor(before)
        if closure is None:
            raise ValueError("a line search needs a closure that computes the loss; got None")
        loss, gradient = self._look(closure)
        for _ in range(self.iterations):
            if not math.isfinite(loss):
                raise ValueError(f"the closure returned the loss {loss}; expected a finite number")
            direction = self._direction(gradient)
            if not gradient.any():
                break
            found, after = self._search(closure, direction, gradient, loss)
            if found.step == 0 and report["beta"]:
                report["fallbacks"] += 1
                direction, report["beta"] = -self._scale() * gradient, 0.0
                found, after = self._search(closure, direction, gradient, loss)
            if found.step == 0:
                report["stalled"] = True
                for name in ("direction", "gradient", "slope"):
                    report.pop(name, None)
                break
            report.update(direction=direction, gradient=gradient, step=found.step)
            report["slope"] = (gradient @ direction).item()
            loss, gradient = found.value, after
        return gradient.new_tensor(loss)

    def _scale(self) -> Tensor:
        """The preconditioner P: each value's learning rate."""
        return flatten(
            torch.full_like(p, group["lr"]) for group in self.param_groups for p in group["params"]
        )

    def _direction(self, gradient: Tensor) -> Tensor:
        """−P·g + β·d; at first, and at a restart, −P·g alone."""
        if not torch.isfinite(gradient).all():
            bad = int((~torch.isfinite(gradient)).sum())
            raise ValueError(f"{bad} of {len(gradient)} gradient values are NaN or infinite")
        report, scale = self.report, self._scale()
        downhill, report["beta"] = -scale * gradient, 0.0
        if "direction" not in report:
            return downhill
        last, before = report["direction"], report["gradient"]
        change = gradient - before
        products = Products(
            gg=(gradient @ (scale * gradient)).item(),
            gy=(gradient @ (scale * change)).item(),
            yy=(change @ (scale * change)).item(),
            g_last=(before @ (scale * before)).item(),
            dy=(last @ change).item(),
            dg=(last @ gradient).item(),
            dd=(last @ last).item(),
        )
        overlap = abs(products.gg - products.gy)  # |g·g₋|
        lost = self.powell is not None and overlap >= self.powell * products.gg
        beta = min(max(self.rule(products), self.clip[0]), self.clip[1])
        direction = downhill + beta * last
        uphill = self.line_search is not None and not (gradient @ direction).item() < 0
        if lost or uphill or not torch.isfinite(direction).all():
            report["restarts"] += 1
            return downhill
        report["beta"] = beta
        return direction

    def _search(
        self, closure: Closure, direction: Tensor, gradient: Tensor, loss: float
    ) -> tuple[Point, Tensor]:
        """Move to the point that a line search finds; return it, and the gradient there."""
        report, origin, at = self.report, flatten(self.parameters), 0.0
        seen = {0.0: gradient}
        start = Point(0.0, loss, (gradient @ direction).item())
        if not start.slope < 0:
            return start, gradient

        def phi(step: float) -> tuple[float, float]:
            nonlocal at
            add_(self.parameters, direction, step - at)
            at = step
            value, seen[step] = self._look(closure)
            return value, (seen[step] @ direction).item()

        # As far as the last step would have gone down along the new slope; at first a step of
        # length 1 at the most.
        first = min(1.0, 1.0 / direction.abs().sum().item())
        if report.get("slope"):
            first = report["step"] * report["slope"] / start.slope
            first = min(max(first, 1e-3 * report["step"]), 1e3 * report["step"])
        approximate = self.line_search == "approximate_wolfe"
        found = search(phi, start, first, approximate=approximate, **self.conditions)
        # From the origin once more, so that no rounding of the trials is left in the parameters.
        copy_(self.parameters, origin)
        if found.step:
            add_(self.parameters, direction, found.step)
        return found, seen[found.step]

    def _look(self, closure: Closure) -> tuple[float, Tensor]:
        """The loss and the gradient where the parameters are."""
        with torch.enable_grad():
            loss = self.evaluate(closure)
        return loss.item(), self._gradient()

    def _gradient(self) -> Tensor:
        if all(p.grad is None for p in self.parameters):
            raise ValueError("no parameter has a gradient: the closure must call backward()")
        return flatten(torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters)
