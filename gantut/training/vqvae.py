"""Training a VQ-VAE, and then a prior over its codes."""

from typing import Any, ClassVar, Unpack, cast

import torch
from torch import Tensor

from gantut.losses.quantisation import codebook, commitment
from gantut.models.code_priors import AutoregressiveCodes, CodePrior
from gantut.models.vqvae import VQVAE
from gantut.numerics import check_shape, check_weight
from gantut.processes import averaged
from gantut.protocols import evaluating
from gantut.training.batches import MEANS, check_made
from gantut.training.loop import Batch, Trainer
from gantut.training.players import Options


class VQVAETrainer(Trainer):
    """Minimises distortion + ‖sg(h) − e‖² + β · ‖h − sg(e)‖² over encoder, codebook and decoder.

    One Adam moves all three; the decoder's gradient is copied from e to h. With a codebook of
    moving averages the middle term moves nothing and is only logged. A quantiser without a codebook
    (``FiniteScalarQuantiser``) needs neither of the two last terms: distortion alone is minimised.
    [oord2017]

    A step logs ``distortion``, ``codebook`` and ``commitment``, means over the batch in nats and
    squared distances, and ``perplexity``, exp of the entropy of the batch's code frequencies, which
    says how many codes are in use (with several layers, their geometric mean).

    Args:
        vqvae: the model to train.
        beta: β ≥ 0, the weight of the commitment.
        restart_every: every so many steps, codes that no vector of the batch chose are moved onto
            vectors of the batch [dhariwal2020]; 0 leaves them where they are.
        options: ``lr`` (1e-3), ``betas``, ``ema`` (off) and the others as in ``Trainer``.

    Raises:
        ValueError: β is negative or not finite, or ``restart_every`` negative or without a
            codebook.

    Example:
        >>> import torch
        >>> from gantut import models, networks, training
        >>> encoder = networks.GridEncoder((1, 8, 8), 4, width=8)
        >>> decoder = networks.GridDecoder(4, (1, 8, 8), width=8)
        >>> trainer = training.VQVAETrainer(models.VQVAE(encoder, 16, decoder), device="cpu")
        >>> sorted(trainer.fit([torch.rand(8, 1, 8, 8)], steps=2))
        ['codebook', 'commitment', 'distortion', 'perplexity']
    """

    def __init__(
        self,
        vqvae: VQVAE,
        *,
        beta: float = 0.25,
        restart_every: int = 0,
        **options: Unpack[Options],
    ) -> None:
        if restart_every < 0:
            raise ValueError(f"restart_every must be 0 or more steps, got {restart_every}")
        if restart_every and not vqvae.quantiser.has_codebook:
            raise ValueError(f"there is no codebook to restart every {restart_every} steps")
        super().__init__({"vqvae": vqvae}, averaged="vqvae", **options)
        self.vqvae = cast(VQVAE, self.networks["vqvae"])
        self.beta, self.restart_every = check_weight("beta", beta), restart_every
        self.classes, self.shape = vqvae.classes, vqvae.shape

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, labels = self.unpack(batch)
        with self.autocast():
            output = self.vqvae(x, labels)
        check_shape(x, output.likelihood.event_shape, "examples")
        h, e, codes, likelihood = output
        loss = -likelihood.log_prob(x)
        if self.steps == 0:
            check_made(x, likelihood.mean, MEANS)
        terms, quantiser = {"distortion": loss}, cast(Any, self.vqvae.quantiser)
        if quantiser.has_codebook:
            terms |= {"codebook": codebook(h, e), "commitment": commitment(h, e)}
            loss = loss + terms["codebook"] + self.beta * terms["commitment"]
        self.descend("vqvae", loss)
        self.average()
        if self.restart_every and self.steps % self.restart_every == 0:
            quantiser.restart(h, codes, self.generator)
        logs = {name: term.detach().mean() for name, term in terms.items()}
        return logs | {"perplexity": self._perplexity(codes)}

    def _perplexity(self, codes: Tensor) -> Tensor:
        # Layers side by side; bincount would make a GPU wait.
        layers = (
            codes.movedim(1, 0).flatten(1) if self.vqvae.quantiser.layers else codes.view(1, -1)
        )
        ones = torch.ones(layers.shape, dtype=self.dtype, device=codes.device)
        counts = ones.new_zeros(len(layers), self.vqvae.size).scatter_add_(1, layers, ones)
        shares = averaged(counts / layers.shape[1])
        return torch.special.entr(shares).sum(1).mean().exp()

    @torch.no_grad()
    def sample(  # type: ignore[override]
        self,
        n: int | None = None,
        labels: Tensor | int | None = None,
        *,
        prior: CodePrior | None = None,
        seed: int | None = None,
        average: bool = True,
    ) -> Tensor:
        """``n`` decoded means (n, *shape) on the CPU; ``prior`` is uniform unless given.

        Where prior or decoder are conditional, missing labels run through all classes in turn. The
        other arguments are as in ``Trainer.sample``.
        """
        classes = self.vqvae.classes or (0 if prior is None else prior.classes)
        model: Any = self.model if average else self.trained
        with evaluating(model):
            n, asked = self.asked(n, labels, classes)
            return model.sample(n, asked, prior=prior, generator=self.source(seed)).cpu()


class CodePriorTrainer(Trainer):
    """Minimises −log p(c) over a prior's weights, for codes that a VQ-VAE named. [oord2017]

    A batch is (N, *grid), whole numbers, or a pair with labels; floats that hold whole numbers will
    do, so that ``TensorData(codes.float(), labels)`` can serve. A step logs ``code_nats``, the mean
    of −log p(c).

    Args:
        prior: the ``AutoregressiveCodes`` to train.
        options: ``lr`` (2e-3), ``betas``, ``ema`` (off) and the others as in ``Trainer``.

    Raises:
        ValueError: in a step: codes of another shape or range, or labels that are missing.

    Example:
        >>> import torch
        >>> from gantut import models, training
        >>> prior = models.AutoregressiveCodes(4, (2, 2), width=8)
        >>> trainer = training.CodePriorTrainer(prior, device="cpu")
        >>> history = trainer.fit([torch.zeros(8, 2, 2)], steps=30)
        >>> history["code_nats"][0] > history["code_nats"][-1]
        True
    """

    defaults: ClassVar[Options] = {"lr": 2e-3, "betas": (0.9, 0.999), "ema": None}

    def __init__(self, prior: AutoregressiveCodes, **options: Unpack[Options]) -> None:
        super().__init__({"prior": prior}, averaged="prior", **options)
        self.prior = cast(AutoregressiveCodes, self.networks["prior"])
        self.classes, self.shape = prior.classes, prior.grid

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, labels = self.unpack(batch)
        with self.autocast():
            log_prob = self.prior.log_prob(x.long(), labels)
        self.descend("prior", -log_prob)
        self.average()
        return {"code_nats": -log_prob.detach().mean()}
