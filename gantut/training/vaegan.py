"""Training a VAE whose measure of a good reconstruction is learned: the VAE-GAN."""

from collections.abc import Iterable
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn

from gantut.losses.elbo import rate
from gantut.losses.features import feature_distance
from gantut.models.priors import draw
from gantut.models.vae import VAE
from gantut.numerics import check_weight
from gantut.protocols import agreed
from gantut.training.adversarial import AdversarialOptions, AdversarialTrainer
from gantut.training.batches import MEANS, check_made
from gantut.training.loop import Batch
from gantut.training.players import Options


class VAEGANTrainer(AdversarialTrainer):
    """One VAE and one discriminator: the decoder is the GAN's generator. [larsen2016]

    D's last hidden layer f measures distance. With x̂ a reconstruction and x′ a sample from the
    prior, the three players minimise, in their own weights only,

    - encoder (and a learned prior): rate + ½‖f(x) − f(x̂)‖²,
    - decoder: γ · ½‖f(x) − f(x̂)‖² + ½ (generator's loss at x̂ + the same at x′),
    - D: ½ (discriminator's loss of x against x̂ + the same against x′).

    The distance is the distortion of a Gaussian of variance 1 over features, so its nats are not
    those of the ELBO.

    Logs ``discriminator``, ``rate``, ``distance``, ``generator``, and ``penalty`` where there is
    one: means over the batch.

    Args:
        vae: its decoder's means are the fakes; its likelihood is not used otherwise.
        discriminator: D, with a method ``features(x)`` that gives f, (N, features).
        gamma: γ ≥ 0 weighs likeness against realism in the decoder.
        options: ``loss``, ``penalty`` (at x and x′) and ``penalty_every`` as in
            ``AdversarialTrainer``, ``lr`` (2e-3), ``betas``, ``ema`` and the others as in
            ``Trainer``.

    Raises:
        ValueError: γ is negative or not finite, D has no features, or D and the VAE disagree on
            shape or classes; an unknown loss.
    """

    defaults: ClassVar[Options] = {"lr": 2e-3, "betas": (0.0, 0.99), "ema": 0.995}

    def __init__(
        self,
        vae: VAE,
        discriminator: Any,
        *,
        gamma: float = 0.05,
        **options: Unpack[AdversarialOptions],
    ) -> None:
        self.gamma = check_weight("gamma", gamma)
        for attribute in ("shape", "classes"):
            agreed(attribute, None, vae=vae, discriminator=discriminator)
        if not hasattr(discriminator, "features"):
            kind = type(discriminator).__name__
            raise ValueError(f"{kind} has no features(x), in which this trainer measures distance")
        coder: Any = nn.ModuleList([vae.encoder, vae.latent_prior])  # type: ignore[list-item]
        players = {"encoder": coder, "decoder": vae.decoder, "discriminator": discriminator}
        networks = {"vae": vae, "discriminator": discriminator}
        super().__init__(networks, players, averaged="vae", **options)
        self.vae: Any = self.networks["vae"]
        self.classes, self.shape = vae.classes, vae.shape

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, labels = self.unpack(batch)
        with self.autocast():
            output = self.vae(x, labels, generator=self.generator)
            codes = draw(self.vae.prior(output.z[0]), len(x), self.generator).detach()
            rebuilt = output.likelihood.mean.to(self.dtype)
            sampled = self.vae.decode(codes, labels).mean.to(self.dtype)
        if self.steps == 0:
            check_made(x, rebuilt, MEANS)

        real_logits = self.judge(x, labels)
        fakes = [self.judge(fake.detach(), labels) for fake in (rebuilt, sampled)]
        loss = mean_of(self.loss.discriminator(real_logits, logits) for logits in fakes)
        logs = {"discriminator": loss.detach().mean()}
        loss, penalty = self.punished(loss, x, sampled.detach(), labels)
        self.descend("discriminator", loss)

        distance = feature_distance(self.features, x, rebuilt)
        real_seen = self.real_logits(x, labels)
        fakes = [self.judge(fake, labels) for fake in (rebuilt, sampled)]
        adversarial = mean_of(self.loss.generator(real_seen, logits) for logits in fakes)
        R = rate(output)
        # Both players' gradients pass through one graph. The encoder moves first: the decoder's
        # way back does not cross it.
        self.descend("encoder", R + distance, keep_graph=True)
        self.descend("decoder", self.gamma * distance + adversarial)
        self.average()
        terms = {"rate": R, "distance": distance, "generator": adversarial}
        return logs | penalty | {name: term.detach().mean() for name, term in terms.items()}

    def features(self, x: Tensor) -> Tensor:
        """D's last hidden layer, (N, features), in full precision."""
        with self.autocast():
            return self.D.features(x).to(self.dtype)


def mean_of(losses: Iterable[Tensor]) -> Tensor:
    """The average of several losses (N,), example by example."""
    return torch.stack(list(losses)).mean(0)
