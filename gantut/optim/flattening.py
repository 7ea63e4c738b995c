"""Many tensors as one vector: conjugate gradients think in inner products of whole gradients."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

Closure = Callable[[], Tensor]


def flatten(tensors: Iterable[Tensor]) -> Tensor:
    """All values in one row, as a copy."""
    return torch.cat([t.reshape(-1) for t in tensors])


def unflatten(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """The pieces of ``vector``, shaped like the given tensors."""
    pieces = vector.split([t.numel() for t in like])
    return [piece.view_as(t) for piece, t in zip(pieces, like, strict=True)]


@torch.no_grad()
def add_(parameters: Sequence[Tensor], vector: Tensor, scale: float = 1.0) -> None:
    """parameters ← parameters + scale · vector, in place."""
    for parameter, piece in zip(parameters, unflatten(vector, parameters), strict=True):
        parameter.add_(piece, alpha=scale)


@torch.no_grad()
def copy_(parameters: Sequence[Tensor], vector: Tensor) -> None:
    """parameters ← vector, in place."""
    for parameter, piece in zip(parameters, unflatten(vector, parameters), strict=True):
        parameter.copy_(piece)


def gradient(loss: Tensor, parameters: Sequence[Tensor], **graph: Any) -> Tensor:
    """∇loss as one row, 0 where the loss does not depend on a parameter.

    ``graph`` is what ``torch.autograd.grad`` takes: ``create_graph`` or ``retain_graph``.
    """
    if not loss.requires_grad:
        return torch.zeros_like(flatten(parameters))
    return flatten(torch.autograd.grad(loss, list(parameters), materialize_grads=True, **graph))


def scalar(value: Any, name: str) -> Tensor:
    """The value, if it is a tensor with one number.

    Raises:
        TypeError: it is something else; the message says what, under the given name.
    """
    if isinstance(value, Tensor) and value.numel() == 1:
        return value
    found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
    raise TypeError(f"{name} must be a tensor with one number; got {found}")


class VectorOptimizer(torch.optim.Optimizer):
    """An optimizer that moves all its parameters as one vector, and keeps a ``report``.

    The report lies in the optimizer's state, so that ``state_dict`` saves it.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any], **report: Any) -> None:
        super().__init__(params, defaults)
        self.parameters = [p for group in self.param_groups for p in group["params"]]
        self.report.update(evaluations=0, **report)

    @property
    def report(self) -> dict[str, Any]:
        """What has happened so far; the class's docstring says what is counted."""
        return self.state[self.parameters[0]]

    def evaluate(self, closure: Closure) -> Tensor:
        """The closure's loss, counted as one evaluation."""
        self.report["evaluations"] += 1
        return scalar(closure(), "the loss that the closure returns")
