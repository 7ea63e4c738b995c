"""How a chapter reports a check: assert a deviation and print it, in digits that another processor prints too."""

from __future__ import annotations

import math

from torch import Tensor

FLOOR = 1e-9  # below it a deviation is rounding, and its digits belong to the processor


def report(deviation: float | Tensor, allowed: float, what: str = "largest deviation") -> None:
    """Assert |deviation| ≤ allowed, and print both; the book's page of checked statements collects these lines.

    A deviation is printed with one digit, rounded up, and as "below 1e-09" where only rounding is left.

    Raises:
        AssertionError: the deviation is larger, or NaN.
        ValueError: what is allowed is not a positive number.
    """
    if not (math.isfinite(allowed) and allowed > 0):
        raise ValueError(f"allowed must be a finite number > 0, got {allowed}")
    size = abs(deviation.detach().item() if isinstance(deviation, Tensor) else deviation)
    assert size <= allowed, f"{what}: {size:.3g}, allowed {allowed:g}"
    print(f"{what}: {_one_digit(size)} (allowed {allowed:g})")


def _one_digit(size: float) -> str:
    if size < FLOOR:
        return f"below {FLOOR:.0e}"
    power = 10.0 ** math.floor(math.log10(size))
    return f"{math.ceil(size / power - 1e-6) * power:.0e}"
