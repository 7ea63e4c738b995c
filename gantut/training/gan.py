"""Training a generative adversarial network."""

from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn

from gantut.losses.augmentation import Augment
from gantut.networks import Packed
from gantut.numerics import at_least
from gantut.protocols import Discriminator, Generator, agreed, call, evaluating
from gantut.training.adversarial import AdversarialOptions, AdversarialTrainer
from gantut.training.batches import check_made
from gantut.training.loop import Batch
from gantut.training.players import Options


class GANTrainer(AdversarialTrainer):
    """Alternates one step of the discriminator with one of the generator. [goodfellow2014]

    D minimises its loss of real and fake logits, then G minimises its own at the new D. The
    defaults are those that trained digits fastest here: a high learning rate, no momentum
    (β₁ = 0), and a moving average of G. For several examples judged at once (PacGAN), hand over
    ``networks.Packed(D, size)``; what a short batch has beyond whole packs is left out.

    Logs ``discriminator``, ``generator`` (in the steps in which G moves) and ``penalty`` (in those
    that take it): means over the batch, in the units of the loss.

    Args:
        generator: G, from noise (N, latent_dim), and labels where there are classes, to examples.
        discriminator: D, from examples, and labels, to one logit each, (N,).
        latent_dim: the size of the noise; needed where G has no attribute of that name.
        classes: how many; where neither this nor a network says so, the model is unconditional.
        n_critic: D's steps for each of G's [arjovsky2017].
        augment: changes all that D sees, in both players' steps [zhao2020]. One that adapts itself
            (``losses.AdaptiveAugment``) is told D's real logits, and saved with the networks.
        options: ``loss``, ``penalty`` and ``penalty_every`` as in ``AdversarialTrainer``, ``lr``,
            ``betas``, ``ema``, ``optimizers`` and the others as in ``Trainer``.

    Raises:
        ValueError: the networks disagree on shape or classes, or nobody says the latent_dim; an
            unknown loss; a count below 1; in a step: data outside of [0, 1] where G ends in a
            sigmoid, examples of another shape than G's.

    Example:
        >>> import torch, gantut
        >>> G = gantut.networks.MLPGenerator(2, (2,), hidden=(16,))
        >>> D = gantut.networks.MLPDiscriminator((2,), hidden=(16,))
        >>> trainer = gantut.GANTrainer(G, D, loss="hinge", device="cpu")
        >>> history = trainer.fit(gantut.data.ring().batches(32), steps=3)
        >>> len(history["generator"]), tuple(trainer.sample(5).shape)
        (3, (5, 2))
    """

    defaults: ClassVar[Options] = {"lr": 2e-3, "betas": (0.0, 0.99), "ema": 0.995}

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        *,
        latent_dim: int | None = None,
        classes: int | None = None,
        n_critic: int = 1,
        augment: Augment | None = None,
        **options: Unpack[AdversarialOptions],
    ) -> None:
        at_least(1, n_critic=n_critic)
        both: dict[str, Any] = {"generator": generator, "discriminator": discriminator}
        shape = agreed("shape", None, **both)
        networks = dict(both)
        if isinstance(augment, nn.Module):
            networks["augment"] = augment
        super().__init__(networks, both, averaged="generator", **options)
        self.G: Any = self.networks["generator"]
        self.latent_dim = needed_latent_dim(latent_dim, generator=generator)
        self.classes = agreed("classes", classes, **both) or 0
        self.shape = None if shape is None else tuple(shape)
        self.n_critic, self.augment = n_critic, augment
        self.observe = getattr(augment, "observe", None)
        # BatchNorm in D would mix the statistics of real and fake in a joint pass.
        norms = (nn.modules.batchnorm._BatchNorm,)
        self.one_pass = not any(isinstance(module, norms) for module in self.D.modules())

    def step(self, batch: Batch) -> dict[str, Tensor]:
        real, labels = self.unpack(batch)
        real = whole_packs(self.D, real)
        moves = (self.steps + 1) % self.n_critic == 0
        # One pass through G serves both players; it needs a graph only where G will move.
        with self.autocast(), torch.set_grad_enabled(moves):
            fake = call(self.G, self.noise(len(real)), labels).to(self.dtype)
        if self.steps == 0:
            check_made(real, fake, "the generator's values")
        logs = self.discriminator_step(real, fake.detach(), labels)
        return logs | self.generator_step(real, fake, labels) if moves else logs

    def discriminator_step(
        self, real: Tensor, fake: Tensor, labels: Tensor | None = None
    ) -> dict[str, Tensor]:
        """D's step against these fakes (N, *shape), which carry no graph."""
        real, fake = self.shown(real), self.shown(fake)
        real_logits, fake_logits = self.judge_both(real, fake, labels)
        loss = self.loss.discriminator(real_logits, fake_logits)
        logs = {"discriminator": loss.detach().mean()}
        loss, penalty = self.punished(loss, real, fake, labels)
        self.descend("discriminator", loss)
        if self.observe is not None:
            self.observe(real_logits.detach())
        return logs | penalty

    def generator_step(
        self, real: Tensor, fake: Tensor, labels: Tensor | None = None
    ) -> dict[str, Tensor]:
        """G's step; ``fake`` (N, *shape) carries its graph. D stands still."""
        fake_logits = self.judge(self.shown(fake), labels)
        real_logits = None
        if self.loss.generator_needs_real:
            with torch.no_grad():
                real_logits = self.judge(self.shown(real), labels)
        loss = self.loss.generator(real_logits, fake_logits)
        self.descend("generator", loss)
        self.average()
        return {"generator": loss.detach().mean()}

    def shown(self, x: Tensor) -> Tensor:
        """The examples as D gets to see them."""
        return x if self.augment is None else self.augment(x, generator=self.generator)

    def judge_both(
        self, real: Tensor, fake: Tensor, labels: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """D's logits of real and of fake; in one pass where that changes nothing."""
        if not self.one_pass:
            return self.judge(real, labels), self.judge(fake, labels)
        both = self.judge(torch.cat([real, fake]), None if labels is None else labels.repeat(2))
        real_logits, fake_logits = both.chunk(2)
        return real_logits, fake_logits

    def noise(self, n: int, dimension: int | None = None) -> Tensor:
        """z ~ N(0, I), (n, latent_dim), from the trainer's own random state."""
        return super().noise(n, self.latent_dim if dimension is None else dimension)

    def draw(self, model: Any, n: int, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        size = (n, self.latent_dim)
        z = torch.randn(size, generator=generator, device=self.device, dtype=self.dtype)
        return generate(model, z, labels)


def needed_latent_dim(given: int | None, **network: Any) -> int:
    """The latent dimension that was given, or that a network says.

    Raises:
        ValueError: neither says it, they differ, or it is below 1.
    """
    found = agreed("latent_dim", given, **network)
    if found is None:
        ((name, there),) = network.items()
        raise ValueError(
            f"the {name} ({type(there).__name__}) has no attribute latent_dim; pass latent_dim="
        )
    at_least(1, latent_dim=found)
    return found


def whole_packs(discriminator: Any, x: Tensor) -> Tensor:
    """The examples that make whole packs; those left over in a last short batch wait for another.

    Raises:
        ValueError: there are fewer than one pack needs.
    """
    size = discriminator.size if isinstance(discriminator, Packed) else 1
    if len(x) < size:
        raise ValueError(
            f"a batch of {len(x)} makes no pack of {size}; use drop_last=True, or larger batches"
        )
    return x[: len(x) - len(x) % size]


@torch.no_grad()
def generate(network: Any, z: Tensor, labels: Tensor | None = None, chunk: int = 1024) -> Tensor:
    """A network's outputs in evaluation mode, ``chunk`` examples at a time to save memory.

    Args:
        network: a generator, or a decoder.
        z: noise or codes (N, latent_dim).
        labels: (N,) where there are classes.
        chunk: how many at a time.

    Returns:
        (N, *shape) on the CPU; the network has its mode back.
    """
    with evaluating(network):
        parts = [
            call(network, z[i : i + chunk], None if labels is None else labels[i : i + chunk]).cpu()
            for i in range(0, max(len(z), 1), chunk)
        ]
    return torch.cat(parts)
