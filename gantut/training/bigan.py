"""Training a GAN that learns to infer: a generator, an encoder, and a discriminator of pairs."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from gantut.losses.gan import AdversarialLoss, adversarial_loss
from gantut.models.priors import diagonal_normal
from gantut.networks.shapes import check_shape
from gantut.processes import drawn
from gantut.training.adversaries import check_judge
from gantut.training.ema import EMA
from gantut.training.gan import evaluate, generate
from gantut.training.loop import Batch, Trainer


class BiGANTrainer(Trainer):
    """A discriminator of pairs tells (x, E(x)) from (G(z), z); generator and encoder together try to make them alike. [donahue2017]

    With an encoder that returns a Gaussian, and a draw from it, this is adversarially learned inference [dumoulin2017]. Two joint
    distributions are compared, q(x)q(z|x) and p(z)p(x|z); where they agree, E inverts G. The encoder's side of the game is the generator's
    with real and fake exchanged, that is, with the sign of the logit changed: so the loss must be one that the exchange leaves as it is.
    D is a ``PairDiscriminator``; E returns (mean, log-variance) as a VAE's encoder does.

    Raises:
        ValueError: networks disagree on shape, latent_dim or classes; an unknown loss, or one that treats real and fake differently.
    """

    def __init__(
        self,
        generator: Any,
        encoder: Any,
        discriminator: Any,
        *,
        loss: str | AdversarialLoss = "non_saturating",
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.5, 0.99),
        ema: float | None = 0.995,
        seed: int = 0,
        device: str | torch.device = "auto",
        precision: str = "float32",
        compile: bool = False,
    ) -> None:
        check_judge(discriminator, shape=generator.shape, classes=generator.classes)
        for name, network in (("encoder", encoder), ("discriminator", discriminator)):
            for attribute in ("shape", "latent_dim", "classes"):
                ours, theirs = getattr(generator, attribute), getattr(network, attribute)
                if ours != theirs:
                    raise ValueError(
                        f"generator and {name} disagree on {attribute}: {ours} and {theirs}"
                    )
        self.loss = adversarial_loss(loss)
        _check_exchange(self.loss)
        networks = {"generator": generator, "encoder": encoder, "discriminator": discriminator}
        super().__init__(networks, seed=seed, device=device, precision=precision, compile=compile)
        self.G, self.E, self.D = (self.networks[name] for name in networks)
        self.generators = nn.ModuleList([self.G, self.E])
        players = {"generators": self.generators, "discriminator": self.D}
        self.optimizers = {
            name: torch.optim.Adam(network.parameters(), lr=lr, betas=betas, fused=True)
            for name, network in players.items()
        }
        # One average of both, so that averaged codes fit averaged images.
        self.ema = None if ema is None else EMA(self.generators, ema)
        self.latent_dim, self.shape, self.classes = (
            generator.latent_dim,
            generator.shape,
            generator.classes,
        )

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, labels = self.unpack(batch, self.classes)
        check_shape(x, self.shape, "examples")
        z, noise = (self._normal((len(x), self.latent_dim)) for _ in range(2))
        with self.autocast():
            fake = self.G(z, labels).to(self.dtype)
            posterior = diagonal_normal(*self.E(x, labels))
            code = (posterior.mean + posterior.stddev * noise).to(self.dtype)

        real_logits, fake_logits = (
            self.judge(x, code.detach(), labels),
            self.judge(fake.detach(), z, labels),
        )
        loss = self.loss.discriminator(real_logits, fake_logits)
        logs = {"discriminator": loss.detach().mean()}
        self.descend("discriminator", loss, x)

        real_logits, fake_logits = self.judge(x, code, labels), self.judge(fake, z, labels)
        # To the encoder real is fake and fake is real, so the logit changes its sign.
        loss = self.loss.generator(-fake_logits, -real_logits) + self.loss.generator(
            real_logits, fake_logits
        )
        logs["generators"] = loss.detach().mean()
        self.descend("generators", loss, x)
        if self.ema is not None:
            self.ema.update(self.generators)
        return logs

    def judge(self, x: Tensor, z: Tensor, labels: Tensor | None) -> Tensor:
        """D's logits of the pairs, (N,)."""
        with self.autocast():
            return self.D(x, z, labels).to(self.dtype)

    def _normal(self, size: tuple[int, ...]) -> Tensor:
        return drawn(
            torch.randn, size, generator=self.generator, device=self.device, dtype=self.dtype
        )

    @property
    def model(self) -> tuple[Any, Any]:
        """The generator and the encoder to use: the moving averages where there are any, and the trained ones otherwise."""
        G, E = [self.G, self.E] if self.ema is None else cast(nn.ModuleList, self.ema.network)
        return G, E

    @torch.no_grad()
    def sample(self, n: int, labels: Tensor | None = None, *, seed: int | None = None) -> Tensor:
        """``n`` samples (n, *shape) on the CPU; ``seed`` and ``labels`` as in ``GANTrainer``."""
        return generate(self, self.model[0], n, labels, seed)

    @torch.no_grad()
    def encode(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """The mean of q(z|x), (N, latent_dim), on the CPU."""
        _, E = self.model
        was_training = E.training
        E.eval()
        try:
            mean, _ = E(
                x.to(self.device, self.dtype), None if labels is None else labels.to(self.device)
            )
        finally:
            E.train(was_training)
        return mean.cpu()

    @torch.no_grad()
    def reconstruct(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """G at the mean of q(z|x), (N, *shape), on the CPU."""
        labels = None if labels is None else labels.to(self.device)
        return evaluate(self.model[0], self.encode(x, labels).to(self.device), labels)


def _check_exchange(loss: AdversarialLoss) -> None:
    """Raise ``ValueError`` unless D's loss is the same with real and fake exchanged and both logits' signs changed."""
    generator = torch.Generator().manual_seed(0)
    real, fake = 3 * torch.randn(2, 64, generator=generator, dtype=torch.float64)
    if not torch.allclose(loss.discriminator(real, fake), loss.discriminator(-fake, -real)):
        raise ValueError(
            "this loss treats real and fake differently, so an encoder cannot play it from the other side; "
            "use for instance non_saturating, hinge or wasserstein"
        )
