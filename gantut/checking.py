"""What the chapters' checks share: find an optimum to high precision, assert a deviation."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

# Below it a deviation is rounding, and its digits belong to the processor. (nbval compares a
# report's limit and not its digits.)
FLOOR = 1e-9
TEETH = 10  # so many times of what is allowed a false statement has to be off


def report(
    deviation: float | Tensor,
    allowed: float,
    what: str = "largest deviation",
    *,
    otherwise: Mapping[str, float | Tensor] | None = None,
) -> None:
    """Assert |deviation| ≤ allowed, show what false statements would have given, and print a line.

    A check that nothing can fail proves nothing. So beside the statement it computes the nearest
    false ones (a sign, a factor of 2, p and q swapped) on the same instances and in the same way,
    and each of them has to be off by at least ten times of what is allowed. Of several, the line
    names the one that comes closest.

    The deviation is printed with one digit, rounded up, and as "below 1e-09" where only rounding
    is left; what the false statement gives, with one digit, rounded down.

    Args:
        deviation: what two computations of the same thing differ by.
        allowed: the most that it may be.
        what: what agrees, in words that a reader of the line alone understands.
        otherwise: deviations of the nearest false statements, by their change in words, such as
            ``"with KL turned round"``. Where instances differ, the smallest of each. They are not
            negative: of an inequality, give by how much the false one is broken, or 0.

    Raises:
        AssertionError: the deviation is larger, or NaN; or a false statement would come closer
            than ten times of what is allowed.
        ValueError: what is allowed is not a finite number > 0; there is no false statement in
            ``otherwise``, or one with a negative deviation, which says that it holds with room.

    Example:
        >>> report(0.0123, 0.05, "the areas agree", otherwise={"without the ½": 1.27})
        ✓ the areas agree: 2e-02 (allowed 0.05); without the ½ they would be off by 1e+00
    """
    if not (math.isfinite(allowed) and allowed > 0):
        raise ValueError(f"allowed must be a finite number > 0, got {allowed}")
    size = abs(_number(deviation))
    assert size <= allowed, f"{what}: {size:.3g}, allowed {allowed:g}"
    line = f"{what}: {_one_digit(size)} (allowed {allowed:g})"
    if otherwise is None:
        print(line)
        return
    if not otherwise:
        raise ValueError("otherwise names no false statement; expected one or more")
    sizes = {change: _number(value) for change, value in otherwise.items()}
    for change, value in sizes.items():
        if value < 0:
            raise ValueError(
                f"{what}: {change} the deviation is {value:.3g}; expected a number ≥ 0, the size of"
                " a difference or by how much a false inequality is broken"
            )
        assert value >= TEETH * allowed, (
            f"{what}: {change} it would be off by {value:.3g}, within {TEETH} times of the allowed "
            f"{allowed:g}, so that this check could not tell"
        )
    nearest = min(sizes, key=lambda change: sizes[change])
    off = sizes[nearest]
    shown = _one_digit(off, math.floor) if math.isfinite(off) else "infinitely much"
    print(f"✓ {line}; {nearest} they would be off by {shown}")


def _number(deviation: float | Tensor) -> float:
    return deviation.detach().item() if isinstance(deviation, Tensor) else deviation


def _one_digit(size: float, rounding: Callable[[float], int] = math.ceil) -> str:
    if size < FLOOR and rounding is math.ceil:
        return f"below {FLOOR:.0e}"
    power = 10.0 ** math.floor(math.log10(size))
    slack = -1e-6 if rounding is math.ceil else 1e-6
    return f"{rounding(size / power + slack) * power:.0e}"


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
