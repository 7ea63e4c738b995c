"""The two players' losses, as pairs of functions on logits.

Every function takes ``(real_logits, fake_logits)`` in that order, each of shape (N,), returns (N,), and is to be minimised. Logits are
unbounded: D(x) = sigmoid(logit) where a loss reads them as probabilities. The softplus, log(1 + eᵛ), is the one building block:
−log sigmoid(v) = softplus(−v) and −log(1 − sigmoid(v)) = softplus(v), and both stay exact where the sigmoid has long rounded to 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

# The generator's loss may be called with None for the real logits, unless ``generator_needs_real`` says otherwise.
LogitLoss = Callable[[Tensor, Tensor], Tensor]
GeneratorLoss = Callable[[Tensor | None, Tensor], Tensor]


class AdversarialLoss(NamedTuple):
    """A discriminator's and a generator's loss, both ``(real_logits, fake_logits) -> (N,)``, both minimised."""

    discriminator: LogitLoss
    generator: GeneratorLoss
    generator_needs_real: bool = False


def softplus(v: Tensor) -> Tensor:
    """log(1 + eᵛ), elementwise, in full precision. (PyTorch's own returns v itself above 20, which is off by 2·10⁻⁹ in float64.)"""
    return -F.logsigmoid(-v)


def minimax_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """−log D(x) − log(1 − D(G(z))): cross-entropy with the label 1 for real and 0 for fake. [goodfellow2014]"""
    return softplus(-real) + softplus(fake)


def minimax_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """log(1 − D(G(z))): the generator's side of the game as it is written.

    Its slope in the logit is −sigmoid(fake), which vanishes where the discriminator is sure that a sample is fake: the loss saturates.
    [goodfellow2014]
    """
    return -softplus(fake)


def non_saturating_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """−log D(G(z)): the same fixed point as the minimax loss, with a slope of −1 where that one has none. [goodfellow2014]"""
    return softplus(-fake)


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """½ (D(x) − 1)² + ½ D(G(z))², on raw outputs, with targets b = 1 for real and a = 0 for fake. [mao2017]"""
    return 0.5 * (real - 1).square() + 0.5 * fake.square()


def least_squares_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """½ (D(G(z)) − 1)², with target c = 1. [mao2017]"""
    return 0.5 * (fake - 1).square()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """max(0, 1 − D(x)) + max(0, 1 + D(G(z))): no reward for a margin beyond 1. [lim2017]"""
    return F.relu(1 - real) + F.relu(1 + fake)


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """D(G(z)) − D(x): minus the critic's estimate of the Wasserstein-1 distance, if the critic is 1-Lipschitz. [arjovsky2017]"""
    return fake - real


def critic_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """−D(G(z)): raise the critic's score. The Wasserstein and the hinge loss share it. [arjovsky2017, lim2017]"""
    return -fake


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """softplus(−(D(x) − D(G(z)))): in each pair the real one shall score higher. [jolicoeur2019]"""
    return softplus(fake - real)


def relativistic_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """softplus(−(D(G(z)) − D(x))): in each pair the fake one shall score higher. It reads the real logits. [jolicoeur2019]

    Raises:
        ValueError: the real logits are missing.
    """
    if real is None:
        raise ValueError("the relativistic generator loss compares pairs: it needs the real logits, got None")
    return softplus(real - fake)


LOSSES: dict[str, AdversarialLoss] = {
    "minimax": AdversarialLoss(minimax_discriminator, minimax_generator),
    "non_saturating": AdversarialLoss(minimax_discriminator, non_saturating_generator),
    "least_squares": AdversarialLoss(least_squares_discriminator, least_squares_generator),
    "hinge": AdversarialLoss(hinge_discriminator, critic_generator),
    "wasserstein": AdversarialLoss(wasserstein_discriminator, critic_generator),
    "relativistic": AdversarialLoss(relativistic_discriminator, relativistic_generator, generator_needs_real=True),
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
