"""Training an adversarial autoencoder: a discriminator of codes in the place of the rate."""

from typing import Any, ClassVar, Unpack

from torch import Tensor

from gantut.losses.elbo import distortion, rate
from gantut.models.priors import draw
from gantut.models.vae import VAE
from gantut.numerics import check_weight
from gantut.protocols import agreed
from gantut.training.adversarial import AdversarialOptions, AdversarialTrainer
from gantut.training.batches import MEANS, check_made
from gantut.training.loop import Batch
from gantut.training.players import Options


class AAETrainer(AdversarialTrainer):
    """Minimises distortion + λ · the generator's loss of the codes. [makhzani2016]

    Meanwhile D tells codes from draws of the prior: for D a draw z ~ p(z) is real, and a code
    z ~ q(z|x) of an example is fake, so the encoder is a generator whose noise is the data. At the
    best D the minimax loss gives 2·JSD(q(z), p(z)) − log 4: the *average* code has to look like
    the prior, where the VAE's rate asks it of every single posterior.

    Logs ``discriminator``, ``distortion``, ``rate`` (which is not minimised), ``generator``, and
    ``penalty`` where there is one: means over the batch.

    Args:
        vae: its prior is D's real data, so it has to stand still.
        discriminator: D, from codes (N, latent_dim) to logits (N,).
        weight: λ ≥ 0.
        options: ``loss``, ``penalty`` and ``penalty_every`` as in ``AdversarialTrainer``, ``lr``
            (2e-3), ``betas``, ``ema`` (off) and the others as in ``Trainer``.

    Raises:
        ValueError: λ is negative or not finite; D is not made for the VAE's codes and classes; a
            prior with parameters to learn; an unknown loss.
    """

    defaults: ClassVar[Options] = {"lr": 2e-3, "betas": (0.5, 0.99), "ema": None}

    def __init__(
        self,
        vae: VAE,
        discriminator: Any,
        *,
        weight: float = 1.0,
        **options: Unpack[AdversarialOptions],
    ) -> None:
        self.weight = check_weight("weight", weight)
        codes = None if vae.latent_dim is None else (vae.latent_dim,)
        agreed("shape", codes, discriminator=discriminator)
        agreed("classes", vae.classes, discriminator=discriminator)
        if any(p.requires_grad for p in vae.latent_prior.parameters()):
            raise ValueError(
                "an AAE's prior is what its codes are compared with, and does not learn: "
                "use the standard normal, or freeze it with requires_grad_(False)"
            )
        networks = {"vae": vae, "discriminator": discriminator}
        super().__init__(networks, averaged="vae", **options)
        self.vae: Any = self.networks["vae"]
        self.classes, self.shape = vae.classes, vae.shape

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, labels = self.unpack(batch)
        with self.autocast():
            output = self.vae(x, labels, generator=self.generator)
        real = draw(self.vae.prior(output.z[0]), len(x), self.generator).detach().to(self.dtype)
        codes = output.z.to(self.dtype)

        real_logits, fake_logits = self.judge(real, labels), self.judge(codes.detach(), labels)
        loss = self.loss.discriminator(real_logits, fake_logits)
        logs = {"discriminator": loss.detach().mean()}
        loss, penalty = self.punished(loss, real, codes.detach(), labels)
        self.descend("discriminator", loss)

        real_seen = self.real_logits(real, labels)
        adversarial = self.loss.generator(real_seen, self.judge(codes, labels))
        D = distortion(output, x)
        if self.steps == 0:
            check_made(x, output.likelihood.mean, MEANS)
        self.descend("vae", D + self.weight * adversarial)
        self.average()
        terms = {"distortion": D, "rate": rate(output), "generator": adversarial}
        return logs | penalty | {name: term.detach().mean() for name, term in terms.items()}
