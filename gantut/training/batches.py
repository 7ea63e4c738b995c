"""What a batch may look like, and what becomes of it: floats, and labels where they count."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gantut.numerics import check_numbers
from gantut.protocols import last_operation

EXAMPLES, LABELS = ("x", "image", "images", "inputs"), ("y", "label", "labels", "targets")

# What the last operation of a network says of the range of its values; a sum or a convolution has
# no end, and of all else the values themselves have to tell.
RANGES = {"Sigmoid": (0.0, 1.0), "Tanh": (-1.0, 1.0)}
MEANS = "the means of p(x|z)"
ENDLESS = ("Addmm", "Mm", "Convolution", "NativeBatchNorm")


class Batched(Protocol):
    """Data whose k-th batch is a function of k alone, such as ``data.digits().batches(64)``."""

    def batch(self, k: int) -> Any: ...


Data = Batched | Iterable[Any]


def endless(data: Data, start: int) -> Iterator[Any]:
    """The endless sequence of batches from number ``start`` on."""
    if hasattr(data, "batch"):
        k = start
        while True:
            yield data.batch(k)
            k += 1
    if isinstance(data, (Tensor, Dataset)) or not isinstance(data, Iterable):
        raise TypeError(
            "expected data with batch(k), or an iterable of batches such as a DataLoader, got "
            f"{type(data).__name__}; wrap it: DataLoader(data, batch_size=64, shuffle=True)"
        )
    while True:
        empty = True
        for batch in data:
            empty = False
            yield batch
        if empty:
            raise ValueError("the data gave no batch: it is empty, or an iterator that has ended")


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
    if isinstance(x, np.ndarray) and not x.flags.writeable:
        x = x.copy()  # a tensor that shares its memory could be written
    x = torch.as_tensor(x)
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"expected a batch of one example or more, got shape {tuple(x.shape)}")
    if x.dtype == torch.uint8:
        x = x.float() / 255
    if shape is not None and tuple(x.shape[1:]) != tuple(shape):
        expected, hint = ", ".join(["N", *map(str, shape)]), _channels_last(x, shape)
        raise ValueError(f"expected examples of shape ({expected}), got {tuple(x.shape)}{hint}")
    if classes == 0:
        return x, None
    if labels is None:
        raise ValueError(
            f"the model is conditional on {classes} classes, but the batch has no labels; "
            "use data.batches(…, labels=True), or batches (x, labels)"
        )
    labels = torch.as_tensor(labels)
    labels = check_numbers(labels, classes, "labels")
    if labels.shape != (len(x),):
        raise ValueError(f"expected {len(x)} labels, shape ({len(x)},), got {tuple(labels.shape)}")
    return x, labels


def check_made(real: Tensor, made: Tensor, what: str) -> None:
    """Compare what a network makes with the data; it waits for the device: once, at the start.

    Args:
        real: examples (N, *shape).
        made: as many, with their graph.
        what: what the message calls it, in the plural.

    Raises:
        ValueError: they differ in shape, or the data lies where the network cannot reach.
    """
    if made.shape != real.shape:
        raise ValueError(
            f"{what} have shape {tuple(made.shape[1:])}, and the data has {tuple(real.shape[1:])}"
            + _channels_last(real, tuple(made.shape[1:]))
        )
    last = last_operation(made)
    if last in ENDLESS or not real.numel():
        return
    low, high = (value.item() for value in real.aminmax())
    least, most = (value.item() for value in made.detach().aminmax())
    inside = (0.0, 1.0) if least >= 0 and most <= 1 else (-math.inf, math.inf)
    least, most = RANGES.get(last, inside)
    if low < least - 0.01 or high > most + 0.01:
        where = f"[{least:g}, {most:g}]"
        raise ValueError(
            f"the data has values from {low:g} to {high:g}, but {what} lie in {where}: "
            f"bring the data to {where}, or let the network reach further"
        )


def _channels_last(x: Tensor, shape: tuple[int, ...]) -> str:
    """A hint where examples would have this shape if their channels came first."""
    last = x.ndim == 4 and (*x.shape[3:], *x.shape[1:3]) == tuple(shape)
    return "; the channels are last: use x.movedim(-1, 1)" if last else ""


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
