"""How far to go along a direction: line searches on φ(a) = f(x + a·d), from values and slopes.

A step should lower the value by a fair share of what the first slope promised, and it should go on until the slope has flattened:

    φ(a) ≤ φ(0) + c₁ a φ′(0)        (sufficient decrease)
    |φ′(a)| ≤ c₂ |φ′(0)|            (strong curvature)

together the strong Wolfe conditions [nocedal2006]. Close to a minimum the first one drowns in rounding, because the values no longer
differ; the approximate Wolfe conditions ask the slopes alone, (2c₁ − 1) φ′(0) ≥ φ′(a) ≥ c₂ φ′(0), and only that the value has not risen
[hager2005].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple


class Point(NamedTuple):
    """A step length with the value and the slope there."""

    step: float
    value: float
    slope: float


class Found(NamedTuple):
    """``point`` is the best one found, ``accepted`` whether it meets the conditions, ``evaluations`` how often φ was asked."""

    point: Point
    accepted: bool
    evaluations: int


def cubic_minimum(a: Point, b: Point) -> float:
    """The minimum of the cubic through both values and slopes; the middle where there is none, or where the points coincide."""
    middle = 0.5 * (a.step + b.step)
    width = b.step - a.step
    if width == 0 or not all(map(math.isfinite, (*a, *b))):
        return middle
    bend = a.slope + b.slope - 3 * (a.value - b.value) / (a.step - b.step)
    square = bend * bend - a.slope * b.slope
    if square < 0:
        return middle
    root = math.copysign(math.sqrt(square), width)
    below = b.slope - a.slope + 2 * root
    guess = math.nan if below == 0 else b.step - width * (b.slope + root - bend) / below
    return guess if math.isfinite(guess) else middle  # huge values overflow on the way


def search(
    phi: Callable[[float], tuple[float, float]],
    start: Point,
    first: float,
    *,
    approximate: bool = False,
    c1: float = 1e-4,
    c2: float = 0.1,
    max_evaluations: int = 25,
) -> Found:
    """Look for a step that meets the strong (or the approximate) Wolfe conditions, beginning with ``first``.

    First the step grows until a minimum is enclosed between a point that is good and one that is too far; then the enclosure shrinks,
    by cubic interpolation kept away from its ends, and by at least a third every second time. A value that is not finite counts as too
    far. After ``max_evaluations`` the best point seen is returned, which may be the start.

    Raises:
        ValueError: the start's slope is not negative, or not 0 < c₁ < c₂ < 1.
    """
    if not start.slope < 0:
        raise ValueError(
            f"a line search needs a direction of descent, got the slope {start.slope:g}"
        )
    if not 0 < c1 < c2 < 1:
        raise ValueError(f"a line search needs 0 < c1 < c2 < 1, got {c1} and {c2}")
    slack = 1e-12 * abs(start.value)

    def too_high(point: Point) -> bool:
        bound = start.value + (slack if approximate else c1 * point.step * start.slope)
        return not (math.isfinite(point.slope) and point.value <= bound)

    def flat(point: Point) -> bool:
        if not approximate:
            return abs(point.slope) <= -c2 * start.slope
        decrease = point.value <= start.value + c1 * point.step * start.slope
        upper = -c2 * start.slope if decrease else (2 * c1 - 1) * start.slope
        return c2 * start.slope <= point.slope <= upper

    best, low, high, step = start, start, None, first
    for evaluation in range(1, max_evaluations + 1):
        point = Point(step, *phi(step))
        if not too_high(point) and flat(point):
            return Found(point, True, evaluation)
        if math.isfinite(point.slope) and point.value < best.value:
            best = point
        # Values decide where they can be told apart; the approximate search trusts the slope's sign.
        rising = too_high(point) or (
            not approximate and point.value >= low.value and low is not start
        )
        if rising:
            high = point
        elif point.slope * ((high.step if high else math.inf) - low.step) >= 0:
            low, high = (low, point) if approximate else (point, low)
        else:
            low = point
        if high is None:
            guess = cubic_minimum(start if low is start else best, point)
            step = min(max(guess, 2 * point.step), 10 * point.step)
            continue
        width = high.step - low.step
        if abs(width) <= 1e-16 * max(1.0, abs(low.step)):
            break
        guess = cubic_minimum(low, high)
        margin = 0.1 * abs(width)
        inside = min(low.step, high.step) + margin <= guess <= max(low.step, high.step) - margin
        bisect = not math.isfinite(high.value) or evaluation % 3 == 0
        step = (
            low.step + 0.5 * width
            if bisect
            else guess
            if inside
            else _clip(guess, low, high, margin)
        )
    return Found(best, False, evaluation)


def _clip(guess: float, low: Point, high: Point, margin: float) -> float:
    left, right = sorted((low.step, high.step))
    # Far closer to one end than a tenth: the minimum is near that end, so look there, but not on top of it.
    nearer = 0.01 * margin
    return min(max(guess, left + nearer), right - nearer)
