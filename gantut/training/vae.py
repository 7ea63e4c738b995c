"""Training a variational autoencoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from gantut.losses.elbo import distortion, rate
from gantut.models.vae import VAE, VAEOutput
from gantut.numerics import check_weight
from gantut.training.ema import EMA
from gantut.training.loop import Batch, Trainer
from gantut.training.schedules import Schedule

Objective = Callable[[VAEOutput, Tensor], Tensor]


class VAEOwner(Trainer):
    """A trainer whose model is a VAE: it keeps the VAE's moving average and samples from it."""

    def __init__(
        self,
        networks: dict[str, nn.Module],
        *,
        ema: float | None,
        seed: int,
        device: str | torch.device,
        precision: str,
        compile: bool = False,
    ) -> None:
        super().__init__(networks, seed=seed, device=device, precision=precision, compile=compile)
        self.vae = cast(VAE, self.networks["vae"])
        self.ema = None if ema is None else EMA(self.vae, ema)

    def average(self) -> None:
        """Move the average, where there is one, after a step."""
        if self.ema is not None:
            self.ema.update(self.vae)

    @property
    def model(self) -> VAE:
        """The VAE to sample from, which is the moving average where there is one and the trained one otherwise."""
        return self.vae if self.ema is None else cast(VAE, self.ema.network)

    @torch.no_grad()
    def sample(self, n: int, labels: Tensor | None = None, *, seed: int | None = None) -> Tensor:
        """``n`` decoded means (n, *shape) on the CPU, for codes drawn from the prior; ``seed`` and ``labels`` as in ``GANTrainer``."""
        source = self.generator if seed is None else torch.Generator(self.device).manual_seed(seed)
        if labels is None and self.vae.classes:
            labels = torch.arange(n) % self.vae.classes
        return self.model.sample(n, labels, generator=source).cpu()


class VAETrainer(VAEOwner):
    """Minimises distortion + β · rate over encoder, decoder, likelihood and prior together, with one Adam. [kingma2014]

    β = 1 maximises the ELBO; another β gives the β-VAE [higgins2017]; a schedule (``warmup``) is asked for β at each step.
    ``objective`` replaces that sum by another function ``(output, x) -> (N,)``, such as ``losses.free_bits``; one that is a module with a
    state is saved with the networks. ``samples`` asks for K draws per example, which the importance-weighted objectives
    need. ``ema`` averages the whole VAE; it is off unless asked.

    Raises:
        ValueError: β is negative or not finite; β and an objective at once; K draws without an objective for them.
    """

    def __init__(
        self,
        vae: VAE,
        *,
        beta: float | Schedule | None = None,
        objective: Objective | None = None,
        samples: int | None = None,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        ema: float | None = None,
        seed: int = 0,
        device: str | torch.device = "auto",
        precision: str = "float32",
        compile: bool = False,
    ) -> None:
        if objective is not None and beta is not None:
            raise ValueError(
                "beta belongs to the standard objective: give beta or an objective, not both"
            )
        if samples is not None and objective is None:
            raise ValueError(
                f"samples={samples} needs an objective for several draws, such as losses.negative_iwae"
            )
        networks: dict[str, nn.Module] = {"vae": vae}
        if isinstance(objective, nn.Module):
            networks["objective"] = objective
        super().__init__(
            networks, ema=ema, seed=seed, device=device, precision=precision, compile=compile
        )
        weight = 1.0 if beta is None or callable(beta) else check_weight("beta", beta)
        self.beta: Schedule = beta if callable(beta) else lambda step: weight
        self.objective, self.samples = objective, samples
        self.optimizers = {
            "vae": torch.optim.Adam(
                [p for p in vae.parameters() if p.requires_grad], lr=lr, betas=betas, fused=True
            )
        }

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, labels = self.unpack(batch, self.vae.classes)
        with self.autocast():
            output = self.vae(x, labels, samples=self.samples, generator=self.generator)
        loss, logs = self.loss(output, x)
        self.descend("vae", loss, x)
        self.average()
        return logs

    def loss(self, output: VAEOutput, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss (N,), and what to log: the negative ELBO and its parts, and the objective where there is one."""
        if self.objective is not None and self.samples is not None:
            loss = self.objective(output, x)
            return loss, {"objective": loss.detach().mean()}
        D, R, beta = distortion(output, x), rate(output), self.beta(self.steps)
        loss = D + beta * R if self.objective is None else self.objective(output, x)
        D, R = D.detach().mean(), R.detach().mean()
        logs = {"negative_elbo": D + R, "distortion": D, "rate": R}
        if self.objective is not None:
            logs["objective"] = loss.detach().mean()
        return loss, logs
