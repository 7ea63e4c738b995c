"""Nonlinear conjugate gradients as a PyTorch optimizer. [hestenes1952, nocedal2006, hager2006]

Steepest descent takes the gradient anew at each step and undoes part of the step before. Conjugate gradients keep some of the last
direction, d ← −g + β·d, so that on a quadratic no step spoils an earlier one: n steps solve n dimensions. The rules for β agree there
and differ elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gantut.optim.line_search import Found, Point, search
from gantut.optim.vectors import add_, flatten
from gantut.processes import averaged

Closure = Callable[[], Tensor]


class Products(NamedTuple):
    """The inner products that the rules are made of, with g the new gradient, g₋ the last one, y = g − g₋, d the last direction.

    Products of two gradients are taken in the preconditioner's metric, g·Pg.
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
    # Bounded below by a number that goes to −∞ as the gradient goes to 0, so that β may be negative where that helps.
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
    "hybrid_fr_pr": lambda p: max(
        -_ratio(p.gg, p.g_last), min(_ratio(p.gy, p.g_last), _ratio(p.gg, p.g_last))
    ),
    "hybrid_hs_dy": lambda p: max(0.0, min(_ratio(p.gy, p.dy), _ratio(p.gg, p.dy))),
}
SEARCHES = ("strong_wolfe", "approximate_wolfe", None)


class ConjugateGradient(torch.optim.Optimizer):
    """Nonlinear conjugate gradients: d ← −P·g + β·d, x ← x + a·d, with β by ``rule`` and a by a line search or fixed.

    With ``line_search`` ``step`` needs a closure that clears the gradients, computes the loss, calls ``backward`` and returns the loss;
    it is called once at the start and once per trial, and must be deterministic within a step (the same batch, the same noise).
    ``iterations`` directions are taken per call. With ``line_search=None`` the step is a = 1, and the closure may be left out: the
    gradients in place are used.

    A group's ``lr`` is its part of the diagonal preconditioner P: without a line search the usual learning rate, with one the relative
    scale of the group. ``restart`` forgets the direction every so many steps; ``powell`` does when |g·g₋| ≥ ν g·g, a sign that
    conjugacy is lost; so does a direction that does not descend. ``clip`` bounds β. [hager2006]

    ``report`` says what happened: steps, evaluations, restarts, fallbacks (a search along d failed and was repeated along −P·g),
    stalled (that failed as well; the parameters are back where they were), beta, step, loss.

    Raises:
        ValueError: an unknown rule or search, a setting out of range; in ``step``: no closure for a search, no gradient at all, or a
            loss or gradient that is not finite at the start.
        TypeError: the closure does not return a tensor with one number.
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float = 1.0,
        rule: str = "hager_zhang",
        line_search: str | None = "approximate_wolfe",
        iterations: int = 1,
        restart: int | None = None,
        powell: float | None = None,
        clip: tuple[float, float] = (-math.inf, math.inf),
        c1: float = 1e-4,
        c2: float = 0.1,
        max_evaluations: int = 25,
    ) -> None:
        if rule not in BETA_RULES:
            raise ValueError(f"unknown rule {rule!r}; known: {', '.join(BETA_RULES)}")
        if line_search not in SEARCHES:
            raise ValueError(
                f"unknown line search {line_search!r}; known: strong_wolfe, approximate_wolfe, None"
            )
        if not (math.isfinite(lr) and lr > 0):
            raise ValueError(f"lr must be a finite number > 0, got {lr}")
        if iterations < 1 or max_evaluations < 1 or (restart is not None and restart < 1):
            raise ValueError(
                f"iterations, max_evaluations and restart must be at least 1, got {iterations}, {max_evaluations}, {restart}"
            )
        if not clip[0] <= clip[1] or (powell is not None and not powell > 0):
            raise ValueError(
                f"expected clip (low, high) with low ≤ high and powell > 0, got {clip} and {powell}"
            )
        if not 0 < c1 < c2 < 1:
            raise ValueError(f"a line search needs 0 < c1 < c2 < 1, got {c1} and {c2}")
        super().__init__(params, {"lr": lr})
        self.rule, self.line_search, self.iterations = rule, line_search, iterations
        self.restart_every, self.powell, self.clip = restart, powell, clip
        self.c1, self.c2, self.max_evaluations = c1, c2, max_evaluations
        self.parameters = [p for group in self.param_groups for p in group["params"]]

    @property
    def report(self) -> dict[str, Any]:
        """Counts and the last step's figures; kept in the optimizer's state, and so saved with it."""
        state = self.state[self.parameters[0]]
        if not state:
            state.update(
                steps=0, evaluations=0, restarts=0, fallbacks=0, stalled=False, since_restart=0
            )
            state.update(beta=0.0, step=0.0, loss=math.nan)
        return state

    def restart(self) -> None:
        """Forget the last direction: the next step is one of steepest descent. To be called when the objective has changed."""
        for name in ("direction", "gradient", "slope"):
            self.report.pop(name, None)

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Tensor | None:  # type: ignore[override]
        if closure is None:
            if self.line_search is not None:
                raise ValueError(
                    "a line search needs a closure that computes the loss again; got None"
                )
            self._move(self._gradient(), None, None)
            return None
        loss = self._evaluate(closure)
        gradient = self._gradient()
        for _ in range(self.iterations):
            if not math.isfinite(loss):
                raise ValueError(f"the closure returned the loss {loss}; expected a finite number")
            loss, gradient = self._move(gradient, loss, closure)
            if self.report["stalled"] or not gradient.any():
                break
        return gradient.new_tensor(loss)

    def _move(
        self, gradient: Tensor, loss: float | None, closure: Closure | None
    ) -> tuple[float, Tensor]:
        report = self.report
        if not torch.isfinite(gradient).all():
            bad = int((~torch.isfinite(gradient)).sum())
            raise ValueError(
                f"{bad} of {len(gradient)} gradient values are NaN or infinite; expected finite ones"
            )
        scale = self._scale()
        downhill = -scale * gradient
        direction = self._direction(gradient, scale)
        report["steps"] += 1
        report["stalled"] = False
        value = math.nan if loss is None else loss
        if self.line_search is None or closure is None:
            add_(self.parameters, direction)
            report.update(step=1.0, loss=value, direction=direction, gradient=gradient)
            return value, gradient
        if not gradient.any():
            return value, gradient
        found, after = self._search(
            closure, direction, Point(0.0, value, (gradient @ direction).item())
        )
        if found.point.step == 0 and not torch.equal(direction, downhill):
            report["fallbacks"] += 1
            direction = self._fresh(downhill, count=False)
            found, after = self._search(
                closure, direction, Point(0.0, value, (gradient @ direction).item())
            )
        if found.point.step == 0:
            report["stalled"] = True
            self.restart()
            return value, gradient
        report.update(
            step=found.point.step, loss=found.point.value, direction=direction, gradient=gradient
        )
        report["slope"] = (gradient @ direction).item()
        return found.point.value, after

    def _scale(self) -> Tensor:
        """The preconditioner P: each value's learning rate."""
        return flatten(
            torch.full_like(p, group["lr"]) for group in self.param_groups for p in group["params"]
        )

    def _direction(self, gradient: Tensor, scale: Tensor) -> Tensor:
        report, downhill = self.report, -scale * gradient
        last, before = report.get("direction"), report.get("gradient")
        due = self.restart_every is not None and report["since_restart"] >= self.restart_every
        if last is None or before is None or due:
            return self._fresh(downhill, count=last is not None)
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
        lost = (
            self.powell is not None and abs(products.gg - products.gy) >= self.powell * products.gg
        )
        beta = min(max(BETA_RULES[self.rule](products), self.clip[0]), self.clip[1])
        direction = downhill + beta * last
        report["beta"] = beta
        if lost or not torch.isfinite(direction).all():
            return self._fresh(downhill)
        if self.line_search is not None and not (gradient @ direction).item() < 0:
            return self._fresh(downhill)
        report["since_restart"] += 1
        return direction

    def _fresh(self, downhill: Tensor, *, count: bool = True) -> Tensor:
        self.report["restarts"] += count
        self.report.update(since_restart=1, beta=0.0)
        return downhill

    def _search(self, closure: Closure, direction: Tensor, start: Point) -> tuple[Found, Tensor]:
        """A line search; leaves the parameters at the point found, and returns the gradient there."""
        report, at, seen = self.report, 0.0, {}
        if not start.slope < 0:
            return Found(start, False, 0), direction

        def phi(step: float) -> tuple[float, float]:
            nonlocal at
            add_(self.parameters, direction, step - at)
            at = step
            value = self._evaluate(closure)
            gradient = self._gradient()
            seen[step] = gradient
            return value, (gradient @ direction).item()

        # As far as the last step would have gone down along the new slope; at first a step of length 1 at the most.
        first = min(1.0, 1.0 / direction.abs().sum().item())
        if report.get("slope"):
            first = report["step"] * report["slope"] / start.slope
            first = min(max(first, 1e-3 * report["step"]), 1e3 * report["step"])
        origin = [p.clone() for p in self.parameters]
        found = search(
            phi,
            start,
            first,
            approximate=self.line_search == "approximate_wolfe",
            c1=self.c1,
            c2=self.c2,
            max_evaluations=self.max_evaluations,
        )
        # From the origin once more, so that no rounding of the trials is left in the parameters.
        for parameter, value in zip(self.parameters, origin, strict=True):
            parameter.copy_(value)
        if found.point.step:
            add_(self.parameters, direction, found.point.step)
        return found, seen.get(found.point.step, direction)

    def _evaluate(self, closure: Closure) -> float:
        self.report["evaluations"] += 1
        with torch.enable_grad():
            loss = closure()
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            shape = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
            raise TypeError(
                f"the closure must return the loss, a tensor with one number; got {shape}"
            )
        return averaged(loss.detach().reshape(1)).item()

    def _gradient(self) -> Tensor:
        if all(p.grad is None for p in self.parameters):
            raise ValueError(
                "no parameter has a gradient: the closure must call backward(), and the loss depend on a parameter"
            )
        return averaged(
            flatten(torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters)
        )
