"""What the measures of this room check before they compute."""

import torch
from torch import Tensor

from gantut.numerics import expect


def finite(name: str, values: Tensor) -> None:
    """Raise ``ValueError`` where ``values`` hold NaN or infinity; the message counts them."""
    if bad := int((~torch.isfinite(values)).sum()):
        raise ValueError(f"the {name} hold {bad} NaN or infinite values")


def in_unit_interval(name: str, images: Tensor) -> None:
    """Raise ``ValueError`` where images leave [0, 1] or are not finite."""
    if images.numel():
        low, high = (end.item() for end in images.aminmax())
        # False for NaN as well.
        expect(low >= 0 and high <= 1, f"finite {name} in [0, 1]", f"{low:g} … {high:g}")


def table(name: str, values: Tensor, least: int = 1) -> None:
    """Raise ``ValueError`` unless ``values`` are finite, (N, d) with at least so many rows."""
    expect(values.ndim == 2 and len(values) >= least, f"{name} (N, d) with N ≥ {least}", values)
    finite(name, values)


def clouds(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Two clouds of features in float64.

    Raises:
        ValueError: not (N, d) with N ≥ 2, another dimension, NaN or infinite values.
    """
    table("real features", real, 2)
    table("fake features", fake, 2)
    expect(real.shape[1] == fake.shape[1], "features of one dimension", real, fake)
    return real.double(), fake.double()
