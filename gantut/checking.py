"""What the chapters' checks share: find an optimum to high precision, assert a deviation."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

# Below it a deviation is rounding, and its digits belong to the processor. (nbval compares a
# report's limit and not its digits.)
FLOOR = 1e-9


def report(deviation: float | Tensor, allowed: float, what: str = "largest deviation") -> None:
    """Assert |deviation| ≤ allowed, and print both; a page of the book collects these lines.

    The deviation is printed with one digit, rounded up, and as "below 1e-09" where only rounding
    is left.

    Args:
        deviation: what two computations of the same thing differ by.
        allowed: the most that it may be.
        what: what it is a deviation of.

    Raises:
        AssertionError: the deviation is larger, or NaN.
        ValueError: what is allowed is not a finite number > 0.

    Example:
        >>> report(0.0123, 0.05, "area")
        area: 2e-02 (allowed 0.05)
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


def minimise(loss: Callable[[], Tensor], *parameters: Tensor, steps: int = 500) -> float:
    """Minimise a deterministic loss to the precision of its numbers. [nocedal2006]

    L-BFGS with a strong Wolfe line search. A check uses it to *find* what a statement claims to be
    best, instead of putting it in.

    Args:
        loss: computes a scalar from the parameters, the same each time.
        parameters: tensors that are changed in place; those without a gradient stay as they are.
        steps: the most iterations.

    Returns:
        The smallest value.

    Raises:
        ValueError: no parameter that requires a gradient.
        AssertionError: the loss is NaN or infinite where it ends.

    Example:
        >>> import torch
        >>> x = torch.ones(2, dtype=torch.float64, requires_grad=True)
        >>> minimise(lambda: (x - 3).square().sum(), x) < 1e-20
        True
    """
    parameters = tuple(p for p in parameters if p.requires_grad)
    if not parameters:
        raise ValueError("nothing to minimise over: no parameter requires a gradient")
    optimizer = torch.optim.LBFGS(
        parameters,
        max_iter=steps,
        tolerance_grad=1e-12,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    optimizer.zero_grad()
    found = loss().item()
    assert math.isfinite(found), f"the loss ended at {found}"
    return found
