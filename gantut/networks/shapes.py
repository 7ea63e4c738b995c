"""What networks check before they compute: shapes and labels. No check waits for a device."""

from __future__ import annotations

import torch
from torch import Tensor

from gantut.numerics import check_numbers

Shape = tuple[int, ...]


def check_labels(labels: Tensor | None, classes: int, n: int) -> Tensor | None:
    """Return labels that fit a network with ``classes`` classes as int64, or None for a network
    without classes.

    The values are compared with the range on the CPU only. On a GPU that would make the program
    wait at every pass; the data's own check, made once, has to do there.

    Args:
        labels: integers (n,) of any width, from 0 to classes − 1; None without classes.
        classes: the number of classes, 0 for an unconditional network.
        n: the number of examples.

    Raises:
        ValueError: labels are missing, not expected, of another length, or out of range.
        TypeError: labels are not a tensor of integers.

    Example:
        >>> import torch
        >>> check_labels(torch.tensor([0, 3]), 3, 2)
        Traceback (most recent call last):
        ValueError: labels must lie in 0 … 2, got 0 … 3
    """
    if classes == 0:
        if labels is not None:
            raise ValueError("this network is unconditional (classes=0), but labels were given")
        return None
    if labels is None:
        raise ValueError(
            f"this network is conditional on {classes} classes, but no labels were given"
        )
    labels = check_numbers(labels, classes, "labels")
    if labels.shape != (n,):
        raise ValueError(f"expected {n} labels, shape ({n},), got {tuple(labels.shape)}")
    return labels


def append_label(x: Tensor, labels: Tensor | None, classes: int) -> Tensor:
    """Append the label to each example as a one-hot code: 1 at its place, 0 elsewhere.

    Args:
        x: vectors (N, d), waves (N, C, T) or images (N, C, H, W).
        labels: as in ``check_labels``.
        classes: the number of classes; with 0, ``x`` is returned as it is.

    Returns:
        (N, d + classes), or (N, C + classes, …) where each entry of the code fills a plane.

    Example:
        >>> import torch
        >>> append_label(torch.tensor([[0.5], [0.7]]), torch.tensor([1, 0]), 2)
        tensor([[0.5000, 0.0000, 1.0000],
                [0.7000, 1.0000, 0.0000]])
    """
    # Not len(x), which would fix the batch size of an exported network.
    checked = check_labels(labels, classes, x.shape[0])
    if checked is None:
        return x
    # F.one_hot looks at the values, and so waits for the device.
    code = (checked[:, None] == torch.arange(classes, device=x.device)).to(x.dtype)
    if x.ndim > 2:
        code = code[(..., *[None] * (x.ndim - 2))].expand(-1, -1, *x.shape[2:])
    return torch.cat([x, code], dim=1)


def check_sides(shape: Shape) -> Shape:
    """Return the shape of an example, or raise a ``ValueError`` where it has a side below 1."""
    if not shape or min(shape) < 1:
        raise ValueError(f"a shape needs positive sides, like (2,) or (1, 28, 28), got {shape}")
    return tuple(shape)
