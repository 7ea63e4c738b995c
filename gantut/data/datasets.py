"""Data sets: examples, their labels, and what else is known of them."""

from __future__ import annotations

import copy
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from gantut.data.batches import Batches


@dataclass(eq=False)
class TensorData(Dataset):
    """Examples of any shape as floats in memory, with what is known of each.

    ``len(data)`` is their number. ``data[i]`` is the example x, or the pair (x, label) where there
    are labels, so that ``DataLoader(data, 32)`` works; a slice or a tensor of places gives many at
    once. ``data.batches(32)`` gives shuffled batches that are a function of the step.

    Args:
        values: the examples (N, …), floats or a NumPy array of them.
        labels: their classes (N,), any integer type, counted from 0; kept as int64.
        name: what messages call the data.
        classes: the number of classes K; the number of names, or the largest label + 1, unless
            given, and 0 without labels.
        class_names: a name for each class.
        factors: known properties by name, each (N,), such as the slant an image was drawn with.
        files: the name of the file each example comes from.
        skipped: the names of files that were left out because they cannot be read.

    Raises:
        ValueError: values that are no floats, or NaN or infinite (the message counts them and names
            the first example); a 4-D array with the channels last; labels that are no integers or
            outside 0 … K − 1; or labels, factors, files or names of another number.

    Example:
        >>> import torch
        >>> points = TensorData(torch.zeros(4, 2), labels=[0, 1, 1, 2])
        >>> len(points), points.classes, points[1]
        (4, 3, (tensor([0., 0.]), tensor(1)))
    """

    values: Tensor
    labels: Tensor | None = None
    _: KW_ONLY
    name: str = "tensor"
    classes: int = 0
    class_names: tuple[str, ...] = ()
    factors: dict[str, Tensor] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.values = torch.as_tensor(self.values)
        n, shape = len(self.values), tuple(self.values.shape)
        if len(shape) == 4 and shape[3] in (1, 3, 4) and min(shape[1:3]) > 4:
            raise ValueError(f"{shape} looks like NHWC: expected NCHW, use x.movedim(-1, 1)")
        self._check_values()
        self.classes = self.classes or len(self.class_names)
        if self.labels is not None:
            self.labels, self.classes = _checked_labels(self.labels, n, self.classes)
        for name, known in self.factors.items():
            if known.shape != (n,):
                raise ValueError(f"expected {n} {name}, shape ({n},), got {tuple(known.shape)}")

    def _check_values(self) -> None:
        values = self.values
        if not values.is_floating_point() or values.ndim < 2:
            raise ValueError(
                f"expected float values (N, …), got {values.dtype} {tuple(values.shape)}"
            )
        bad = ~torch.isfinite(values.flatten(1))
        if bad.any():
            raise ValueError(
                f"{int(bad.sum())} values are NaN or infinite, the first in example "
                f"{int(bad.any(1).nonzero()[0])}; expected finite ones"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example, such as (1, T) for sounds."""
        return tuple(self.values.shape[1:])

    def floats(self, index: Any = ...) -> Tensor:
        """The examples at ``index`` (number, slice, mask or places; all without one) as floats."""
        return self.values[index]

    def subset(self, index: Any) -> Any:
        """A data set of the examples at ``index`` (slice, mask, places), with all that is known."""
        rows = torch.arange(len(self))[index].flatten()
        part = copy.copy(self)
        part.values = self.values[rows]
        part.labels = None if self.labels is None else self.labels[rows]
        part.factors = {name: known[rows] for name, known in self.factors.items()}
        part.files = tuple(self.files[row] for row in rows) if self.files else ()
        return part

    def batches(self, batch_size: int, **options: Any) -> Batches:
        """Shuffled batches, a function of the step; the options are those of ``Batches``."""
        return Batches(self, batch_size, **options)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Any:
        x = self.floats(index)
        return x if self.labels is None else (x, self.labels[index])


@dataclass(eq=False)
class ImageData(TensorData):
    """Images as bytes (N, C, H, W); what is drawn from them is float32 in [0, 1].

    One byte a pixel keeps many images small. The rest is as in every data set: ``len``,
    ``data[i]``, labels, ``batches``, ``subset``.

    Args:
        values: the images, uint8.
        labels: their classes (N,), counted from 0.
        maximum: the byte that means 1.0: 255 for most images, 16 for the 8×8 digits.
        name, classes, class_names, factors, files, skipped: see ``TensorData``.

    Raises:
        ValueError: images that are not uint8 of four dimensions, or have the channels last; a
            maximum outside 1 … 255 or below a pixel; labels that do not fit.

    Example:
        >>> import torch
        >>> images = ImageData(torch.full((3, 1, 8, 8), 51, dtype=torch.uint8))
        >>> images.shape, round(images[0].max().item(), 3)
        ((1, 8, 8), 0.2)
    """

    name: str = field(default="images", kw_only=True)
    maximum: int = field(default=255, kw_only=True)

    def _check_values(self) -> None:
        values = self.values
        if values.dtype != torch.uint8 or values.ndim != 4:
            raise ValueError(
                f"expected uint8 images (N, C, H, W), got {values.dtype} {tuple(values.shape)}; "
                "TensorData holds floats"
            )
        most = int(values.max()) if values.numel() and not values.is_meta else 1
        if not most <= self.maximum <= 255:
            raise ValueError(
                f"expected a maximum between the largest pixel, {most}, and 255, got {self.maximum}"
            )

    @property
    def images(self) -> Tensor:
        """All images as bytes, uint8 (N, C, H, W)."""
        return self._bytes(...)

    def _bytes(self, index: Any) -> Tensor:
        return self.values[index]

    def floats(self, index: Any = ...) -> Tensor:
        """The images at ``index`` (all of them without one) as float32 in [0, 1]."""
        return self._bytes(index).to(torch.float32).div_(self.maximum)


def _checked_labels(labels: Any, n: int, classes: int) -> tuple[Tensor, int]:
    """Labels as int64 and K: they are looked at once, so that nothing on the device has to."""
    labels = torch.as_tensor(labels)
    if labels.shape != (n,) or labels.is_floating_point():
        raise ValueError(
            f"expected {n} labels of an integer type, shape ({n},), got {labels.dtype} "
            f"{tuple(labels.shape)}"
        )
    labels = labels.long()
    low, high = (int(labels.min()), int(labels.max())) if n else (0, -1)
    if low < 0 or high >= (classes or high + 1) or (low > 0 and not classes):
        hint = "" if classes else "; state classes=… where the first classes have no example"
        raise ValueError(
            f"expected labels in 0 … {(classes or high - low + 1) - 1}, got {low} … {high}{hint}"
        )
    return labels, classes or high + 1
