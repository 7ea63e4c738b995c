"""Penalties on the discriminator: ``penalty(D, real, fake) -> (N,)``, to be added to its loss.

Each is made by a factory that holds the coefficient, so that a penalty is one thing to pass around. All but the last differentiate D with
respect to its *input*, one example at a time: the norm runs over the pixels of an example, never over the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from gantut.losses.augmentation import Augment, augmentation
from gantut.processes import drawn, gathered

Discriminator = Callable[[Tensor], Tensor]


class Penalty(Protocol):
    """``penalty(D, real, fake, generator=None) -> (N,)``; ``generator`` is the source of randomness where one is used."""

    def __call__(
        self,
        D: Discriminator,
        real: Tensor,
        fake: Tensor,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor: ...


def input_gradient(D: Discriminator, x: Tensor) -> Tensor:
    """∇ₓD(x) for each example, flattened to (N, d), and differentiable itself.

    The logits are summed before the backward pass: example i's logit depends on example i alone, so the gradient of the sum holds the
    gradient of each. (BatchNorm in D breaks that premise.)
    """
    x = x.detach().requires_grad_(True)
    logits = D(x)
    if logits.shape != (len(x),):
        raise ValueError(
            f"expected one logit per example, shape ({len(x)},), got {tuple(logits.shape)}"
        )
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


def gradient_penalty(weight: float = 10.0, *, one_sided: bool = False) -> Penalty:
    """λ · (‖∇D(x̂)‖ − 1)² at x̂ = εx + (1 − ε)G(z), one ε ~ U(0, 1) per example. [gulrajani2017]

    With ``one_sided`` only slopes above 1 pay: λ · max(0, ‖∇D(x̂)‖ − 1)², which is what being 1-Lipschitz asks for.
    """
    _check_coefficient("weight", weight)

    def penalty(D, real, fake, *, generator=None):
        if real.shape != fake.shape:
            raise ValueError(
                f"interpolation needs real and fake of one shape, got {tuple(real.shape)} and {tuple(fake.shape)}"
            )
        x = torch.lerp(fake, real, _uniform_per_example(real, generator))
        return weight * _excess_slope(D, x, one_sided).square()

    return penalty


def dragan(weight: float = 10.0, *, spread: float = 0.5) -> Penalty:
    """λ · (‖∇D(x̂)‖ − 1)² around the data: x̂ = x + c · s · δ, with δ ~ U(0, 1)ᵈ, c = ``spread``, s the batch's deviation. [kodali2017]

    The penalty looks at real examples only, so it does not chase the generator. As in the authors' code, s is one number for the batch and
    the noise is not centred.
    """
    _check_coefficient("weight", weight)
    _check_coefficient("spread", spread)

    def penalty(D, real, fake, *, generator=None):
        noise = drawn(
            torch.rand, real.shape, generator=generator, device=real.device, dtype=real.dtype
        )
        x = real + spread * gathered(real.detach()).std(correction=0) * noise
        return weight * _excess_slope(D, x).square()

    return penalty


def consistency(
    weight: float = 10.0, augment: Augment | None = None, *, fake_weight: float | None = None
) -> Penalty:
    """λ · (D(x) − D(T(x)))²: a change T that leaves an image what it is shall leave its logit what it is. [zhang2020]

    ``augment`` is T, ``augmentation()`` unless given. With ``fake_weight`` the same is asked of fake examples and added, the balanced form
    of [zhao2021]. Slopes play no part, so it costs two passes and no second derivative.
    """
    _check_coefficient("weight", weight)
    if fake_weight is not None:
        _check_coefficient("fake_weight", fake_weight)
    augment = augment or augmentation("translate", "cutout")

    def change(D, x, generator):
        x = x.detach()
        return (D(augment(x, generator=generator)) - D(x)).square()

    def penalty(D, real, fake, *, generator=None):
        value = weight * change(D, real, generator)
        return value if fake_weight is None else value + fake_weight * change(D, fake, generator)

    return penalty


def _uniform_per_example(x: Tensor, generator: torch.Generator | None) -> Tensor:
    size = [len(x)] + [1] * (x.ndim - 1)
    return drawn(torch.rand, size, generator=generator, device=x.device, dtype=x.dtype)


def _excess_slope(D: Discriminator, x: Tensor, one_sided: bool = False) -> Tensor:
    """‖∇D(x)‖ − 1 for each example, (N,); 0 instead of a negative value where ``one_sided``."""
    # The norm has no slope at 0; vector_norm's subgradient there is 0, where sqrt(sum of squares) gives NaN.
    excess = torch.linalg.vector_norm(input_gradient(D, x), dim=1) - 1
    return excess.relu() if one_sided else excess


PENALTIES: dict[str, Callable[[float], Penalty]] = {
    "r1": r1,
    "r2": r2,
    "r1_r2": r1_r2,
    "gradient_penalty": gradient_penalty,
    "gradient_penalty_one_sided": partial(gradient_penalty, one_sided=True),
    "dragan": dragan,
    "consistency": consistency,
}
