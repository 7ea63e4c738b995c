"""What the tests of an assignment are written with: ``hold``, ``inside`` and ``alone``."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any

DEEPEST = 12


class Other:
    """What is no plain data: only its kind is known, and no test takes it for a value."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        return f"a {self.kind}"


class Answer(Other):
    """A student's object that stays in the submission's process, as the trusted process has it.

    A call runs there, with plain data in and plain data out.
    """

    def __init__(self, name: str, kind: str, call: Callable[..., Any]) -> None:
        super().__init__(kind)
        self.name, self._call = name, call

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._call(self, arguments, keywords)


def inside(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Run a function of the test where the student's objects are, and give back plain data.

    When a class is graded, its source goes to the submission's process, and numbers come back. In
    a notebook it is a call. So it uses its arguments and the imports of every test (``math``,
    ``torch``, ``F``, ``nn``, ``data``, ``networks``, ``alone``), and nothing around it.

    Raises:
        TypeError: it is a lambda, or it uses a variable of the test around it.
    """
    if getattr(function, "__closure__", None) or getattr(function, "__name__", "") == "<lambda>":
        raise TypeError("what runs inside is a named function that gets all it needs as arguments")
    for value in (*arguments, *keywords.values()):
        if isinstance(value, Answer):
            return value._call(function, arguments, keywords)
    return plain(function(*arguments, **keywords))


def plain(value: Any, depth: int = 0) -> Any:
    """A copy that is data alone: numbers, texts, tensors, lists and dictionaries of them.

    Subclasses become what they stand for, NumPy's numbers and arrays too; all else is ``Other``.
    A generator of random numbers stays what it is, and travels as its state.
    """
    import numpy as np
    import torch

    kind = type(value)
    if value is None or value is ... or kind in (bool, Other, Answer, torch.Generator):
        return value
    if isinstance(value, int) and abs(int.__int__(value)) >= 1 << 64:
        return Other("very long int")
    for base in (int, float, str):
        if isinstance(value, base):
            return (
                base.__str__(value) if base is str else getattr(base, f"__{base.__name__}__")(value)
            )
    if isinstance(value, torch.Tensor):
        with torch.no_grad():
            return value.detach().as_subclass(torch.Tensor).cpu().to_dense().clone()
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biuf":
        return plain(value.item() if value.ndim == 0 else torch.from_numpy(np.array(value)))
    if depth < DEEPEST and isinstance(value, (list, tuple)):
        return [plain(v, depth + 1) for v in value]
    if depth < DEEPEST and isinstance(value, dict):
        return {str(k)[:200]: plain(v, depth + 1) for k, v in value.items()}
    return Other(str(kind.__name__)[:60])


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

    ``mistakes`` maps a sentence to the value that this mistake would give. The tolerance is
    relative for values above 1, and never finer than what the number format of ``found`` can hold,
    up to 1e-3.

    Raises:
        AssertionError: the two differ; the message begins with ``what``.
    """
    import torch

    if found is None or found is ...:
        raise AssertionError(f"{what} is not there yet: your code gives {found}")
    found = plain(found)
    if isinstance(found, list) and found and all(type(v) in (bool, int, float) for v in found):
        found = torch.tensor(found, dtype=torch.float64)
    if type(found) not in (torch.Tensor, bool, int, float):
        kind = found.kind if isinstance(found, Other) else type(found).__name__
        raise AssertionError(f"{what} is a {kind}; a tensor or a number is expected")
    if torch.is_tensor(found) and found.is_floating_point():
        # No coarser than this, or zeros of eight or sixteen bits would pass for small numbers.
        tolerance = max(tolerance, min(32 * torch.finfo(found.dtype).eps, 1e-3))
    a, b = (_double(v) for v in (found, wanted))
    if a.shape != b.shape:
        hint = " (is there a mean or a sum inside?)" * (a.ndim == 0 < b.ndim)
        raise AssertionError(
            f"{what} has the shape {tuple(a.shape)}, and should have {tuple(b.shape)}{hint}"
        )
    wrong = ~_close(a, b, tolerance)
    if not wrong.any():
        return
    message = f"{what} is {_differ(a, b, wrong)}"
    for sentence, value in (mistakes or {}).items():
        v = _double(value)
        # Wider than the test itself: 1.96 is the quantile 1.959964, too.
        if v.shape == a.shape and bool(_close(a, v, max(tolerance, 1e-4)).all()):
            message += f": {sentence}"
            break
    raise AssertionError(message)


def alone(function: Any, **parts: Any) -> Any:
    """A student's function that finds ``parts`` where it calls the student's other answers, so that
    a mistake there costs nothing here: not in helpers that stand between the two, either.
    """
    if not isinstance(function, types.FunctionType):
        return function
    theirs, space = function.__globals__, {**function.__globals__, **parts}
    for name, value in theirs.items():
        mine = isinstance(value, types.FunctionType) and value.__globals__ is theirs
        if name not in parts and (mine or value is function):
            space[name] = _moved(value, space)
    return _moved(function, space)


def _moved(function: types.FunctionType, space: dict[str, Any]) -> types.FunctionType:
    copy = types.FunctionType(
        function.__code__, space, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def _double(value: Any) -> Any:
    import torch

    value = value.detach() if torch.is_tensor(value) else value
    return torch.as_tensor(value, dtype=torch.float64)


def _close(a: Any, b: Any, tolerance: float) -> Any:
    """Where the two agree. Infinities do if they are equal, and no NaN does."""
    near = (a - b).abs() <= tolerance * b.abs().clamp(min=1)
    return (a == b) | (near & b.isfinite())


def _differ(a: Any, b: Any, wrong: Any) -> str:
    """Both, short: the first values or the first that differ, with digits to tell them apart."""
    flat, first = wrong.flatten().tolist(), wrong.flatten().tolist().index(True)
    start = 0 if first < 4 else first
    where = f"at position {first} of {len(flat)} " if start else ""
    for digits in (4, 6, 9, 17):
        left, right = (
            _text(v.flatten()[start : start + 4].tolist(), v.ndim, start, len(flat), digits)
            for v in (a, b)
        )
        if left != right:
            break
    return f"{where}{left}, and should be {right}"


def _text(values: list[float], ndim: int, start: int, size: int, digits: int) -> str:
    shown = ", ".join("NaN" if math.isnan(v) else f"{v:.{digits}g}" for v in values)
    if ndim == 0:
        return shown
    return f"[{'…, ' * (start > 0)}{shown}{', …' * (start + len(values) < size)}]"
