"""Lists of tensors as one vector: what optimizers with inner products need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


def flatten(tensors: Iterable[Tensor]) -> Tensor:
    """All values in one row."""
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


def gradient(
    loss: Tensor,
    parameters: Sequence[Tensor],
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> Tensor:
    """∇loss as one row; 0 where the loss does not depend on a parameter."""
    if not loss.requires_grad:
        return torch.zeros_like(flatten(parameters))
    pieces = torch.autograd.grad(
        loss,
        list(parameters),
        create_graph=create_graph,
        retain_graph=retain_graph,
        allow_unused=True,
    )
    return flatten(
        torch.zeros_like(p) if piece is None else piece
        for piece, p in zip(pieces, parameters, strict=True)
    )
