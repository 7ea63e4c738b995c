"""Penalties on the discriminator: ``penalty(D, real, fake) -> (N,)``, to be added to its loss.

Each is made by a factory that holds the coefficient, so that a penalty is one thing to pass around.
All differentiate D with respect to its *input*, one example at a time: the norm runs over all
values of an example, and never over the batch. Nothing flows back into the generator.

A penalty of your own is a function with the same signature.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from gantut.numerics import check_weight, expect

Discriminator = Callable[[Tensor], Tensor]


class Penalty(Protocol):
    """What a penalty has to be: ``penalty(D, real, fake, generator=None) -> (N,)``.

    Args:
        D: the discriminator as a function of the examples alone, (N, *shape) to (N,).
        real: real examples, (N, *shape).
        fake: generated examples, (N, *shape).
        generator: the source of randomness, for penalties that draw; PyTorch's own without it.

    Example:
        >>> import torch
        >>> def small_logits(D, real, fake, *, generator=None):
        ...     return 0.001 * D(real).square()
        >>> small_logits(lambda x: x.sum(1), torch.ones(1, 4), torch.zeros(1, 4)).shape
        torch.Size([1])
    """

    def __call__(
        self,
        D: Discriminator,
        real: Tensor,
        fake: Tensor,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor: ...


def input_gradient(D: Discriminator, x: Tensor) -> Tensor:
    """∇ₓD(x) for each example, flattened, and differentiable itself.

    The logits are summed before the backward pass: example i's logit depends on example i alone, so
    the gradient of the sum holds the gradient of each. (BatchNorm in D breaks that premise.) A
    discriminator that judges packs of m neighbours gives one logit for m examples; then the
    gradient of a logit is that of all its m examples.

    Args:
        D: (N, *shape) to logits (N,), or (N/m,) for packs of m neighbours.
        x: where to look, (N, *shape). Its own graph is left alone.

    Returns:
        (N, d), or (N/m, m·d), where d is the number of values of an example.

    Raises:
        ValueError: D does not give one logit per example, or per pack of equally many.

    Example:
        >>> import torch
        >>> input_gradient(lambda x: x.square().sum(1), torch.tensor([[1.0, 2.0]])).tolist()
        [[2.0, 4.0]]
    """
    x = x.detach().requires_grad_(True)
    logits = D(x)
    fits = logits.ndim == 1 and len(logits) and len(x) % len(logits) == 0
    expect(fits, f"one logit per example, shape ({len(x)},), or per pack of equally many", logits)
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return gradient.reshape(len(logits), -1)


def r1(gamma: float) -> Penalty:
    """γ/2 · ‖∇D(x)‖² at real examples.

    It damps the two players' rotation around the equilibrium, where D is to be flat on the data.

    Args:
        gamma: γ, the paper's; the ½ is inside. Try 0.1 to 10 and more for larger images.

    Returns:
        The penalty.

    Raises:
        ValueError: γ is negative or not finite.

    Example:
        >>> import torch
        >>> x = torch.zeros(1, 2)
        >>> r1(0.5)(lambda x: 2 * x[:, 0], x, x).tolist()
        [1.0]

    Source: [mescheder2018].
    """
    check_weight("gamma", gamma)

    def penalty(D, real, fake, *, generator=None):
        return 0.5 * gamma * input_gradient(D, real).square().sum(1)

    return penalty


def r2(gamma: float) -> Penalty:
    """γ/2 · ‖∇D(G(z))‖² at generated examples.

    Args:
        gamma: γ, the paper's; the ½ is inside.

    Returns:
        The penalty.

    Raises:
        ValueError: γ is negative or not finite.

    Example:
        >>> import torch
        >>> x = torch.zeros(1, 2)
        >>> r2(0.5)(lambda x: 2 * x[:, 0], x, x).tolist()
        [1.0]

    Source: [mescheder2018].
    """
    check_weight("gamma", gamma)

    def penalty(D, real, fake, *, generator=None):
        return 0.5 * gamma * input_gradient(D, fake).square().sum(1)

    return penalty


def r1_r2(gamma: float) -> Penalty:
    """The sum of both, γ/2 · (‖∇D(x)‖² + ‖∇D(G(z))‖²), with one γ, as in R3GAN.

    Args:
        gamma: γ, with the ½ inside.

    Returns:
        The penalty.

    Raises:
        ValueError: γ is negative or not finite; when called: real and fake differ in shape.

    Example:
        >>> import torch
        >>> x = torch.zeros(1, 2)
        >>> r1_r2(0.5)(lambda x: 2 * x[:, 0], x, x).tolist()
        [2.0]

    Source: [huang2024].
    """
    check_weight("gamma", gamma)

    def penalty(D, real, fake, *, generator=None):
        expect(real.shape == fake.shape, "real and fake examples of one shape", real, fake)
        # One pass over both halves costs less than two passes.
        at_real, at_fake = input_gradient(D, torch.cat([real, fake])).square().sum(1).chunk(2)
        return 0.5 * gamma * (at_real + at_fake)

    return penalty


def gradient_penalty(
    weight: float = 10.0, *, target: float = 1.0, one_sided: bool = False
) -> Penalty:
    """λ · (‖∇D(x̂)‖ − t)² at x̂ = εx + (1 − ε)G(z), with one ε ~ U(0, 1) for each example.

    With t = 1 it is WGAN-GP's: a Kantorovich potential has slope 1 between real and fake. With
    t = 0 it is the zero-centred penalty, which asks D to be flat there and goes with any loss.

    Args:
        weight: λ.
        target: t, the slope that costs nothing: 1, or 0 for the zero-centred penalty.
        one_sided: charge for slopes above t only, which is what being t-Lipschitz asks for.

    Returns:
        The penalty.

    Raises:
        ValueError: λ or t is negative or not finite; when called: real and fake differ in shape.

    Example:
        >>> import torch
        >>> x = torch.zeros(1, 2)
        >>> gradient_penalty(10.0)(lambda x: 3 * x[:, 0], x, x).tolist()
        [40.0]
        >>> gradient_penalty(10.0, target=0.0)(lambda x: 3 * x[:, 0], x, x).tolist()
        [90.0]

    Source: [gulrajani2017]; t = 0: [thanhtung2019].
    """
    check_weight("weight", weight)
    check_weight("target", target)

    def penalty(D, real, fake, *, generator=None):
        expect(real.shape == fake.shape, "real and fake examples of one shape", real, fake)
        x = torch.lerp(fake, real, _uniform_per_example(real, generator))
        return weight * _excess_slope(D, x, target, one_sided).square()

    return penalty


def dragan(weight: float = 10.0, *, spread: float = 0.5) -> Penalty:
    """λ · (‖∇D(x̂)‖ − 1)² around the data: x̂ = x + α · c · s · δ.

    δ ~ U(0, 1) for each value and α ~ U(0, 1) for each example; s is the standard deviation of the
    batch, one number. The noise is not centred: so it is in the authors' code. The penalty looks at
    real examples only, so it does not chase the generator.

    Args:
        weight: λ.
        spread: c, how far from the data to look, in deviations.

    Returns:
        The penalty. With several processes each takes the deviation s of its own examples.

    Raises:
        ValueError: λ or c is negative or not finite.

    Example:
        >>> import torch
        >>> x = torch.zeros(1, 2)
        >>> dragan(10.0)(lambda x: 3 * x[:, 0], x, x).tolist()
        [40.0]

    Source: [kodali2017].
    """
    check_weight("weight", weight)
    check_weight("spread", spread)

    def penalty(D, real, fake, *, generator=None):
        noise = torch.rand(real.shape, generator=generator, device=real.device, dtype=real.dtype)
        reach = spread * real.detach().std(correction=0) * _uniform_per_example(real, generator)
        return weight * _excess_slope(D, real + reach * noise, 1.0).square()

    return penalty


def _uniform_per_example(x: Tensor, generator: torch.Generator | None) -> Tensor:
    size = [len(x)] + [1] * (x.ndim - 1)
    return torch.rand(size, generator=generator, device=x.device, dtype=x.dtype)


def _excess_slope(D: Discriminator, x: Tensor, target: float, one_sided: bool = False) -> Tensor:
    """‖∇D(x)‖ − t for each example, (N,); 0 instead of a negative value where ``one_sided``."""
    # The norm has no slope at 0. There vector_norm's subgradient is 0, where the root of a sum of
    # squares gives NaN.
    excess = torch.linalg.vector_norm(input_gradient(D, x), dim=1) - target
    return excess.relu() if one_sided else excess


PENALTIES: dict[str, Callable[[float], Penalty]] = {
    "r1": r1,
    "r2": r2,
    "r1_r2": r1_r2,
    "gradient_penalty": gradient_penalty,
    "gradient_penalty_one_sided": partial(gradient_penalty, one_sided=True),
    "gradient_penalty_zero_centred": partial(gradient_penalty, target=0.0),
    "dragan": dragan,
}
