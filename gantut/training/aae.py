"""Training an adversarial autoencoder: a discriminator of codes in the place of the rate."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gantut.losses.elbo import distortion, rate
from gantut.losses.gan import AdversarialLoss, adversarial_loss
from gantut.losses.penalties import Penalty
from gantut.models.priors import draw
from gantut.models.vae import VAE
from gantut.networks.shapes import check_shape
from gantut.numerics import check_weight
from gantut.training.adversaries import check_judge, discriminate, generator_losses, penalised
from gantut.training.loop import Batch
from gantut.training.vae import VAEOwner


class AAETrainer(VAEOwner):
    """Minimises distortion + λ · the generator's loss of the codes, while D tells codes from draws of the prior. [makhzani2016]

    For D a draw z ~ p(z) is real, and a code z ~ q(z|x) of an example is fake; so the encoder is a generator whose noise is the data. At
    the best D the minimax loss gives 2·JSD(q(z), p(z)) − log 4: the *average* code has to look like the prior, where the VAE's rate asks it
    of every single posterior. λ = ``weight``; D is a network over codes (latent_dim,). ``penalty`` as in ``GANTrainer``. The rate is
    logged, not minimised.

    Raises:
        ValueError: λ is negative or not finite, D is not made for the VAE's codes and classes; an unknown loss.
    """

    def __init__(
        self,
        vae: VAE,
        discriminator: Any,
        *,
        weight: float = 1.0,
        loss: str | AdversarialLoss = "non_saturating",
        penalty: Penalty | None = None,
        penalty_every: int = 1,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.5, 0.99),
        ema: float | None = None,
        seed: int = 0,
        device: str | torch.device = "auto",
        precision: str = "float32",
        compile: bool = False,
    ) -> None:
        check_judge(discriminator, shape=(vae.latent_dim,), classes=vae.classes)
        networks = {"vae": vae, "discriminator": discriminator}
        super().__init__(
            networks, ema=ema, seed=seed, device=device, precision=precision, compile=compile
        )
        self.D: Any = self.networks["discriminator"]
        self.weight, self.loss = check_weight("weight", weight), adversarial_loss(loss)
        self.penalty, self.penalty_every = penalty, penalty_every
        self.optimizers = {
            name: torch.optim.Adam(network.parameters(), lr=lr, betas=betas, fused=True)
            for name, network in self.networks.items()
        }

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, labels = self.unpack(batch, self.vae.classes)
        check_shape(x, self.vae.shape, "examples")
        with self.autocast():
            output = self.vae(x, labels, generator=self.generator)
        real = draw(self.vae.prior(output.z[0]), len(x), self.generator).detach().to(self.dtype)
        codes = output.z.to(self.dtype)

        loss = discriminate(self, self.loss, real, [codes.detach()], labels)
        logs = {"discriminator": loss.detach().mean()}
        loss, penalty = penalised(self, loss, real, codes.detach(), labels)
        self.descend("discriminator", loss, x)

        adversarial = generator_losses(self, self.loss, real, [codes], labels)
        D = distortion(output, x)
        self.descend("vae", D + self.weight * adversarial, x)
        self.average()
        terms = {"distortion": D, "rate": rate(output), "generator": adversarial}
        return logs | penalty | {name: term.detach().mean() for name, term in terms.items()}
