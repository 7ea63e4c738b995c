"""Training a VQ-VAE, and then a prior over its codes."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack, cast

import torch
from torch import Tensor

from gantut.losses.quantisation import codebook, commitment
from gantut.models.code_priors import AutoregressiveCodes, CodePrior
from gantut.models.vqvae import VQVAE
from gantut.numerics import check_weight
from gantut.processes import averaged
from gantut.training.loop import Batch, Options, Trainer, evaluating


class VQVAETrainer(Trainer):
    """Minimises distortion + ‖sg(h) − e‖² + β · ‖h − sg(e)‖² over encoder, codebook and decoder, with one Adam. [oord2017]

    The decoder's gradient is copied from e to h. With a codebook of moving averages the middle term moves nothing and is only logged. The
    perplexity, exp of the entropy of the batch's code frequencies, says how many codes are in use. Every ``restart_every`` steps those that
    no vector of the batch chose are moved onto vectors of the batch [dhariwal2020]; 0 leaves them where they are.

    Raises:
        ValueError: β is negative or not finite, or a negative ``restart_every``.
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
        super().__init__({"vqvae": vqvae}, averaged="vqvae", **options)
        self.vqvae = cast(VQVAE, self.networks["vqvae"])
        self.beta, self.restart_every = check_weight("beta", beta), restart_every
        self.classes, self.shape = vqvae.classes, vqvae.shape

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, labels = self.unpack(batch)
        with self.autocast():
            output = self.vqvae(x, labels)
        terms = {
            "distortion": -output.likelihood.log_prob(x),
            "codebook": codebook(output.h, output.e),
            "commitment": commitment(output.h, output.e),
        }
        loss = terms["distortion"] + terms["codebook"] + self.beta * terms["commitment"]
        self.descend("vqvae", loss)
        self.average()
        if self.restart_every and self.steps % self.restart_every == 0:
            self.vqvae.quantiser.restart(output.h, output.codes, self.generator)
        shares = averaged(
            output.codes.flatten().bincount(minlength=self.vqvae.size) / output.codes.numel()
        )
        logs = {name: term.detach().mean() for name, term in terms.items()}
        return logs | {"perplexity": torch.special.entr(shares).sum().exp()}

    @torch.no_grad()
    def sample(  # type: ignore[override]
        self,
        n: int,
        labels: Tensor | int | None = None,
        *,
        prior: CodePrior | None = None,
        seed: int | None = None,
        average: bool = True,
    ) -> Tensor:
        """``n`` decoded means (n, *shape) on the CPU, for codes drawn from ``prior``, uniform unless given.

        Where prior or decoder are conditional, missing labels run through all classes in turn.
        """
        classes = self.vqvae.classes or (0 if prior is None else prior.classes)
        model: Any = self.model if average else self.trained
        with evaluating(model):
            asked = self.asked(n, labels, classes)
            return model.sample(n, asked, prior=prior, generator=self.source(seed)).cpu()


class CodePriorTrainer(Trainer):
    """Minimises −log p(c) over a prior's weights, for grids of codes that a trained VQ-VAE named. [oord2017]

    A batch is (N, h, w), whole numbers; floats that hold whole numbers will do, so that ``TensorData(codes.float(), labels)`` can serve.

    Raises:
        ValueError: in a step: codes of another shape or range, or labels that are missing.
    """

    defaults: ClassVar[Options] = {"lr": 2e-3, "betas": (0.9, 0.999), "ema": None}

    def __init__(
        self,
        prior: AutoregressiveCodes,
        **options: Unpack[Options],
    ) -> None:
        super().__init__({"prior": prior}, averaged="prior", **options)
        self.prior = cast(AutoregressiveCodes, self.networks["prior"])
        self.classes, self.shape = prior.classes, prior.grid

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, labels = self.unpack(batch)
        with self.autocast():
            log_prob = self.prior.log_prob(x.long(), labels)
        self.descend("prior", -log_prob)
        return {"code_nats": -log_prob.detach().mean()}
