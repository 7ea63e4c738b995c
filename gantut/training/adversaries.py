"""What trainers with a discriminator share: checks, and the players' losses against one or several kinds of fakes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from gantut.losses.gan import AdversarialLoss


def check_judge(discriminator: Any, *, shape: tuple[int, ...], classes: int) -> None:
    """Raise ``ValueError`` unless D is made for examples of ``shape`` in ``classes`` classes."""
    for attribute, expected in (("shape", tuple(shape)), ("classes", classes)):
        found = getattr(discriminator, attribute)
        if found != expected:
            raise ValueError(f"the discriminator has {attribute} {found}; expected {expected}")


def _judge(trainer: Any, x: Tensor, labels: Tensor | None) -> Tensor:
    with trainer.autocast():
        return trainer.D(x, labels).to(trainer.dtype)


def discriminate(
    trainer: Any,
    loss: AdversarialLoss,
    real: Tensor,
    fakes: Sequence[Tensor],
    labels: Tensor | None,
) -> Tensor:
    """D's loss of real against each kind of fake, averaged over the kinds, (N,)."""
    real_logits = _judge(trainer, real, labels)
    terms = [loss.discriminator(real_logits, _judge(trainer, fake, labels)) for fake in fakes]
    return torch.stack(terms).mean(0)


def generator_losses(
    trainer: Any,
    loss: AdversarialLoss,
    real: Tensor,
    fakes: Sequence[Tensor],
    labels: Tensor | None,
) -> Tensor:
    """The generator's loss of each kind of fake, averaged over the kinds, (N,)."""
    real_logits = None
    if loss.generator_needs_real:
        with torch.no_grad():
            real_logits = _judge(trainer, real, labels)
    terms = [loss.generator(real_logits, _judge(trainer, fake, labels)) for fake in fakes]
    return torch.stack(terms).mean(0)


def score(trainer: Any, labels: Tensor | None) -> Callable[[Tensor], Tensor]:
    """D as a function of the example alone; where real and fake are stacked, so are their labels."""
    # torch.compile has no second derivative, which penalties need: they get the network as it was written.
    D = trainer.D.forward if trainer.compiled else trainer.D
    return lambda x: D(x, None if labels is None else labels.repeat(len(x) // len(labels)))


def penalised(
    trainer: Any, loss: Tensor, real: Tensor, fake: Tensor, labels: Tensor | None
) -> tuple[Tensor, dict[str, Tensor]]:
    """D's loss, (N,), with the trainer's penalty in the steps that take it, made up for those that skip it; and what to log."""
    if trainer.penalty is None or trainer.steps % trainer.penalty_every:
        return loss, {}
    # Second derivatives in 8 bits of mantissa are noise, so penalties are computed outside autocast.
    value = trainer.penalty(score(trainer, labels), real, fake, generator=trainer.generator)
    return loss + trainer.penalty_every * value, {"penalty": value.detach().mean()}
