"""Schedules for β: functions from the step number to a weight. Begin with a small β, and the code is filled before it is charged for."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def _check(steps: int, end: float) -> None:
    if steps < 1:
        raise ValueError(f"a schedule needs at least one step, got {steps}")
    if not (math.isfinite(end) and end >= 0):
        raise ValueError(f"beta must be a finite number ≥ 0, got {end}")


def constant(end: float = 1.0) -> Schedule:
    """β at every step."""
    _check(1, end)
    return lambda step: end


def linear(steps: int, end: float = 1.0) -> Schedule:
    """From 0 to β in a straight line over ``steps`` steps, then constant: β · min(1, step / steps). [bowman2016]"""
    _check(steps, end)
    return lambda step: end * min(1.0, step / steps)


def sigmoid(steps: int, end: float = 1.0) -> Schedule:
    """Along a logistic curve with its middle at ``steps / 2``: β · sigmoid(12 · (step / steps − ½)), from 0.0025 β. [bowman2016]"""
    _check(steps, end)
    return lambda step: end / (1 + math.exp(min(700.0, -12 * (step / steps - 0.5))))


def cyclical(period: int, end: float = 1.0, *, rising: float = 0.5) -> Schedule:
    """Up and down again: in each ``period`` β rises in a straight line during the share ``rising``, then stays at its end. [fu2019]

    Raises:
        ValueError: the share is outside (0, 1].
    """
    _check(period, end)
    if not 0 < rising <= 1:
        raise ValueError(f"rising must lie in (0, 1], got {rising}")
    return lambda step: end * min(1.0, (step % period) / (period * rising))


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": constant,
    "linear": linear,
    "sigmoid": sigmoid,
    "cyclical": cyclical,
}
