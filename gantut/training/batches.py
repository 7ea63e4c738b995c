"""What a batch may look like, and what becomes of it: floats, and labels where they count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gantut import numerics

EXAMPLES, LABELS = ("x", "image", "images", "inputs"), ("y", "label", "labels", "targets")


def unpacked(
    batch: Any, classes: int, shape: tuple[int, ...] | None
) -> tuple[Tensor, Tensor | None]:
    """Split a batch into examples and labels, and check both where they are, before they travel.

    Args:
        batch: a tensor or array (N, …), a tuple or list of it and labels (N,), or a dict with one
            of the keys ``EXAMPLES`` and one of ``LABELS``. Bytes are images of 0 … 255.
        classes: how many the model knows; 0 leaves labels out.
        shape: what one example has to look like; None takes any.

    Returns:
        Examples, bytes as floats in [0, 1], and labels (N,) of int64, or None.

    Raises:
        TypeError: a batch of another kind, a dict without the keys, labels that are not integers.
        ValueError: examples of another shape; labels that are missing, of another length, or
            outside 0 … classes − 1.

    Example:
        >>> import torch
        >>> x, labels = unpacked({"image": torch.tensor([[0, 255]], dtype=torch.uint8)}, 0, None)
        >>> x, labels
        (tensor([[0., 1.]]), None)
    """
    x, labels = _split(batch)
    x = torch.as_tensor(x)
    if x.dtype == torch.uint8:
        x = x.float() / 255
    if shape is not None and tuple(x.shape[1:]) != tuple(shape):
        expected, hint = ", ".join(["N", *map(str, shape)]), ""
        if x.ndim == 4 and (*x.shape[3:], *x.shape[1:3]) == tuple(shape):
            hint = "; the channels are last: use x.movedim(-1, 1)"
        raise ValueError(f"expected examples of shape ({expected}), got {tuple(x.shape)}{hint}")
    if classes == 0:
        return x, None
    if labels is None:
        raise ValueError(
            f"the model is conditional on {classes} classes, but the batch has no labels; "
            "use data.batches(…, labels=True), or batches (x, labels)"
        )
    labels = torch.as_tensor(labels)
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise TypeError(f"labels must be integers, got {labels.dtype}")
    if labels.shape != (len(x),):
        raise ValueError(f"expected {len(x)} labels, shape ({len(x)},), got {tuple(labels.shape)}")
    # Labels on another device are not read: that would be a wait in every step.
    if numerics.on_cpu(labels) and len(x):
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= classes:
            raise ValueError(f"labels must lie in 0 … {classes - 1}, got {low} … {high}")
    return x, labels.long()


def _split(batch: Any) -> tuple[Any, Any]:
    if isinstance(batch, Mapping):
        x = next((batch[key] for key in EXAMPLES if key in batch), None)
        if x is None:
            raise TypeError(
                f"a batch with the keys {', '.join(map(repr, batch))} has no examples; "
                f"expected one of {', '.join(map(repr, EXAMPLES))}"
            )
        return x, next((batch[key] for key in LABELS if key in batch), None)
    if isinstance(batch, (tuple, list)):
        if not 1 <= len(batch) <= 2:
            raise TypeError(f"expected a batch (x,) or (x, labels), got {len(batch)} parts")
        return batch[0], batch[1] if len(batch) == 2 else None
    if isinstance(batch, Tensor) or hasattr(batch, "__array__"):
        return batch, None
    raise TypeError(
        f"expected a batch as a tensor, a tuple (x, labels) or a dict, got {type(batch).__name__}"
    )
