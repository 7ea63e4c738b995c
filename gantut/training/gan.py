"""Training a generative adversarial network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gantut.losses.adversarial import AdversarialLoss, adversarial_loss
from gantut.losses.penalties import Penalty
from gantut.networks.inputs import check_shape
from gantut.training.base import Batch, Trainer
from gantut.training.ema import EMA


class GANTrainer(Trainer):
    """Alternates one step of the discriminator with one of the generator, each with its own Adam. [goodfellow2014]

    ``loss`` is a name of ``LOSSES`` or a pair. ``penalty`` is added to the discriminator's loss every ``penalty_every`` steps, times that
    number, so that its average strength stays the same [karras2020]. The generator moves in every ``n_critic``-th step only
    [arjovsky2017]. ``ema`` is the decay of the generator's moving average, which ``sample`` uses; None switches it off. The defaults are
    those that trained digits fastest here: a high learning rate and no momentum, β₁ = 0.

    Raises:
        ValueError: the generator and the discriminator disagree on shape or classes; an unknown loss; a count below 1.
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
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.0, 0.99),
        ema: float | None = 0.995,
        seed: int = 0,
        device: str | torch.device = "auto",
        precision: str = "float32",
    ) -> None:
        for attribute in ("shape", "classes"):
            ours, theirs = getattr(generator, attribute), getattr(discriminator, attribute)
            if ours != theirs:
                raise ValueError(f"generator and discriminator disagree on {attribute}: {ours} and {theirs}")
        if n_critic < 1 or penalty_every < 1:
            raise ValueError(f"n_critic and penalty_every must be at least 1, got {n_critic} and {penalty_every}")
        networks = {"generator": generator, "discriminator": discriminator}
        super().__init__(networks, seed=seed, device=device, precision=precision)
        self.G, self.D = self.networks["generator"], self.networks["discriminator"]
        self.loss, self.penalty = adversarial_loss(loss), penalty
        self.penalty_every, self.n_critic = penalty_every, n_critic
        self.mixes_examples = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.D.modules())
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

    def discriminator_step(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
        real_logits, fake_logits = self.logits(real, fake, labels)
        loss = self.loss.discriminator(real_logits, fake_logits)
        logs = {"discriminator": loss.detach().mean()}
        if self.penalty is not None and self.steps % self.penalty_every == 0:
            # Second derivatives in 8 bits of mantissa are noise, so penalties are computed outside autocast.
            penalty = self.penalty(self._score(labels), real, fake, generator=self.generator)
            loss = loss + self.penalty_every * penalty
            logs["penalty"] = penalty.detach().mean()
        self.descend("discriminator", loss, real)
        return logs

    def generator_step(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
        with self.autocast():
            fake_logits = self.D(fake, labels).to(self.dtype)
            real_logits = None
            if self.loss.generator_needs_real:
                with torch.no_grad():
                    real_logits = self.D(real, labels).to(self.dtype)
        loss = self.loss.generator(real_logits, fake_logits)
        self.descend("generator", loss, real)
        if self.ema is not None:
            self.ema.update(self.G)
        return {"generator": loss.detach().mean()}

    def logits(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """D's logits of real and fake examples: in one pass, or in two where BatchNorm would mix their statistics."""
        with self.autocast():
            if self.mixes_examples:
                real_logits, fake_logits = self.D(real, labels), self.D(fake, labels)
            else:
                real_logits, fake_logits = self._score(labels)(torch.cat([real, fake])).chunk(2)
        return real_logits.to(self.dtype), fake_logits.to(self.dtype)

    def noise(self, n: int) -> Tensor:
        """z ~ N(0, I), (n, latent_dim), from the trainer's own random state."""
        return torch.randn(n, self.latent_dim, generator=self.generator, device=self.device, dtype=self.dtype)

    def _score(self, labels: Tensor | None):
        """D as a function of the example alone; where real and fake are stacked, so are their labels."""

        def score(x: Tensor) -> Tensor:
            repeated = None if labels is None else labels.repeat(len(x) // len(labels))
            return self.D(x, repeated)

        return score

    @torch.no_grad()
    def sample(self, n: int, labels: Tensor | None = None, *, seed: int | None = None, average: bool = True) -> Tensor:
        """``n`` samples (n, *shape) on the CPU, from the EMA generator unless ``average`` is False or there is none.

        With ``seed`` the noise depends on it alone and training is not disturbed; without, it comes from the trainer's random state. A
        conditional model without ``labels`` goes round the classes: 0, 1, 2, …
        """
        source = self.generator if seed is None else torch.Generator(self.device).manual_seed(seed)
        if labels is None and self.classes:
            labels = torch.arange(n) % self.classes
        network = self.G if self.ema is None or not average else self.ema.network
        z = torch.randn(n, self.latent_dim, generator=source, device=self.device, dtype=self.dtype)
        return evaluate(network, z, None if labels is None else labels.to(self.device))


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
