"""Training a variational autoencoder."""

import contextlib
from collections.abc import Callable
from typing import Any, Unpack

from torch import Tensor, nn

from gantut.losses.elbo import distortion, rate
from gantut.models.vae import VAE, VAEOutput
from gantut.numerics import check_weight
from gantut.training.batches import MEANS, check_made
from gantut.training.loop import Batch, Trainer
from gantut.training.players import Options
from gantut.training.schedules import Schedule

Objective = Callable[[VAEOutput, Tensor], Tensor]


class VAETrainer(Trainer):
    """Minimises distortion + β · rate over encoder, decoder, likelihood and prior. [kingma2014]

    One Adam moves them together: the ELBO is one objective. β = 1 maximises it; another β gives
    the β-VAE [higgins2017].

    Logs ``negative_elbo``, ``distortion`` and ``rate`` in nats, means over the batch, whatever β
    is; and ``objective``, where there is another one.

    Args:
        vae: a ``VAE``, or any model whose output ``losses.distortion`` and ``losses.rate`` read,
            such as a ``HierarchicalVAE``.
        beta: β ≥ 0, or a function of the step number that gives it, such as ``warmup``.
        objective: another function ``(output, x) -> (N,)`` in the place of that sum, such as
            ``losses.free_bits``; a module with a state is saved with the networks.
        samples: K draws for each example, as the importance-weighted objectives need.
        options: ``lr`` (1e-3), ``betas``, ``ema`` (off) and the others as in ``Trainer``.

    Raises:
        ValueError: β is negative or not finite; β and an objective at once; K draws without an
            objective for them.

    Example:
        >>> import gantut
        >>> digits = gantut.data.digits()
        >>> vae = gantut.VAE(
        ...     gantut.networks.MLPEncoder(digits.shape, 2, hidden=(16,)),
        ...     gantut.networks.MLPDecoder(2, digits.shape, hidden=(16,)),
        ... )
        >>> history = gantut.VAETrainer(vae, device="cpu").fit(digits.batches(32), steps=2)
        >>> sorted(history)
        ['distortion', 'negative_elbo', 'rate']
    """

    def __init__(
        self,
        vae: VAE,
        *,
        beta: float | Schedule | None = None,
        objective: Objective | None = None,
        samples: int | None = None,
        **options: Unpack[Options],
    ) -> None:
        if objective is not None and beta is not None:
            raise ValueError(
                "beta belongs to the standard objective: give beta or an objective, not both"
            )
        if samples is not None and objective is None:
            raise ValueError(
                f"samples={samples} needs an objective for several draws, "
                "such as losses.negative_iwae"
            )
        networks: dict[str, nn.Module] = {"vae": vae}
        if isinstance(objective, nn.Module):
            networks["objective"] = objective
        super().__init__(networks, {"vae": vae}, averaged="vae", **options)
        self.vae: Any = self.networks["vae"]
        self.classes, self.shape = vae.classes, vae.shape
        self.objective, self.samples = objective, samples
        self.beta = beta if callable(beta) else check_weight("beta", 1.0 if beta is None else beta)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, labels = self.unpack(batch)
        with self.autocast():
            output = self.vae(x, labels, samples=self.samples, generator=self.generator)
        loss, logs = self.loss(output, x)
        if self.steps == 0:
            with contextlib.suppress(NotImplementedError):  # not every distribution has a mean
                mean = output.likelihood.mean
                check_made(x, mean if self.samples is None else mean[0], MEANS)
        self.descend("vae", loss)
        self.average()
        return logs

    def loss(self, output: VAEOutput, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What to minimise, (N,), and what to log."""
        if self.objective is not None and self.samples is not None:
            loss = self.objective(output, x)
            return loss, {"objective": loss.detach().mean()}
        D, R = distortion(output, x), rate(output)
        beta = self.beta(self.steps) if callable(self.beta) else self.beta
        loss = D + beta * R if self.objective is None else self.objective(output, x)
        D, R = D.detach().mean(), R.detach().mean()
        logs = {"negative_elbo": D + R, "distortion": D, "rate": R}
        if self.objective is not None:
            logs["objective"] = loss.detach().mean()
        return loss, logs
