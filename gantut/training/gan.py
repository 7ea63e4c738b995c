"""Training a generative adversarial network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gantut.losses.augmentation import Augment
from gantut.losses.conditional import auxiliary as auxiliary_loss
from gantut.losses.gan import AdversarialLoss, adversarial_loss
from gantut.losses.penalties import Penalty
from gantut.networks.conditioning import AuxiliaryHead
from gantut.networks.shapes import check_shape
from gantut.numerics import check_weight
from gantut.processes import drawn
from gantut.training.adversaries import penalised
from gantut.training.ema import EMA
from gantut.training.loop import Batch, Trainer


class GANTrainer(Trainer):
    """Alternates one step of the discriminator with one of the generator, each with its own Adam. [goodfellow2014]

    ``loss`` is a name of ``LOSSES`` or a pair. ``penalty`` is added to the discriminator's loss every ``penalty_every`` steps, times that
    number, so that its average strength stays the same [karras2020]. The generator moves in every ``n_critic``-th step only
    [arjovsky2017]. ``augment`` changes all images that D sees, in both players' steps [zhao2020]. ``packing`` joins as many examples to
    one for D, which is then made for ``packing`` times as many channels [lin2018]. ``auxiliary`` weighs AC-GAN's classification term in both players' losses
    and needs D with auxiliary conditioning [odena2017]. ``ema`` is the decay of the generator's moving average, which ``sample`` uses; None
    switches it off. The defaults are those that trained digits fastest here: a high learning rate and no momentum, β₁ = 0.

    Raises:
        ValueError: the generator and the discriminator disagree on shape, classes or conditioning; an unknown loss; a count below 1.
    """

    def __init__(
        self,
        generator: Any,
        discriminator: Any,
        *,
        loss: str | AdversarialLoss = "non_saturating",
        penalty: Penalty | None = None,
        penalty_every: int = 1,
        n_critic: int = 1,
        augment: Augment | None = None,
        packing: int = 1,
        auxiliary: float = 0.0,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.0, 0.99),
        ema: float | None = 0.995,
        seed: int = 0,
        device: str | torch.device = "auto",
        precision: str = "float32",
        compile: bool = False,
    ) -> None:
        if min(n_critic, penalty_every, packing) < 1:
            raise ValueError(
                f"n_critic, penalty_every and packing must be at least 1, got {n_critic}, {penalty_every} and {packing}"
            )
        shape = (packing * generator.shape[0], *generator.shape[1:])
        for attribute, ours in (("shape", shape), ("classes", generator.classes)):
            theirs = getattr(discriminator, attribute)
            if ours != theirs:
                raise ValueError(
                    f"generator and discriminator disagree on {attribute}: {ours} and {theirs}"
                )
        if packing > 1 and generator.classes:
            raise ValueError(
                f"packs of {packing} have no one label: packing needs unconditional networks"
            )
        check_weight("auxiliary", auxiliary)
        if auxiliary and not isinstance(getattr(discriminator, "head", None), AuxiliaryHead):
            raise ValueError(
                'the auxiliary term needs a discriminator with conditioning="auxiliary"'
            )
        networks = {"generator": generator, "discriminator": discriminator}
        super().__init__(networks, seed=seed, device=device, precision=precision, compile=compile)
        self.G: Any = self.networks["generator"]
        self.D: Any = self.networks["discriminator"]
        self.loss, self.penalty = adversarial_loss(loss), penalty
        self.penalty_every, self.n_critic = penalty_every, n_critic
        self.augment, self.packing, self.auxiliary = augment, packing, auxiliary
        self.mixes_examples = any(
            isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.D.modules()
        )
        self.optimizers = {
            name: torch.optim.Adam(net.parameters(), lr=lr, betas=betas, fused=True)
            for name, net in self.networks.items()
        }
        self.ema = None if ema is None else EMA(self.G, ema)
        self.latent_dim: int = generator.latent_dim
        self.shape: tuple[int, ...] = generator.shape
        self.classes: int = generator.classes

    def step(self, batch: Batch) -> dict[str, Tensor]:
        real, labels = self.unpack(batch, self.classes)
        check_shape(real, self.shape, "examples")
        moves = (self.steps + 1) % self.n_critic == 0
        # One pass through G serves both players; it needs a graph only where G will move.
        with self.autocast(), torch.set_grad_enabled(moves):
            fake = self.G(self.noise(len(real)), labels).to(self.dtype)
        logs = self.discriminator_step(real, fake.detach(), labels)
        if moves:
            logs |= self.generator_step(real, fake, labels)
        return logs

    def discriminator_step(
        self, real: Tensor, fake: Tensor, labels: Tensor | None
    ) -> dict[str, Tensor]:
        real, fake = self.shown(real), self.shown(fake)
        real_logits, fake_logits, classification = self.logits(real, fake, labels)
        loss = self.loss.discriminator(real_logits, fake_logits)
        logs = {"discriminator": loss.detach().mean()}
        if self.auxiliary:
            loss = loss + self.auxiliary * classification
            logs["classification"] = classification.detach().mean()
        loss, penalty = penalised(self, loss, real, fake, labels)
        self.descend("discriminator", loss, real)
        return logs | penalty

    def generator_step(
        self, real: Tensor, fake: Tensor, labels: Tensor | None
    ) -> dict[str, Tensor]:
        fake_logits, classification = self.judge(self.shown(fake), labels)
        real_logits = None
        if self.loss.generator_needs_real:
            with torch.no_grad():
                real_logits, _ = self.judge(self.shown(real), labels)
        loss = self.loss.generator(real_logits, fake_logits)
        logs = {"generator": loss.detach().mean()}
        self.descend("generator", loss + self.auxiliary * classification, real)
        if self.ema is not None:
            self.ema.update(self.G)
        return logs

    def shown(self, x: Tensor) -> Tensor:
        """The examples as D gets to see them: augmented and packed where that was asked for."""
        if self.augment is not None:
            x = self.augment(x, generator=self.generator)
        m = self.packing
        return x.reshape(len(x) // m, m * x.shape[1], *x.shape[2:]) if m > 1 else x

    def judge(self, x: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """D's logits (N,) and its auxiliary classifier's cross-entropy (N,), which is 0 where there is none."""
        with self.autocast():
            if not self.auxiliary or labels is None:
                logits = self.D(x, labels).to(self.dtype)
                return logits, torch.zeros_like(logits)
            h = self.D.features(x)
            logits, class_logits = (
                self.D.head(h, labels).to(self.dtype),
                self.D.head.classify(h).to(self.dtype),
            )
        return logits, auxiliary_loss(class_logits, labels)

    def logits(
        self, real: Tensor, fake: Tensor, labels: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """D's logits of real and of fake, and the sum of both cross-entropies, (N,) each.

        All comes from one pass, or from two where BatchNorm would mix the statistics of real and fake.
        """
        if self.mixes_examples:
            (real_logits, real_classes), (fake_logits, fake_classes) = (
                self.judge(real, labels),
                self.judge(fake, labels),
            )
        else:
            logits, classes = self.judge(
                torch.cat([real, fake]), None if labels is None else labels.repeat(2)
            )
            (real_logits, fake_logits), (real_classes, fake_classes) = (
                logits.chunk(2),
                classes.chunk(2),
            )
        return real_logits, fake_logits, real_classes + fake_classes

    def noise(self, n: int) -> Tensor:
        """z ~ N(0, I), (n, latent_dim), from the trainer's own random state."""
        size, source = (n, self.latent_dim), self.generator
        return drawn(torch.randn, size, generator=source, device=self.device, dtype=self.dtype)

    @torch.no_grad()
    def sample(
        self, n: int, labels: Tensor | None = None, *, seed: int | None = None, average: bool = True
    ) -> Tensor:
        """``n`` samples (n, *shape) on the CPU, from the EMA generator unless ``average`` is False or there is none.

        With ``seed`` the noise depends on it alone and training is not disturbed; without, it comes from the trainer's random state. A
        conditional model without ``labels`` goes round the classes: 0, 1, 2, …
        """
        return generate(
            self, self.G if self.ema is None or not average else self.ema.network, n, labels, seed
        )


def generate(trainer: Any, network: Any, n: int, labels: Tensor | None, seed: int | None) -> Tensor:
    """``n`` outputs of a generator for noise from ``seed``, or from the trainer's random state without one; see ``GANTrainer.sample``."""
    source = (
        trainer.generator if seed is None else torch.Generator(trainer.device).manual_seed(seed)
    )
    if labels is None and trainer.classes:
        labels = torch.arange(n) % trainer.classes
    z = torch.randn(
        n, trainer.latent_dim, generator=source, device=trainer.device, dtype=trainer.dtype
    )
    return evaluate(network, z, None if labels is None else labels.to(trainer.device))


def evaluate(network: Any, z: Tensor, labels: Tensor | None, chunk: int = 1024) -> Tensor:
    """The network's outputs in evaluation mode, chunk by chunk so that memory stays small; its mode is given back."""
    was_training = network.training
    network.eval()
    try:
        parts = [
            network(z[i : i + chunk], None if labels is None else labels[i : i + chunk]).cpu()
            for i in range(0, len(z), chunk)
        ]
    finally:
        network.train(was_training)
    return torch.cat(parts) if parts else torch.empty(0, *network.shape)
