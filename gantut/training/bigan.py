"""Training a GAN that learns to infer: a generator, an encoder, and a discriminator of pairs."""

from typing import Any, ClassVar, Unpack, cast

import torch
from torch import Tensor, nn

from gantut.losses.gan import AdversarialLoss
from gantut.models.priors import diagonal_normal
from gantut.protocols import agreed, call, evaluating, refuse_sigmoid
from gantut.training.adversarial import LOGITS, AdversarialOptions, AdversarialTrainer
from gantut.training.batches import check_made
from gantut.training.gan import generate, needed_latent_dim
from gantut.training.loop import Batch
from gantut.training.players import Options


class BiGANTrainer(AdversarialTrainer):
    """A discriminator of pairs tells (x, E(x)) from (G(z), z). [donahue2017]

    Generator and encoder together try to make them alike. With an encoder that returns a Gaussian,
    and a draw from it, this is adversarially learned inference [dumoulin2017]. Two joint
    distributions are compared, q(x)q(z|x) and p(z)p(x|z); where they agree, E inverts G. The
    encoder's side of the game is the generator's with real and fake exchanged, that is, with the
    sign of the logit changed: so the loss has to be one that the exchange leaves as it is.

    Logs ``discriminator`` and ``generators``, the sum of both players' losses; means over the
    batch.

    Args:
        generator: G, from noise (N, latent_dim) to examples.
        encoder: E, from examples to (mean, log-variance), as in a VAE.
        discriminator: D, from examples and codes to one logit a pair: a ``PairDiscriminator``.
        latent_dim, classes: where the networks do not say them.
        options: ``loss`` as in ``AdversarialTrainer``, ``lr`` (1e-3), ``betas``, ``ema`` and the
            others as in ``Trainer``.

    Raises:
        ValueError: the networks disagree on shape, latent_dim or classes; an unknown loss, or one
            that treats real and fake differently; a penalty, which pairs do not take.
    """

    defaults: ClassVar[Options] = {"lr": 1e-3, "betas": (0.5, 0.99), "ema": 0.995}

    def __init__(
        self,
        generator: Any,
        encoder: Any,
        discriminator: Any,
        *,
        latent_dim: int | None = None,
        classes: int | None = None,
        **options: Unpack[AdversarialOptions],
    ) -> None:
        if options.get("penalty") is not None:
            raise ValueError("a penalty differentiates D at examples, and this D judges pairs")
        said = {"generator": generator, "encoder": encoder, "discriminator": discriminator}
        shape = agreed("shape", None, **said)
        # One network, so that there is one average of both and averaged codes fit averaged images.
        generators = nn.ModuleDict({"generator": generator, "encoder": encoder})
        networks = {"generators": generators, "discriminator": discriminator}
        super().__init__(networks, averaged="generators", **options)
        _check_exchange(self.loss)
        self.G, self.E = generators["generator"], generators["encoder"]
        latent_dim = agreed("latent_dim", latent_dim, **said)
        self.latent_dim = needed_latent_dim(latent_dim, generator=generator)
        self.classes = agreed("classes", classes, **said) or 0
        self.shape = None if shape is None else tuple(shape)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, labels = self.unpack(batch)
        z, noise = (self.noise(len(x), self.latent_dim) for _ in range(2))
        with self.autocast():
            fake = call(self.G, z, labels).to(self.dtype)
            posterior = diagonal_normal(*call(self.E, x, labels))
            code = (posterior.mean + posterior.stddev * noise).to(self.dtype)
        if self.steps == 0:
            check_made(x, fake, "the generator's values")

        real_logits = self.pairs(x, code.detach(), labels)
        fake_logits = self.pairs(fake.detach(), z, labels)
        loss = self.loss.discriminator(real_logits, fake_logits)
        logs = {"discriminator": loss.detach().mean()}
        self.descend("discriminator", loss)

        real_logits, fake_logits = self.pairs(x, code, labels), self.pairs(fake, z, labels)
        # To the encoder real is fake and fake is real, so the logit changes its sign.
        of_encoder = self.loss.generator(-fake_logits, -real_logits)
        loss = of_encoder + self.loss.generator(real_logits, fake_logits)
        self.descend("generators", loss)
        self.average()
        return logs | {"generators": loss.detach().mean()}

    def pairs(self, x: Tensor, z: Tensor, labels: Tensor | None) -> Tensor:
        """D's logits of the pairs, (N,)."""
        with self.autocast():
            logits = self.D(x, z) if labels is None else self.D(x, z, labels)
        if self.steps == 0:
            refuse_sigmoid(logits, *LOGITS)
        return logits.to(self.dtype)

    @property
    def model(self) -> nn.Module:
        """The generator to sample from, which is the moving average where there is one."""
        return self._averaged()["generator"]

    def _averaged(self) -> nn.ModuleDict:
        network = self.networks["generators"] if self.ema is None else self.ema.network
        return cast(nn.ModuleDict, network)

    def draw(self, model: Any, n: int, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        size = (n, self.latent_dim)
        z = torch.randn(size, generator=generator, device=self.device, dtype=self.dtype)
        return generate(
            model["generator"] if isinstance(model, nn.ModuleDict) else model, z, labels
        )

    @torch.no_grad()
    def encode(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """The mean of q(z|x) for examples (N, *shape), (N, latent_dim), on the CPU."""
        E, (x, labels) = self._averaged()["encoder"], self.unpack((x, labels))
        with evaluating(E):
            return call(E, x, labels)[0].cpu()

    @torch.no_grad()
    def reconstruct(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """G at the mean of q(z|x), (N, *shape), on the CPU."""
        labels = None if labels is None else labels.to(self.device)
        return generate(self.model, self.encode(x, labels).to(self.device), labels)


def _check_exchange(loss: AdversarialLoss) -> None:
    """Raise ``ValueError`` unless ℓ_D(real, fake) = ℓ_D(−fake, −real)."""
    real, fake = torch.linspace(-3, 3, 7), torch.linspace(2, -1, 7)
    if not torch.allclose(loss.discriminator(real, fake), loss.discriminator(-fake, -real)):
        raise ValueError(
            "BiGAN exchanges real and fake for its encoder, and this loss treats them differently; "
            "take one that is the same for both, such as non_saturating or hinge"
        )
