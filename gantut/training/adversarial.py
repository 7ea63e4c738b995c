"""What trainers with a discriminator share: its logits, its penalty, and what it has to be."""

from collections.abc import Mapping
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from gantut.losses.gan import AdversarialLoss, adversarial_loss
from gantut.losses.penalties import Penalty
from gantut.numerics import at_least
from gantut.protocols import call, refuse_sigmoid
from gantut.training.loop import Trainer
from gantut.training.players import Options, Players

LOGITS = ("discriminator", "the losses take logits")


class AdversarialOptions(Options, total=False):
    """What every trainer with a discriminator takes; ``AdversarialTrainer`` explains them."""

    loss: str | AdversarialLoss | tuple[Any, Any]
    penalty: Penalty | None
    penalty_every: int


class AdversarialTrainer(Trainer):
    """A trainer with a discriminator D, its loss, and perhaps a penalty on it.

    Args:
        networks, players, averaged: as in ``Trainer``; D is ``networks["discriminator"]``.
        loss: a name of ``losses.LOSSES``, or a pair of functions of logits.
        penalty: ``penalty(D, real, fake, generator=None) -> (N,)``, added to D's loss.
        penalty_every: compute the penalty in every so many steps only, times that number, so that
            its average strength stays the same [karras2020].
        options: as in ``Trainer``.

    Raises:
        ValueError: an unknown loss; a count below 1; a discriminator that ends in a sigmoid.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        players: Players | None = None,
        *,
        averaged: str,
        loss: str | AdversarialLoss | tuple[Any, Any] = "non_saturating",
        penalty: Penalty | None = None,
        penalty_every: int = 1,
        **options: Unpack[Options],
    ) -> None:
        at_least(1, penalty_every=penalty_every)
        if penalty is not None and not callable(penalty):
            raise TypeError(f"expected a penalty such as losses.r1(1.0), got {penalty!r}")
        refuse_sigmoid(networks["discriminator"], *LOGITS)
        self.loss, self.penalty = adversarial_loss(loss), penalty
        self.penalty_every = penalty_every
        super().__init__(networks, players, averaged=averaged, **options)
        self.D: Any = self.networks["discriminator"]

    def judge(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """D's logits, (N,), in full precision."""
        with self.autocast():
            logits = call(self.D, x, labels).to(self.dtype)
        if logits.ndim != 1:
            raise ValueError(
                f"expected one logit per example, shape ({len(x)},), got {tuple(logits.shape)}; "
                "end the discriminator with nn.Flatten(0)"
            )
        if self.steps == 0:
            refuse_sigmoid(logits, *LOGITS)
        return logits

    def real_logits(self, real: Tensor, labels: Tensor | None) -> Tensor | None:
        """D's logits of real examples, without a graph, for a generator's loss that reads them."""
        if not self.loss.generator_needs_real:
            return None
        with torch.no_grad():
            return self.judge(real, labels)

    def punished(
        self, loss: Tensor, real: Tensor, fake: Tensor, labels: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """D's loss with its penalty in the steps that take it, (N,), and what to log."""
        if self.penalty is None or self.steps % self.penalty_every:
            return loss, {}
        # torch.compile has no second derivative, so penalties get the network as it was written;
        # and second derivatives in 8 bits of mantissa are noise, so they have no autocast.
        D = self.D.forward if self.compiled else self.D

        def score(x: Tensor) -> Tensor:
            stacked = None if labels is None else labels.repeat(len(x) // len(labels))
            return call(D, x, stacked)

        value = self.penalty(score, real, fake, generator=self.generator)
        return loss + self.penalty_every * value, {"penalty": value.detach().mean()}
