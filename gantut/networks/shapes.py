"""What every network checks before it computes: shapes, labels, sizes."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def check_shape(x: Tensor, shape: tuple[int, ...], what: str) -> None:
    """Raise ``ValueError`` unless ``x`` is a batch (N, *shape)."""
    if tuple(x.shape[1:]) != tuple(shape) or x.ndim != len(shape) + 1:
        expected = ", ".join(["N", *map(str, shape)])
        raise ValueError(f"expected {what} of shape ({expected}), got {tuple(x.shape)}")


def check_labels(labels: Tensor | None, classes: int, n: int) -> Tensor | None:
    """Return ``labels`` when they fit a network with ``classes`` classes and a batch of ``n``.

    Raises:
        ValueError: labels are missing for a conditional network, given to an unconditional one, of another length, or outside
            0 … classes − 1.
        TypeError: labels are not integers.
    """
    if classes == 0:
        if labels is not None:
            raise ValueError("this network is unconditional (classes=0), but labels were given")
        return None
    if labels is None:
        raise ValueError(
            f"this network is conditional on {classes} classes, but no labels were given"
        )
    if labels.dtype not in (torch.int64, torch.int32, torch.uint8):
        raise TypeError(f"labels must be integers, got {labels.dtype}")
    if labels.shape != (n,):
        raise ValueError(f"expected {n} labels, shape ({n},), got {tuple(labels.shape)}")
    # A check by value cannot be part of an exported graph, whose user has to know the range.
    if (
        not torch.compiler.is_exporting()
        and n
        and not (int(labels.min()) >= 0 and int(labels.max()) < classes)
    ):
        raise ValueError(
            f"labels must lie in 0 … {classes - 1}, got {int(labels.min())} … {int(labels.max())}"
        )
    return labels.long()


def append_label(x: Tensor, labels: Tensor | None, classes: int) -> Tensor:
    """Append the label as a one-hot code: to a vector (N, d), or as constant planes to an image (N, C, H, W) or a wave (N, C, T)."""
    checked = check_labels(
        labels, classes, x.shape[0]
    )  # len(x) would fix the batch size of an exported network
    if checked is None:
        return x
    code = F.one_hot(checked, classes).to(x.dtype)
    if x.ndim > 2:
        code = code[(..., *[None] * (x.ndim - 2))].expand(-1, -1, *x.shape[2:])
    return torch.cat([x, code], dim=1)


def halvings(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """How often an image (C, H, W) can be halved down to a side of at most 7, and the sides left: (levels, height, width).

    28 → 14 → 7 gives (2, 7, 7); 32 → 16 → 8 → 4 gives (3, 4, 4).

    Raises:
        ValueError: the shape is not (C, H, W), or a side cannot be halved down to 7.
    """
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"a convolutional network needs an image shape (C, H, W), got {shape}")
    _, height, width = shape
    levels = 0
    while max(height, width) > 7 or levels == 0:
        if height % 2 or width % 2:
            raise ValueError(
                f"image sides must be halvable down to 7 or less (like 8, 28, 32, 48, 64), got {shape[1]}×{shape[2]}"
            )
        height, width, levels = height // 2, width // 2, levels + 1
    return levels, height, width


def size(shape: tuple[int, ...]) -> int:
    """The number of values in one example of ``shape``; raises ``ValueError`` where that is zero."""
    if not shape or min(shape) < 1:
        raise ValueError(f"a shape needs positive sides, like (2,) or (1, 28, 28), got {shape}")
    return math.prod(shape)


def check_latent_dim(latent_dim: int) -> int:
    """Return ``latent_dim``, or raise ``ValueError`` when it is not positive."""
    if latent_dim < 1:
        raise ValueError(f"latent_dim must be at least 1, got {latent_dim}")
    return latent_dim
