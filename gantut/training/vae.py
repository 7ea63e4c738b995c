"""Training a variational autoencoder."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from gantut.losses.elbo import distortion, rate
from gantut.training.base import Batch, Trainer
from gantut.training.ema import EMA
from gantut.vae import VAE


class VAETrainer(Trainer):
    """Minimises distortion + β · rate over encoder, decoder and likelihood together, with one Adam. [kingma2014]

    β = 1 maximises the ELBO; another β gives the β-VAE [higgins2017]. ``ema`` averages the whole VAE; it is off unless asked.

    Raises:
        ValueError: β is negative or not finite.
    """

    def __init__(
        self,
        vae: VAE,
        *,
        beta: float = 1.0,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        ema: float | None = None,
        seed: int = 0,
        device: str | torch.device = "auto",
        precision: str = "float32",
    ) -> None:
        if not 0 <= beta < float("inf"):
            raise ValueError(f"beta must be a finite number ≥ 0, got {beta}")
        super().__init__({"vae": vae}, seed=seed, device=device, precision=precision)
        self.vae: VAE = vae
        self.beta = beta
        self.optimizers = {
            "vae": torch.optim.Adam([p for p in vae.parameters() if p.requires_grad], lr=lr, betas=betas, fused=True)
        }
        self.ema = None if ema is None else EMA(vae, ema)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, labels = self.unpack(batch, self.vae.classes)
        with self.autocast():
            output = self.vae(x, labels, generator=self.generator)
        D, R = distortion(output, x), rate(output)
        self.descend("vae", D + self.beta * R, x)
        if self.ema is not None:
            self.ema.update(self.vae)
        D, R = D.detach().mean(), R.detach().mean()
        return {"negative_elbo": D + R, "distortion": D, "rate": R}

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
