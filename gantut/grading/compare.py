"""What the tests of an assignment compare with."""

from __future__ import annotations

import math
import types
from typing import Any


def hold(
    found: Any,
    wanted: Any,
    what: str,
    mistakes: dict[str, Any] | None = None,
    *,
    tolerance: float = 1e-6,
) -> None:
    """Assert that ``found`` has the shape and the values of ``wanted``; else say what was found,
    and which known mistake gives it.

    ``mistakes`` maps a sentence to the value that this mistake would give. Only real tensors and
    numbers are compared: an object that claims to equal everything does not pass. The tolerance is
    relative for values above 1.

    Raises:
        AssertionError: the two differ; the message begins with ``what``.
    """
    import torch

    if found is None or found is ...:
        raise AssertionError(f"{what} is not there yet: your code gives {found}")
    # type() and not isinstance(): a subclass may redefine what equality means.
    if type(found) not in (torch.Tensor, torch.nn.Parameter, bool, int, float):
        raise AssertionError(
            f"{what} is a {type(found).__name__}; a tensor or a number is expected"
        )
    a, b = (torch.as_tensor(v).detach().to(torch.float64) for v in (found, wanted))
    if a.shape != b.shape:
        raise AssertionError(
            f"{what} has the shape {tuple(a.shape)}, and should have {tuple(b.shape)}"
        )
    if _close(a, b, tolerance):
        return
    message = f"{what} is {_text(a)}, and should be {_text(b)}"
    for sentence, value in (mistakes or {}).items():
        v = torch.as_tensor(value).detach().to(torch.float64)
        # Wider than the test itself: 1.96 is the quantile 1.959964, too.
        if v.shape == a.shape and _close(a, v, max(tolerance, 1e-4)):
            message += f": {sentence}"
            break
    raise AssertionError(message)


def alone(function: Any, **parts: Any) -> Any:
    """A student's function that finds ``parts`` where it calls the student's other answers, so that
    a mistake there costs nothing here.
    """
    if not isinstance(function, types.FunctionType):
        return function
    space = {**function.__globals__, **parts}
    copy = types.FunctionType(
        function.__code__, space, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def _close(a: Any, b: Any, tolerance: float) -> bool:
    gap = (a - b).abs() - tolerance * b.abs().clamp(min=1)
    return bool((gap <= 0).all()) or bool(((a == b) | (gap <= 0)).all())


def _text(values: Any) -> str:
    """A few numbers, short."""
    flat = values.flatten().tolist()
    shown = ", ".join("NaN" if math.isnan(v) else f"{v:.4g}" for v in flat[:4])
    if values.ndim == 0:
        return shown
    return f"[{shown}{', …' if len(flat) > 4 else ''}]"
