"""The two players' losses, as pairs of functions on logits.

Every function takes ``(real_logits, fake_logits)`` in that order, each of shape (N,), returns (N,), and is to be minimised. Logits are
unbounded: D(x) = sigmoid(logit) where a loss reads them as probabilities. The softplus, log(1 + eᵛ), is the one building block:
−log sigmoid(v) = softplus(−v) and −log(1 − sigmoid(v)) = softplus(v), and both stay exact where the sigmoid has long rounded to 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from gantut.losses.divergences import DIVERGENCES, divergence
from gantut.numerics import softplus
from gantut.processes import gathered

# The generator's loss may be called with None for the real logits, unless ``generator_needs_real`` says otherwise.
LogitLoss = Callable[[Tensor, Tensor], Tensor]
GeneratorLoss = Callable[[Tensor | None, Tensor], Tensor]


class AdversarialLoss(NamedTuple):
    """A discriminator's and a generator's loss, both ``(real_logits, fake_logits) -> (N,)``, both minimised."""

    discriminator: LogitLoss
    generator: GeneratorLoss
    generator_needs_real: bool = False


def check_pair(real: Tensor | None, fake: Tensor) -> Tensor:
    """Return the real logits, checked for a loss that compares them with the fake ones one by one or on the average.

    Raises:
        ValueError: they are missing, or of another length than the fake ones.
    """
    if real is None:
        raise ValueError("this loss compares real with fake: it needs the real logits, got None")
    if real.ndim != 1 or real.shape != fake.shape:
        raise ValueError(
            f"expected real and fake logits of one shape (N,), got {tuple(real.shape)} and {tuple(fake.shape)}"
        )
    return real


def minimax_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """−log D(x) − log(1 − D(G(z))): cross-entropy with the label 1 for real and 0 for fake. [goodfellow2014]"""
    return softplus(-check_pair(real, fake)) + softplus(fake)


def minimax_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """log(1 − D(G(z))): the generator's side of the game as it is written.

    Its slope in the logit is −sigmoid(fake), which vanishes where the discriminator is sure that a sample is fake: the loss saturates.
    [goodfellow2014]
    """
    return -softplus(fake)


def non_saturating_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """−log D(G(z)): the same fixed point as the minimax loss, with a slope of −1 where that one has none. [goodfellow2014]"""
    return softplus(-fake)


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """max(0, 1 − D(x)) + max(0, 1 + D(G(z))): no reward for a margin beyond 1. [lim2017]"""
    return F.relu(1 - check_pair(real, fake)) + F.relu(1 + fake)


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """D(G(z)) − D(x): minus the critic's estimate of the Wasserstein-1 distance, if the critic is 1-Lipschitz. [arjovsky2017]"""
    return fake - check_pair(real, fake)


def critic_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """−D(G(z)): raise the critic's score. The Wasserstein and the hinge loss share it. [arjovsky2017, lim2017]"""
    return -fake


def least_squares(a: float = 0.0, b: float = 1.0, c: float = 1.0) -> AdversarialLoss:
    """½ (D(x) − b)² + ½ (D(G(z)) − a)² for D and ½ (D(G(z)) − c)² for G, on raw outputs: a marks fake, b real, c what G wants. [mao2017]

    The best D is (b·p + a·q) / (p + q). With b − c = 1 and b − a = 2, as for (−1, 1, 0), what is then left of both terms for G is
    ½ ∫ (p − q)² / (p + q), half a Pearson χ² between 2q and p + q. The default (0, 1, 1) has the same aim without that identity.

    Raises:
        ValueError: a target is not finite, or a = b, which would tell D nothing.
    """
    if not all(map(math.isfinite, (a, b, c))) or a == b:
        raise ValueError(
            f"least squares needs finite targets with a ≠ b, got a = {a}, b = {b}, c = {c}"
        )

    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        return 0.5 * (check_pair(real, fake) - b).square() + 0.5 * (fake - a).square()

    def generator(real: Tensor | None, fake: Tensor) -> Tensor:
        return 0.5 * (fake - c).square()

    return AdversarialLoss(discriminator, generator)


def label_smoothing(real_target: float = 0.9, fake_target: float = 0.0) -> AdversarialLoss:
    """Cross-entropy with soft labels s for real and t for fake; the generator's loss is the non-saturating one. [salimans2016]

    −s log D(x) − (1 − s) log(1 − D(x)) − t log D(G(z)) − (1 − t) log(1 − D(G(z))). The best D is (s·p + t·q) / (p + q): with s < 1 and
    t = 0 (one-sided) it is s/2 where p = q, and below s everywhere; t > 0 (two-sided) lifts it to t even where there is no data at all.

    Raises:
        ValueError: not 0 ≤ t < s ≤ 1.
    """
    s, t = real_target, fake_target
    if not 0 <= t < s <= 1:
        raise ValueError(
            f"label smoothing needs 0 ≤ fake_target < real_target ≤ 1, got {t} and {s}"
        )

    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        # −s log D − (1 − s) log(1 − D) = softplus(−v) + (1 − s) v, and softplus(v) − t v for the fake.
        return softplus(-check_pair(real, fake)) + (1 - s) * real + softplus(fake) - t * fake

    return AdversarialLoss(discriminator, non_saturating_generator)


def relativistic(discriminator: LogitLoss) -> AdversarialLoss:
    """A discriminator's loss on the average of both classes turned into one on pairs: φ(D(x) − D(G(z))). [jolicoeur2019]

    φ(v) is what the given loss pays at a real logit v: ``discriminator(v, −∞)`` for the cross-entropy, softplus(−v). It is read off as the
    half of discriminator(v, −v), which is the same for every loss that treats real and fake alike. G's loss is φ(D(G(z)) − D(x)).
    """

    def paired(real: Tensor, fake: Tensor) -> Tensor:
        gap = check_pair(real, fake) - fake
        return 0.5 * discriminator(gap, -gap)

    def generator(real: Tensor | None, fake: Tensor) -> Tensor:
        return paired(fake, check_pair(real, fake))

    return AdversarialLoss(paired, generator, generator_needs_real=True)


def relativistic_average(discriminator: LogitLoss) -> AdversarialLoss:
    """Each logit is compared with the average of the other side: ℓ(D(x) − mean D(G(z)), D(G(z)) − mean D(x)). [jolicoeur2019]

    G's loss is the same with the roles swapped. The averages run over the batch, so each value depends on all of it, and they are part of
    the graph.
    """

    def averaged(real: Tensor, fake: Tensor) -> Tensor:
        real = check_pair(real, fake)
        return discriminator(real - gathered(fake).mean(), fake - gathered(real).mean())

    def generator(real: Tensor | None, fake: Tensor) -> Tensor:
        return averaged(fake, check_pair(real, fake))

    return AdversarialLoss(averaged, generator, generator_needs_real=True)


def f_gan(name: str, *, saturating: bool = False) -> AdversarialLoss:
    """The variational game of an f-divergence, from ``DIVERGENCES``: D maximises t(D(x)) − c(D(G(z))). [nowozin2016]

    With ``saturating`` the generator minimises −c(D(G(z))), its side of the game as written; without it −t(D(G(z))), the paper's
    counterpart of the non-saturating loss, which keeps a slope where D is sure.

    Raises:
        ValueError: the divergence is unknown; the message lists the known ones.
    """
    chosen = divergence(name)

    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        return chosen.conjugate(fake) - chosen.reward(check_pair(real, fake))

    def generator(real: Tensor | None, fake: Tensor) -> Tensor:
        return -chosen.conjugate(fake) if saturating else -chosen.reward(fake)

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


def adversarial_loss(loss: str | AdversarialLoss) -> AdversarialLoss:
    """Return the pair called ``loss``, or ``loss`` itself when it is a pair already.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.
    """
    if isinstance(loss, AdversarialLoss):
        return loss
    if loss not in LOSSES:
        raise ValueError(f"unknown loss {loss!r}; known: {', '.join(LOSSES)}")
    return LOSSES[loss]
