"""Penalties on the discriminator's slope: ``penalty(D, real, fake) -> (N,)``, to be added to its loss.

Each is made by a factory that holds the coefficient, so that a penalty is one thing to pass around. All of them differentiate D with
respect to its *input*, one example at a time: the norm runs over the pixels of an example, never over the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

Discriminator = Callable[[Tensor], Tensor]


class Penalty(Protocol):
    """``penalty(D, real, fake, generator=None) -> (N,)``; ``generator`` is the source of randomness where one is used."""

    def __call__(
        self, D: Discriminator, real: Tensor, fake: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor: ...


def input_gradient(D: Discriminator, x: Tensor) -> Tensor:
    """∇ₓD(x) for each example, flattened to (N, d), and differentiable itself.

    The logits are summed before the backward pass: example i's logit depends on example i alone, so the gradient of the sum holds the
    gradient of each. (BatchNorm in D breaks that premise.)
    """
    x = x.detach().requires_grad_(True)
    logits = D(x)
    if logits.shape != (len(x),):
        raise ValueError(f"expected one logit per example, shape ({len(x)},), got {tuple(logits.shape)}")
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return gradient.flatten(1)


def _check_coefficient(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be a finite number ≥ 0, got {value}")


def r1(gamma: float) -> Penalty:
    """γ/2 · ‖∇D(x)‖² at real examples. The ½ is inside: γ is the paper's. [mescheder2018]"""
    _check_coefficient("gamma", gamma)

    def penalty(D, real, fake, *, generator=None):
        return 0.5 * gamma * input_gradient(D, real).square().sum(1)

    return penalty


def r2(gamma: float) -> Penalty:
    """γ/2 · ‖∇D(G(z))‖² at fake examples. [mescheder2018]"""
    _check_coefficient("gamma", gamma)

    def penalty(D, real, fake, *, generator=None):
        return 0.5 * gamma * input_gradient(D, fake).square().sum(1)

    return penalty


def r1_r2(gamma: float) -> Penalty:
    """The sum of both, γ/2 · (‖∇D(x)‖² + ‖∇D(G(z))‖²), with one γ. [huang2024]"""
    _check_coefficient("gamma", gamma)

    def penalty(D, real, fake, *, generator=None):
        # One pass over both halves costs less than two passes.
        squares = input_gradient(D, torch.cat([real, fake])).square().sum(1)
        at_real, at_fake = squares.split([len(real), len(fake)])
        return 0.5 * gamma * (at_real + at_fake)

    return penalty


def gradient_penalty(weight: float = 10.0) -> Penalty:
    """λ · (‖∇D(x̂)‖ − 1)² at x̂ = εx + (1 − ε)G(z), one ε ~ U(0, 1) per example. [gulrajani2017]"""
    _check_coefficient("weight", weight)

    def penalty(D, real, fake, *, generator=None):
        if real.shape != fake.shape:
            raise ValueError(
                f"interpolation needs real and fake of one shape, got {tuple(real.shape)} and {tuple(fake.shape)}"
            )
        epsilon = torch.rand(
            [len(real)] + [1] * (real.ndim - 1), generator=generator, device=real.device, dtype=real.dtype
        )
        gradient = input_gradient(D, torch.lerp(fake, real, epsilon))
        # The norm has no slope at 0; vector_norm's subgradient there is 0, where sqrt(sum of squares) gives NaN.
        return weight * (torch.linalg.vector_norm(gradient, dim=1) - 1).square()

    return penalty


PENALTIES: dict[str, Callable[[float], Penalty]] = {
    "r1": r1,
    "r2": r2,
    "r1_r2": r1_r2,
    "gradient_penalty": gradient_penalty,
}
