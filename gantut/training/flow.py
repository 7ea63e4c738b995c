"""Training a velocity field by flow matching."""

from typing import Unpack, cast

from torch import Tensor

from gantut.models.flow import Flow
from gantut.training.loop import Batch, Trainer
from gantut.training.players import Options


class FlowTrainer(Trainer):
    """Minimises ‖v(x_t, t) − (x − ε)‖² over the velocity's weights. [lipman2023]

    A batch is (N, d), or a pair with labels where the velocity has classes. A step logs
    ``velocity``, the squared error summed over the d numbers and averaged over the batch. It does
    not fall to 0: what is left is how much the lines through one point differ.

    Args:
        flow: the ``Flow`` to train.
        options: ``lr`` (1e-3), ``betas``, ``ema`` (off) and the others as in ``Trainer``.

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

    def __init__(self, flow: Flow, **options: Unpack[Options]) -> None:
        super().__init__({"flow": flow}, averaged="flow", **options)
        self.flow = cast(Flow, self.networks["flow"])
        self.classes, self.shape = flow.classes, (flow.dimension,)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, labels = self.unpack(batch)
        with self.autocast():
            loss = self.flow(x, labels, generator=self.generator)
        self.descend("flow", loss)
        self.average()
        return {"velocity": loss.detach().mean()}
