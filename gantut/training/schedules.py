"""Schedules for β: functions from the step number to a weight, for ``VAETrainer(beta=…)``."""

from collections.abc import Callable

from gantut.numerics import check_weight

Schedule = Callable[[int], float]


def warmup(steps: int, beta: float = 1.0) -> Schedule:
    """From 0 to β in a straight line, then constant: β · min(1, step / steps).

    While β is small the code is filled before it is charged for, which helps against posterior
    collapse.

    Args:
        steps: how many steps the way up takes.
        beta: β at the end.

    Returns:
        The schedule, a function of the number of steps taken so far.

    Raises:
        ValueError: fewer than 1 step, or β is negative or not finite.

    Example:
        >>> beta = warmup(1000)
        >>> beta(0), beta(500), beta(5000)
        (0.0, 0.5, 1.0)

    Source: [bowman2016].
    """
    if steps < 1:
        raise ValueError(f"a warm-up needs at least one step, got {steps}")
    check_weight("beta", beta)
    return lambda step: beta * min(1.0, step / steps)
