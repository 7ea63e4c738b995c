"""Data held in memory: images as bytes, scaled to [0, 1] one batch at a time, and float tensors of any shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gantut.data.batches import Batches


def _check_lengths(n: int, named: dict[str, Tensor | None]) -> None:
    for what, values in named.items():
        if values is not None and values.shape != (n,):
            raise ValueError(f"expected {n} {what}, shape ({n},), got {tuple(values.shape)}")


@dataclass(frozen=True)
class ImageData:
    """Images (N, C, H, W) as bytes, with labels (N,) and known factors (N,) where there are any.

    The byte ``maximum`` means 1.0. One byte a pixel keeps many images small; a batch becomes float32 in [0, 1] when it is drawn.

    Raises:
        ValueError: not uint8 of four dimensions, or labels or factors of another length.
    """

    images: Tensor
    labels: Tensor | None = None
    maximum: int = 255
    name: str = "images"
    classes: int = 0
    factors: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise ValueError(
                f"expected uint8 images (N, C, H, W), got {self.images.dtype} {tuple(self.images.shape)}"
            )
        _check_lengths(len(self.images), {"labels": self.labels, **self.factors})

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)"""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def floats(self, index: Any = None) -> Tensor:
        """The images at ``index`` (all of them without one) as float32 in [0, 1]."""
        chosen = self.images if index is None else self.images[index]
        return chosen.to(torch.float32).div_(self.maximum)

    def subset(self, index: Any) -> ImageData:
        """The images at ``index`` with their labels and factors."""
        labels = None if self.labels is None else self.labels[index]
        factors = {name: values[index] for name, values in self.factors.items()}
        return ImageData(self.images[index], labels, self.maximum, self.name, self.classes, factors)

    def batches(self, batch_size: int, **options: Any) -> Batches:
        """Shuffled batches of these images; the options are those of ``Batches``."""
        return Batches(self, batch_size, **options)


@dataclass(frozen=True)
class TensorData:
    """Examples (N, …) as floats, with labels (N,) where there are any.

    Raises:
        ValueError: a value is NaN or infinite (the message counts them and names the first example), or labels of another length.
    """

    values: Tensor
    labels: Tensor | None = None
    name: str = "tensor"

    def __post_init__(self) -> None:
        if not self.values.is_floating_point() or self.values.ndim < 2:
            raise ValueError(
                f"expected float values (N, …), got {self.values.dtype} {tuple(self.values.shape)}"
            )
        bad = ~torch.isfinite(self.values)
        if bad.any():
            first = int(bad.flatten(1).any(1).nonzero()[0])
            raise ValueError(
                f"{int(bad.sum())} values are NaN or infinite, the first in example {first}; expected finite ones"
            )
        _check_lengths(len(self.values), {"labels": self.labels})

    def __len__(self) -> int:
        return len(self.values)

    def floats(self, index: Any = None) -> Tensor:
        return self.values if index is None else self.values[index]

    def batches(self, batch_size: int, **options: Any) -> Batches:
        """Shuffled batches of these examples; the options are those of ``Batches``."""
        return Batches(self, batch_size, **options)
