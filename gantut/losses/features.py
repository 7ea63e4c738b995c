"""A distance between examples that a network learned: the VAE-GAN's. [larsen2016]"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def feature_distance(features: Callable[[Tensor], Tensor], x: Tensor, other: Tensor) -> Tensor:
    """½‖f(x) − f(x̂)‖², (N,), summed over the features; x stands still, and the gradient goes to ``other`` = x̂.

    It is the distortion of a Gaussian with variance 1 over features, without its constant. [larsen2016]

    Raises:
        ValueError: x and x̂ differ in shape.
    """
    if x.shape != other.shape:
        raise ValueError(
            f"expected two batches of one shape, got {tuple(x.shape)} and {tuple(other.shape)}"
        )
    return 0.5 * (features(x).detach() - features(other)).flatten(1).square().sum(1)
