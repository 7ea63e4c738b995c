"""Small functions that several rooms need: stable elementwise functions, and checks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, overload

import torch
import torch.nn.functional as F
from torch import Tensor

Value = TypeVar("Value")
INTEGERS = (torch.uint8, torch.uint16, torch.int8, torch.int16, torch.int32, torch.int64)


def softplus(v: Tensor) -> Tensor:
    """log(1 + eᵛ), elementwise, in full precision.

    −log sigmoid(v) is softplus(−v), and −log(1 − sigmoid(v)) is softplus(v). Both stay exact where
    the sigmoid itself has long been rounded to 0 or 1. PyTorch's own softplus returns v itself
    above 20, which is off by 2·10⁻⁹ in float64.

    Args:
        v: any shape.

    Returns:
        The shape and type of v.

    Example:
        >>> import torch
        >>> [f"{x:.3g}" for x in softplus(torch.tensor([0.0, -50.0, 200.0])).tolist()]
        ['0.693', '1.93e-22', '200']
    """
    return -F.logsigmoid(-v)


def exponential(v: Tensor) -> Tensor:
    """eᵛ, elementwise, continued by its tangent where it would soon overflow.

    The tangent begins 6 below the logarithm of the largest number: at 5.1 in float16, 82.7 in
    float32 and bfloat16, 703.8 in float64. Up to a logit of 100 value and slope then stay finite,
    and the slope keeps its sign.

    Args:
        v: any shape, of a floating-point type.

    Returns:
        The shape and type of v.

    Example:
        >>> import torch
        >>> [f"{x:.3g}" for x in exponential(torch.tensor([0.0, 1.0, 100.0])).tolist()]
        ['1', '2.72', '1.54e+37']
    """
    edge = math.log(torch.finfo(v.dtype).max) - 6
    return v.clamp(max=edge).exp() * (1 + (v - edge).clamp(min=0))


def log_mean_exp(log_w: Tensor) -> Tensor:
    """log 1/K Σ_k exp(log w_k) over the first dimension, without overflow. [burda2016]

    Args:
        log_w: logarithms of K numbers, (K, …).

    Returns:
        The logarithm of their mean, (…).

    Example:
        >>> import torch
        >>> round(log_mean_exp(torch.tensor([1000.0, 1000.0])).item(), 3)
        1000.0
    """
    return log_w.logsumexp(0) - math.log(len(log_w))


def full(x: Tensor) -> Tensor:
    """Float32 where autocast computed in a shorter type, so that densities and losses are exact.

    Args:
        x: any shape and floating-point type.

    Returns:
        x itself in float32 or float64, and otherwise x in float32.

    Example:
        >>> import torch
        >>> full(torch.zeros(2, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def check_weight(name: str, value: float) -> float:
    """Return a coefficient, which may be 0, once it has been checked.

    Args:
        name: what the coefficient is called; the message says it.
        value: the coefficient.

    Returns:
        The value.

    Raises:
        ValueError: it is negative or not finite.

    Example:
        >>> check_weight("gamma", 0.1)
        0.1
        >>> check_weight("gamma", -1)
        Traceback (most recent call last):
        ValueError: gamma must be a finite number ≥ 0, got -1
    """
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be a finite number ≥ 0, got {value}")
    return value


def on_cpu(x: Tensor) -> bool:
    """Whether values may be looked at for free; elsewhere a look would wait for the device."""
    return x.device.type == "cpu"


@overload
def chosen(what: str, name: str, table: Mapping[str, Value]) -> Value: ...
@overload
def chosen(what: str, name: str, table: Sequence[str]) -> str: ...
def chosen(what: str, name: str, table: Any) -> Any:
    """What a table has under a name, or the name itself where the table is a list of names.

    Args:
        what: what is chosen; the message says it.
        name: the choice.
        table: values by name, or names.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.

    Example:
        >>> chosen("activation", "tanh", {"relu": 1, "tanh": 2})
        2
        >>> chosen("split", "tset", ("train", "test"))
        Traceback (most recent call last):
        ValueError: unknown split 'tset'; known: train, test
    """
    if name not in table:
        raise ValueError(f"unknown {what} {name!r}; known: {', '.join(table)}")
    return table[name] if isinstance(table, Mapping) else name


def at_least(least: float, **values: float) -> None:
    """Make sure that numbers are not below ``least``.

    Args:
        least: the smallest number allowed.
        values: numbers by the name that the message calls them.

    Raises:
        ValueError: one is smaller, or NaN; the message names it.

    Example:
        >>> at_least(1, n=4, width=0)
        Traceback (most recent call last):
        ValueError: width must be at least 1, got 0
    """
    for name, value in values.items():
        if not value >= least:
            raise ValueError(f"{name} must be at least {least}, got {value}")


def check_shape(x: Tensor, shape: Sequence[int], what: str) -> None:
    """Make sure that a batch has the shape (N, *shape).

    Args:
        x: the batch.
        shape: the shape of one example.
        what: what the examples are called in the message, like ``"images"``.

    Raises:
        ValueError: another shape; the message names both.

    Example:
        >>> import torch
        >>> check_shape(torch.zeros(2, 3), (4,), "codes z")
        Traceback (most recent call last):
        ValueError: expected codes z of shape (N, 4), got (2, 3)
    """
    if x.ndim != len(shape) + 1 or tuple(x.shape[1:]) != tuple(shape):
        expected = ", ".join(["N", *map(str, shape)])
        raise ValueError(f"expected {what} of shape ({expected}), got {tuple(x.shape)}")


def check_numbers(x: Tensor, count: int, what: str) -> Tensor:
    """Return whole numbers from 0 to count − 1, such as labels, as int64.

    The values are compared with the range on the CPU only. On a GPU that would make the program
    wait at every pass, and a graph that is compiled or exported cannot look at values either.

    Args:
        x: integers of any width and shape.
        count: how many values there are.
        what: what they are called in the message, like ``"labels"``.

    Raises:
        ValueError: a number out of range.
        TypeError: not a tensor of integers.

    Example:
        >>> import torch
        >>> check_numbers(torch.tensor([0, 3]), 3, "labels")
        Traceback (most recent call last):
        ValueError: labels must lie in 0 … 2, got 0 … 3
    """
    kind = getattr(x, "dtype", type(x).__name__)
    if kind not in INTEGERS:
        raise TypeError(f"{what} must be integers, in a tensor, got {kind}")
    x = x.long()
    if not torch.compiler.is_compiling() and on_cpu(x) and x.numel():
        low, high = (int(end) for end in x.aminmax())
        if low < 0 or high >= count:
            raise ValueError(f"{what} must lie in 0 … {count - 1}, got {low} … {high}")
    return x
