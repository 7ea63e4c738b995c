"""The two players' losses, as pairs of functions on logits.

Every function takes ``(real_logits, fake_logits)`` in that order, each of shape (N,), returns (N,)
and is minimised. Logits are unbounded: D(x) = sigmoid(logit) where a loss reads them as
probabilities. The one building block is the softplus, log(1 + eᵛ).

``LOSSES`` holds every pair under its name. To write a loss of your own, make an
``AdversarialLoss`` of two such functions: a trainer takes it in place of a name.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor

from gantut.losses.divergences import DIVERGENCES
from gantut.numerics import chosen, expect, softplus
from gantut.processes import gathered

LogitLoss = Callable[[Tensor, Tensor], Tensor]
GeneratorLoss = Callable[[Tensor | None, Tensor], Tensor]


class AdversarialLoss(NamedTuple):
    """A discriminator's and a generator's loss, to be minimised by one player each.

    Args:
        discriminator: ``(real_logits, fake_logits) -> (N,)``.
        generator: ``(real_logits, fake_logits) -> (N,)``. The real logits may be None, unless
            ``generator_needs_real`` is set.
        generator_needs_real: whether the generator's loss compares its logits with the real ones,
            so that the trainer has to compute those in the generator's step too.

    Example:
        >>> import torch
        >>> squared = AdversarialLoss(
        ...     discriminator=lambda real, fake: (real - 1).square() + fake.square(),
        ...     generator=lambda real, fake: (fake - 1).square(),
        ... )
        >>> squared.generator(None, torch.tensor([0.0, 3.0])).tolist()
        [1.0, 4.0]
    """

    discriminator: LogitLoss
    generator: GeneratorLoss
    generator_needs_real: bool = False


def check_pair(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
    """Return the real logits, checked for a loss that reads both.

    Args:
        real_logits: (N,).
        fake_logits: (N,).

    Returns:
        The real logits, (N,).

    Raises:
        ValueError: the real logits are missing, or the two are not of one shape (N,).

    Example:
        >>> import torch
        >>> check_pair(torch.zeros(3), torch.zeros(2))
        Traceback (most recent call last):
        ValueError: expected real and fake logits of one shape (N,), got (3,) and (2,)
    """
    if real_logits is None:
        raise ValueError("this loss compares real with fake: it needs the real logits, got None")
    fits = real_logits.ndim == 1 and real_logits.shape == fake_logits.shape
    expect(fits, "real and fake logits of one shape (N,)", real_logits, fake_logits)
    return real_logits


def minimax_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """−log D(x) − log(1 − D(G(z))): cross-entropy with the label 1 for real and 0 for fake.

    Args:
        real_logits: (N,).
        fake_logits: (N,).

    Returns:
        (N,), in nats; 2 log 2 where D is undecided.

    Raises:
        ValueError: the two are not of one shape (N,).

    Example:
        >>> import torch
        >>> round(minimax_discriminator(torch.zeros(1), torch.zeros(1)).item(), 4)
        1.3863

    Source: [goodfellow2014].
    """
    return softplus(-check_pair(real_logits, fake_logits)) + softplus(fake_logits)


def minimax_generator(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
    """log(1 − D(G(z))): the generator's side of the game as it is written.

    Its slope in the logit is −D(G(z)), which vanishes where the discriminator is sure that a sample
    is fake: the loss saturates.

    Args:
        real_logits: not read; None will do.
        fake_logits: (N,).

    Returns:
        (N,), in nats.

    Example:
        >>> import torch
        >>> v = torch.tensor([-20.0], requires_grad=True)
        >>> minimax_generator(None, v).sum().backward()
        >>> f"{v.grad.item():.0e}"
        '-2e-09'

    Source: [goodfellow2014].
    """
    return -softplus(fake_logits)


def non_saturating_generator(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
    """−log D(G(z)): the minimax loss's fixed point, with a slope of −1 where that one has none.

    Args:
        real_logits: not read; None will do.
        fake_logits: (N,).

    Returns:
        (N,), in nats.

    Example:
        >>> import torch
        >>> v = torch.tensor([-20.0], requires_grad=True)
        >>> non_saturating_generator(None, v).sum().backward()
        >>> v.grad.item()
        -1.0

    Source: [goodfellow2014].
    """
    return softplus(-fake_logits)


def hinge_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """max(0, 1 − D(x)) + max(0, 1 + D(G(z))): a margin beyond 1 earns nothing more.

    Args:
        real_logits: (N,).
        fake_logits: (N,).

    Returns:
        (N,), without a unit; 0 where both sides keep the margin.

    Raises:
        ValueError: the two are not of one shape (N,).

    Example:
        >>> import torch
        >>> hinge_discriminator(torch.tensor([2.0, 0.5]), torch.tensor([-2.0, 0.5])).tolist()
        [0.0, 2.0]

    Source: [lim2017].
    """
    return F.relu(1 - check_pair(real_logits, fake_logits)) + F.relu(1 + fake_logits)


def wasserstein_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """D(G(z)) − D(x): minus the critic's estimate of the Wasserstein-1 distance.

    It is one only if the critic is 1-Lipschitz, so give it a penalty or spectral norm.

    Args:
        real_logits: the critic's scores of real examples, (N,).
        fake_logits: its scores of generated ones, (N,).

    Returns:
        (N,), in the units of the data.

    Raises:
        ValueError: the two are not of one shape (N,).

    Example:
        >>> import torch
        >>> wasserstein_discriminator(torch.tensor([3.0]), torch.tensor([1.0])).item()
        -2.0

    Source: [arjovsky2017].
    """
    return fake_logits - check_pair(real_logits, fake_logits)


def critic_generator(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
    """−D(G(z)): raise the critic's score. The Wasserstein and the hinge game share it.

    Args:
        real_logits: not read; None will do.
        fake_logits: (N,).

    Returns:
        (N,), in the critic's units.

    Example:
        >>> import torch
        >>> critic_generator(None, torch.tensor([1.5])).item()
        -1.5

    Source: [arjovsky2017, lim2017].
    """
    return -fake_logits


def least_squares(a: float = 0.0, b: float = 1.0, c: float = 1.0) -> AdversarialLoss:
    """½ (D(x) − b)² + ½ (D(G(z)) − a)² for D and ½ (D(G(z)) − c)² for G, on raw outputs.

    The best D is (b·p + a·q) / (p + q). With b − c = 1 and b − a = 2, as for (−1, 1, 0), what is
    then left of both terms for G is ½ ∫ (p − q)² / (p + q), half a Pearson χ² between 2q and
    p + q. But half of that is D's term on real examples, which has no gradient in G: what G
    follows is no divergence (chapter 4). The default (0, 1, 1) has not even that identity.

    Args:
        a: the output that D is to give a fake.
        b: the output that D is to give a real example.
        c: the output that G wants for its fakes.

    Returns:
        The pair of losses.

    Raises:
        ValueError: a target is not finite, or a = b, which would tell D nothing.

    Example:
        >>> import torch
        >>> pair = least_squares()
        >>> pair.discriminator(torch.tensor([1.0]), torch.tensor([2.0])).item()
        2.0

    Source: [mao2017].
    """
    fits = all(map(math.isfinite, (a, b, c))) and a != b
    expect(fits, "finite targets a, b and c with a ≠ b", a, b, c)

    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        return 0.5 * (check_pair(real, fake) - b).square() + 0.5 * (fake - a).square()

    return AdversarialLoss(discriminator, lambda real, fake: 0.5 * (fake - c).square())


def label_smoothing(real_target: float = 0.9, fake_target: float = 0.0) -> AdversarialLoss:
    """Cross-entropy with soft labels: s instead of 1 for real, t instead of 0 for fake.

    −s log D(x) − (1 − s) log(1 − D(x)) − t log D(G(z)) − (1 − t) log(1 − D(G(z))). The best D is
    (s·p + t·q) / (p + q). With s < 1 and t = 0 (one-sided) it is s/2 where p = q, and below s
    everywhere; t > 0 (two-sided) lifts it to t even where there is no data at all. The generator's
    loss is the non-saturating one.

    Args:
        real_target: s, the label of real examples.
        fake_target: t, the label of generated ones; 0 smooths one side only, as is advised.

    Returns:
        The pair of losses.

    Raises:
        ValueError: not 0 ≤ t < s ≤ 1.

    Example:
        >>> import torch
        >>> sure = torch.tensor([10.0])
        >>> round(label_smoothing(0.9).discriminator(sure, -sure).item(), 3)
        1.0

    Source: [salimans2016].
    """
    s, t = real_target, fake_target
    expect(0 <= t < s <= 1, "0 ≤ fake_target < real_target ≤ 1", t, s)

    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        # −s log D − (1 − s) log(1 − D) = softplus(−v) + (1 − s) v, and softplus(v) − t v for fake.
        return softplus(-check_pair(real, fake)) + (1 - s) * real + softplus(fake) - t * fake

    return AdversarialLoss(discriminator, non_saturating_generator)


def relativistic(discriminator: LogitLoss) -> AdversarialLoss:
    """Compare each real example with one fake: φ(D(x) − D(G(z))) for D, φ(D(G(z)) − D(x)) for G.

    φ(v) is what the given loss charges for a real logit v, softplus(−v) for the cross-entropy. It
    is read off as half of ``discriminator(v, −v)``, which is the same for every loss that treats
    real and fake alike.

    Args:
        discriminator: the loss to start from, ``(real_logits, fake_logits) -> (N,)``.

    Returns:
        The pair of losses; the generator's needs the real logits.

    Example:
        >>> import torch
        >>> pair = relativistic(hinge_discriminator)
        >>> pair.discriminator(torch.tensor([5.0]), torch.tensor([4.5])).item()
        0.5

    Source: [jolicoeur2019].
    """

    def paired(real: Tensor, fake: Tensor) -> Tensor:
        gap = check_pair(real, fake) - fake
        return 0.5 * discriminator(gap, -gap)

    def generator(real: Tensor | None, fake: Tensor) -> Tensor:
        return paired(fake, check_pair(real, fake))

    return AdversarialLoss(paired, generator, generator_needs_real=True)


def relativistic_average(discriminator: LogitLoss) -> AdversarialLoss:
    """Compare each logit with the other side's average.

    D's loss is ℓ(D(x) − mean D(G(z)), D(G(z)) − mean D(x)), G's the same with the roles swapped.
    The averages run over the batch (with several processes over all of it), so each value depends
    on every example, and gradients pass through them.

    Args:
        discriminator: the loss ℓ to start from, ``(real_logits, fake_logits) -> (N,)``.

    Returns:
        The pair of losses; the generator's needs the real logits.

    Example:
        >>> import torch
        >>> pair = relativistic_average(wasserstein_discriminator)
        >>> pair.discriminator(torch.tensor([3.0, 1.0]), torch.tensor([0.0, 0.0])).tolist()
        [-5.0, -3.0]

    Source: [jolicoeur2019].
    """

    def averaged(real: Tensor, fake: Tensor) -> Tensor:
        real = check_pair(real, fake)
        return discriminator(real - gathered(fake).mean(), fake - gathered(real).mean())

    def generator(real: Tensor | None, fake: Tensor) -> Tensor:
        return averaged(fake, check_pair(real, fake))

    return AdversarialLoss(averaged, generator, generator_needs_real=True)


def f_gan(name: str, *, saturating: bool = False) -> AdversarialLoss:
    """The variational game of an f-divergence: D maximises t(D(x)) − c(D(G(z))).

    Args:
        name: one of ``DIVERGENCES``, whose row holds the reward t and the conjugate c.
        saturating: let the generator minimise −c(D(G(z))), its side of the game as it is written.
            Without it the generator minimises −t(D(G(z))), which keeps a slope where D is sure, as
            the non-saturating loss does.

    Returns:
        The pair of losses, in the divergence's own units.

    Raises:
        ValueError: the divergence is unknown; the message lists the known ones.

    Example:
        >>> import torch
        >>> pair = f_gan("pearson")
        >>> pair.discriminator(torch.tensor([1.0]), torch.tensor([2.0])).item()
        2.0

    Source: [nowozin2016].
    """
    row = chosen("divergence", name, DIVERGENCES)

    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        return row.conjugate(fake) - row.reward(check_pair(real, fake))

    def generator(real: Tensor | None, fake: Tensor) -> Tensor:
        return -row.conjugate(fake) if saturating else -row.reward(fake)

    return AdversarialLoss(discriminator, generator)


LOSSES: dict[str, AdversarialLoss] = {
    "minimax": AdversarialLoss(minimax_discriminator, minimax_generator),
    "non_saturating": AdversarialLoss(minimax_discriminator, non_saturating_generator),
    "label_smoothing": label_smoothing(),
    "least_squares": least_squares(),
    "least_squares_pearson": least_squares(-1, 1, 0),
    "hinge": AdversarialLoss(hinge_discriminator, critic_generator),
    "wasserstein": AdversarialLoss(wasserstein_discriminator, critic_generator),
    "relativistic": relativistic(minimax_discriminator),
    "relativistic_hinge": relativistic(hinge_discriminator),
    "relativistic_average": relativistic_average(minimax_discriminator),
    "relativistic_average_hinge": relativistic_average(hinge_discriminator),
    "relativistic_average_least_squares": relativistic_average(
        least_squares(-1, 1, 0).discriminator
    ),
    **{f"f_{name}": f_gan(name) for name in DIVERGENCES},
}


def _check_arguments(player: str, function: Callable[..., Any]) -> None:
    """Raise ``TypeError`` where a loss does not take both logits."""
    try:
        inspect.signature(function).bind(None, None)
    except ValueError:  # a function of C, which says nothing of its arguments
        return
    except TypeError as error:
        raise TypeError(
            f"the {player}'s loss takes (real_logits, fake_logits), in this order, whether it reads"
            f" both or not: lambda real, fake: …; this one refuses them: {error}"
        ) from error


def adversarial_loss(loss: str | tuple[Any, ...]) -> AdversarialLoss:
    """Return the pair called ``loss``, or ``loss`` itself when it is a pair already.

    Args:
        loss: a name of ``LOSSES``, or two functions ``(discriminator, generator)``.

    Returns:
        The pair of losses.

    Raises:
        ValueError: neither a known name nor a pair of functions; the message lists the names.
        TypeError: a function of the pair does not take both logits.

    Example:
        >>> adversarial_loss("hinge") is LOSSES["hinge"]
        True
    """
    if isinstance(loss, AdversarialLoss):
        return loss
    if isinstance(loss, (tuple, list)) and len(loss) == 2 and all(map(callable, loss)):
        for player, function in zip(("discriminator", "generator"), loss, strict=True):
            _check_arguments(player, function)
        return AdversarialLoss(*loss)
    return chosen("loss", str(loss), LOSSES)
