"""Small functions that several rooms need: stable elementwise functions, and one check."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


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


def expect(holds: bool | Tensor, wanted: str, *found: object) -> None:
    """Raise one clear error where a condition does not hold.

    Args:
        holds: the condition.
        wanted: what was expected, in words.
        found: what came instead. A tensor is named by its shape.

    Raises:
        ValueError: the condition does not hold.

    Example:
        >>> import torch
        >>> x = torch.zeros(2, 3)
        >>> expect(x.ndim == 4, "images (N, C, H, W)", x)
        Traceback (most recent call last):
        ValueError: expected images (N, C, H, W), got (2, 3)
    """
    if not holds:
        shown = [str(tuple(x.shape) if isinstance(x, Tensor) else x) for x in found]
        raise ValueError(f"expected {wanted}, got {' and '.join(shown)}")


def on_cpu(x: Tensor) -> bool:
    """Whether values may be looked at for free; elsewhere a look would wait for the device."""
    return x.device.type == "cpu"
