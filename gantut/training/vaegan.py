"""Training a VAE whose measure of a good reconstruction is learned: the VAE-GAN."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gantut.losses.elbo import rate
from gantut.losses.features import feature_distance
from gantut.losses.gan import AdversarialLoss, adversarial_loss
from gantut.losses.penalties import Penalty
from gantut.models.priors import draw
from gantut.models.vae import VAE
from gantut.networks.shapes import check_shape
from gantut.numerics import check_weight
from gantut.training.adversaries import check_judge, discriminate, generator_losses, penalised
from gantut.training.loop import Batch
from gantut.training.vae import VAEOwner


class VAEGANTrainer(VAEOwner):
    """One VAE and one discriminator: the decoder is the GAN's generator, and D's last hidden layer measures distance. [larsen2016]

    With f the features of D, x̂ a reconstruction and x′ a sample from the prior, the three players minimise, in their own weights only,

    - encoder: rate + ½‖f(x) − f(x̂)‖²,
    - decoder: γ · ½‖f(x) − f(x̂)‖² + ½ (generator's loss at x̂ + the same at x′),
    - D: ½ (discriminator's loss of x against x̂ + the same against x′).

    The distance is the distortion of a Gaussian of variance 1 over features, so its nats are not those of the ELBO. γ = ``gamma`` weighs
    likeness against realism in the decoder. ``penalty`` as in ``GANTrainer``, at x and x′. D needs a method ``features``.

    Raises:
        ValueError: γ is negative or not finite, D has no features, or D and the VAE disagree on shape or classes; an unknown loss.
    """

    def __init__(
        self,
        vae: VAE,
        discriminator: Any,
        *,
        gamma: float = 0.05,
        loss: str | AdversarialLoss = "non_saturating",
        penalty: Penalty | None = None,
        penalty_every: int = 1,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.0, 0.99),
        ema: float | None = 0.995,
        seed: int = 0,
        device: str | torch.device = "auto",
        precision: str = "float32",
        compile: bool = False,
    ) -> None:
        check_judge(discriminator, shape=vae.shape, classes=vae.classes)
        if not hasattr(discriminator, "features"):
            raise ValueError(
                f"{type(discriminator).__name__} has no features(x), in which this trainer measures distance"
            )
        networks = {"vae": vae, "discriminator": discriminator}
        super().__init__(
            networks, ema=ema, seed=seed, device=device, precision=precision, compile=compile
        )
        self.D: Any = self.networks["discriminator"]
        self.gamma, self.loss = check_weight("gamma", gamma), adversarial_loss(loss)
        self.penalty, self.penalty_every = penalty, penalty_every
        players = {"encoder": vae.encoder, "decoder": vae.decoder, "discriminator": discriminator}
        self.optimizers = {
            name: torch.optim.Adam(network.parameters(), lr=lr, betas=betas, fused=True)
            for name, network in players.items()
        }

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, labels = self.unpack(batch, self.vae.classes)
        check_shape(x, self.vae.shape, "examples")
        with self.autocast():
            output = self.vae(x, labels, generator=self.generator)
            prior_codes = draw(self.vae.prior(output.z[0]), len(x), self.generator)
            reconstructed = output.likelihood.mean.to(self.dtype)
            sampled = self.vae.decode(prior_codes, labels).mean.to(self.dtype)

        loss = discriminate(self, self.loss, x, [reconstructed.detach(), sampled.detach()], labels)
        logs = {"discriminator": loss.detach().mean()}
        loss, penalty = penalised(self, loss, x, sampled.detach(), labels)
        self.descend("discriminator", loss, x)

        distance = feature_distance(self.features, x, reconstructed)
        adversarial = generator_losses(self, self.loss, x, [reconstructed, sampled], labels)
        R = rate(output)
        # Both players' gradients pass through one graph. The encoder moves first: the decoder's way back does not cross it.
        self.descend("encoder", R + distance, x, keep_graph=True)
        self.descend("decoder", self.gamma * distance + adversarial, x)
        self.average()
        logs |= {name: term.detach().mean() for name, term in (("rate", R), ("distance", distance))}
        return logs | penalty | {"generator": adversarial.detach().mean()}

    def features(self, x: Tensor) -> Tensor:
        """D's last hidden layer, in full precision."""
        with self.autocast():
            return self.D.features(x).to(self.dtype)
