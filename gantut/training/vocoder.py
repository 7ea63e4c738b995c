"""Training a vocoder against discriminators that judge each place of a sound."""

from collections.abc import Callable
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn

from gantut.losses.gan import AdversarialLoss, adversarial_loss
from gantut.numerics import check_weight
from gantut.training.loop import Batch, Trainer
from gantut.training.players import Options

Seen = list[tuple[Tensor, list[Tensor]]]


class VocoderTrainer(Trainer):
    """A vocoder that makes sounds of images, and discriminators of sounds. [kong2020]

    With y = G(front(x)), and D several discriminators with a logit for each place,

    - D minimises its loss of x against y,
    - G minimises its loss at y + λ·distance(x, y) + μ·Σ|f(x) − f(y)|, f the inner layers of D.

    The distance alone would train G: it decides what is loud when. The game makes the fine
    structure right, which no distance of magnitudes sees.

    Logs ``discriminator``, ``generator``, ``distance`` and ``likeness``, the last the mean
    difference of inner layers; all as means over the batch.

    Args:
        vocoder: G, from images to sounds, with the ``front`` that makes images of sounds.
        discriminators: D, from sounds (N, 1, T) to a list of pairs: logits (N, places), and inner
            layers.
        distance: ``distance(x, y) -> (N,)``, such as ``speech.spectral_loss``.
        weight: λ ≥ 0.
        likeness: μ ≥ 0.
        loss: a name of ``losses.LOSSES``, or a pair of functions of logits.
        options: ``lr`` (5e-4), ``betas`` (0.8, 0.99), ``ema`` (0.999) and the others as in
            ``Trainer``.

    Raises:
        ValueError: a weight that is negative or not finite, or an unknown loss.

    Example:
        >>> import gantut, torch
        >>> front = gantut.speech.LogMel(8000)
        >>> trainer = VocoderTrainer(
        ...     gantut.speech.Vocoder(front, width=4),
        ...     gantut.speech.PeriodDiscriminators((2, 3), width=2),
        ...     distance=gantut.speech.spectral_loss,
        ...     device="cpu",
        ... )
        >>> sorted(trainer.fit([torch.rand(2, 1, 1280)], steps=1))
        ['discriminator', 'distance', 'generator', 'likeness']
    """

    defaults: ClassVar[Options] = {"lr": 5e-4, "betas": (0.8, 0.99), "ema": 0.999}

    def __init__(
        self,
        vocoder: Any,
        discriminators: nn.Module,
        *,
        distance: Callable[[Tensor, Tensor], Tensor],
        weight: float = 10.0,
        likeness: float = 2.0,
        loss: str | AdversarialLoss | tuple[Any, Any] = "least_squares",
        **options: Unpack[Options],
    ) -> None:
        networks = {"vocoder": vocoder, "discriminator": discriminators}
        super().__init__(networks, averaged="vocoder", **options)
        self.G, self.D = self.networks["vocoder"], self.networks["discriminator"]
        self.front, self.distance = vocoder.front, distance
        self.weight = check_weight("weight", weight)
        self.likeness = check_weight("likeness", likeness)
        self.loss = adversarial_loss(loss)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        real, _ = self.unpack(batch)
        with self.autocast():
            fake = self.G(self.front(real)).to(self.dtype)
        judged = zip(self.judge(real), self.judge(fake.detach()), strict=True)
        losses = [self.each(self.loss.discriminator, x, y) for (x, _), (y, _) in judged]
        charged = torch.stack(losses).mean(0)
        self.descend("discriminator", charged)

        with torch.no_grad():
            seen = self.judge(real)
        pairs = list(zip(seen, self.judge(fake), strict=True))
        won = torch.stack([self.each(self.loss.generator, x, y) for (x, _), (y, _) in pairs])
        apart = [_apart(x, y) for (_, xs), (_, ys) in pairs for x, y in zip(xs, ys, strict=True)]
        likeness, distance = torch.stack(apart).mean(), self.distance(real, fake)
        self.descend("vocoder", won.mean(0) + self.likeness * likeness + self.weight * distance)
        self.average()
        terms = {"discriminator": charged, "generator": won, "distance": distance}
        return {k: v.detach().mean() for k, v in (terms | {"likeness": likeness}).items()}

    def judge(self, x: Tensor) -> Seen:
        """D's logits in full precision, and its inner layers."""
        with self.autocast():
            return [(logits.to(self.dtype), inner) for logits, inner in self.D(x)]

    @staticmethod
    def each(loss: Any, real: Tensor, fake: Tensor) -> Tensor:
        """A loss of logits, averaged over the places: (N, places) to (N,)."""
        return loss(real.flatten(), fake.flatten()).reshape(real.shape).mean(1)


def _apart(x: Tensor, y: Tensor) -> Tensor:
    return (x.detach().float() - y.float()).abs().mean()
