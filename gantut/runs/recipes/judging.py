"""What several recipes measure alike: real and made digits, as the book's feature network sees
them."""

from functools import cache
from typing import Any

import torch
from torch import Tensor

from gantut import data, metrics
from gantut.training import generate

HALF = 2000  # the training digits are cut into two halves, and as many samples are drawn


@cache
def digits(split: str = "train") -> Any:
    """The handwritten digits, read once."""
    return data.handwritten(split)


@cache
def eye() -> metrics.FeatureNetwork:
    """The network that judges digits. It learns from the training digits and meets no sample."""
    return metrics.feature_network(digits())


def halves() -> tuple[Tensor, Tensor]:
    """The features of two real halves, with the same number of each digit."""
    order = torch.argsort(digits().labels, stable=True)
    return tuple(eye().extract(digits().floats(order[k::2])).features for k in (0, 1))  # type: ignore[return-value]


def drawn(generator: Any, n: int = HALF, *, seed: int = 0, classes: int = 10) -> Tensor:
    """``n`` samples; of a conditional generator as many of each class."""
    z = torch.randn(n, generator.latent_dim, generator=torch.Generator().manual_seed(seed))
    return generate(generator, z, torch.arange(n) % classes if classes else None)


def likeness(images: Tensor) -> dict[str, float]:
    """FID to a real half, what two real halves have, their ratio, and the test for copies."""
    first, second = halves()
    made = eye().extract(images).features
    distance, floor = metrics.fid(first, made), metrics.fid(first, second)
    train = torch.cat([first, second])
    copies = metrics.copying(train, eye().extract(digits("test")).features, made)
    return {
        "fid": distance,
        "fid_floor": floor,
        "fid_over_floor": distance / floor,
        "copying_share": copies.share,
        "copying_z": copies.z,
    }
