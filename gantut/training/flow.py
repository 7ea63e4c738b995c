"""Training a velocity field by flow matching."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from gantut.models.flow import Flow
from gantut.training.loop import Batch, Trainer


class FlowTrainer(Trainer):
    """Minimises ‖v(x_t, t) − (x − ε)‖² over the velocity's weights. [lipman2023]

    A batch is (N, d), or a pair with labels where the velocity has classes. A step logs ``velocity``,
    the squared error summed over the d numbers and averaged over the batch. It does not fall to 0:
    what is left is how much the lines through one point differ.

    Args:
        flow: the ``Flow`` to train.
        lr: Adam's learning rate.
        betas: Adam's two decays.
        seed: of times and noise.
        device: ``"auto"`` takes a GPU where there is one.
        precision: ``"float32"``, ``"float64"``, ``"bfloat16"`` or ``"float16"``.

    Raises:
        ValueError: in a step: batches that are no vectors, or have no labels where they are needed.

    Example:
        >>> import torch
        >>> from gantut import models, training
        >>> trainer = training.FlowTrainer(models.Flow(models.VelocityMLP(2)), device="cpu")
        >>> _ = trainer.fit([torch.randn(64, 2)], steps=2)
        >>> trainer.sample(3, seed=0).shape
        torch.Size([3, 2])
    """

    def __init__(
        self,
        flow: Flow,
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        seed: int = 0,
        device: str | torch.device = "auto",
        precision: str = "float32",
    ) -> None:
        super().__init__({"flow": flow}, seed=seed, device=device, precision=precision)
        self.flow = cast(Flow, self.networks["flow"])
        trained = [p for p in flow.parameters() if p.requires_grad]
        self.optimizers = {"flow": torch.optim.Adam(trained, lr=lr, betas=betas, fused=True)}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, labels = self.unpack(batch, self.flow.classes)
        with self.autocast():
            loss = self.flow(x, labels, generator=self.generator)
        self.descend("flow", loss, x)
        return {"velocity": loss.detach().mean()}

    @torch.no_grad()
    def sample(
        self, n: int, labels: Tensor | None = None, *, seed: int | None = None, **options
    ) -> Tensor:
        """``n`` draws (n, d) on the CPU; ``steps`` and ``method`` as in ``Flow.transport``.

        Missing labels run through all classes in turn. ``seed`` fixes the noise.
        """
        source = self.generator if seed is None else torch.Generator(self.device).manual_seed(seed)
        if labels is None and self.flow.classes:
            labels = torch.arange(n, device=self.device) % self.flow.classes
        return self.flow.sample(n, labels, generator=source, **options).cpu()
