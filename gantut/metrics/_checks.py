"""What the measures of this room check before they compute."""

from __future__ import annotations

import torch
from torch import Tensor


def finite(name: str, values: Tensor) -> None:
    """Raise ``ValueError`` where ``values`` hold NaN or infinity; the message counts them."""
    if bad := int((~torch.isfinite(values)).sum()):
        raise ValueError(f"the {name} hold {bad} NaN or infinite values")


def in_unit_interval(name: str, images: Tensor) -> None:
    """Raise ``ValueError`` where images leave [0, 1] or are not finite."""
    if images.numel():
        low, high = float(images.min()), float(images.max())
        if not (low >= 0 and high <= 1):  # true for NaN as well
            raise ValueError(f"expected finite {name} in [0, 1], got {low:g} … {high:g}")


def clouds(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Two clouds of features in float64.

    Raises:
        ValueError: not (N, d) with N ≥ 2, another dimension, NaN or infinite values.
    """
    for name, cloud in (("real", real), ("fake", fake)):
        if cloud.ndim != 2 or len(cloud) < 2:
            shape = tuple(cloud.shape)
            raise ValueError(f"expected {name} features (N, d) with N ≥ 2, got {shape}")
        finite(f"{name} features", cloud)
    if real.shape[1] != fake.shape[1]:
        dimensions = f"{real.shape[1]} and {fake.shape[1]}"
        raise ValueError(f"real and fake features differ in dimension: {dimensions}")
    return real.double(), fake.double()
