"""How far to go along a direction: line searches on φ(a) = f(x + a·d), from values and slopes.

A step should lower the value by a fair share of what the first slope promised, and it should go on
until the slope has flattened:

    φ(a) ≤ φ(0) + c₁ a φ′(0)        (sufficient decrease, or Armijo's condition)
    |φ′(a)| ≤ c₂ |φ′(0)|            (strong curvature)

Together these are the strong Wolfe conditions [nocedal2006]. Close to a minimum the first drowns
in rounding, because the values no longer differ. The approximate Wolfe conditions then ask only
that the value has not risen and that the slopes fit, (2c₁ − 1) φ′(0) ≥ φ′(a) ≥ c₂ φ′(0)
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


def cubic_minimum(a: Point, b: Point) -> float:
    """The minimum of the cubic through both values and slopes.

    It is the middle where there is no minimum, or where the points coincide.
    """
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
    approximate: bool,
    c1: float,
    c2: float,
    max_evaluations: int,
) -> Point:
    """Look for a step that meets the strong (or the approximate) Wolfe conditions.

    First the step grows, until a minimum is enclosed between a point that is good and one that is
    too far. Then the enclosure shrinks, by cubic interpolation kept away from its ends, and by half
    every third time. A value that is not finite counts as too far.

    Args:
        phi: a ↦ (φ(a), φ′(a)).
        start: The point at a = 0.
        first: The first step to try, above 0.
        approximate: Which of the two pairs of conditions.
        c1: The share of the promised decrease that must come true, 0 < c₁ < c₂.
        c2: The share of the first slope that may be left, c₂ < 1.
        max_evaluations: The most calls of φ.

    Returns:
        The first point that meets the conditions. Where none does, the best one seen, which may be
        the start.

    Raises:
        ValueError: the start's slope is not negative.

    Example:
        >>> found = search(lambda a: ((a - 3) ** 2, 2 * (a - 3)), Point(0.0, 9.0, -6.0), 1.0,
        ...                approximate=False, c1=1e-4, c2=0.1, max_evaluations=25)
        >>> found.step, found.slope
        (3.0, 0.0)
    """
    if not start.slope < 0:
        raise ValueError(f"a line search must go downhill, got the slope {start.slope:g}")
    slack = 1e-12 * abs(start.value)

    def promise(point: Point) -> float:
        return start.value + c1 * point.step * start.slope

    def too_high(point: Point) -> bool:
        bound = start.value + slack if approximate else promise(point)
        return not (math.isfinite(point.slope) and point.value <= bound)

    def flat(point: Point) -> bool:
        if not approximate:
            return abs(point.slope) <= -c2 * start.slope
        upper = (-c2 if point.value <= promise(point) else 2 * c1 - 1) * start.slope
        return c2 * start.slope <= point.slope <= upper

    best, low, high, step = start, start, None, first
    for evaluation in range(1, max_evaluations + 1):
        point = Point(step, *phi(step))
        if not too_high(point) and flat(point):
            return point
        if math.isfinite(point.slope) and point.value < best.value:
            best = point
        # Values decide where they can be told apart; the approximate search trusts the slope's
        # sign.
        risen = not approximate and low is not start and point.value >= low.value
        if too_high(point) or risen:
            high = point
        elif point.slope * ((high.step if high else math.inf) - low.step) >= 0:
            low, high = (low, point) if approximate else (point, low)
        else:
            low = point
        if high is None:
            guess = cubic_minimum(start if low is start else best, point)
            step = min(max(guess, 2 * point.step), 10 * point.step)
            continue
        width = abs(high.step - low.step)
        if width <= 1e-16 * max(1.0, abs(low.step)):
            break
        # A minimum close to an end is looked for there, but not on top of the end.
        left, right, edge = *sorted((low.step, high.step)), 0.01 * (0.1 * width)
        step = min(max(cubic_minimum(low, high), left + edge), right - edge)
        if not math.isfinite(high.value) or evaluation % 3 == 0:
            step = low.step + 0.5 * (high.step - low.step)
    return best
