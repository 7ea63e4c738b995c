"""A distance between examples that a network has learned: the VAE-GAN's."""

from collections.abc import Callable

from torch import Tensor

from gantut.numerics import expect


def feature_distance(features: Callable[[Tensor], Tensor], x: Tensor, other: Tensor) -> Tensor:
    """½‖f(x) − f(x̂)‖²; x stands still, and the gradient goes to x̂.

    It is the distortion of a Gaussian of variance 1 over the features, without its constant.

    Args:
        features: f, such as the last hidden layer of a discriminator: (N, *shape) to (N, …).
        x: the examples, (N, *shape).
        other: x̂, what is to come close to them, (N, *shape).

    Returns:
        (N,), summed over the features, in nats up to the constant.

    Raises:
        ValueError: x and x̂ differ in shape.

    Example:
        >>> import torch
        >>> feature_distance(lambda x: 2 * x, torch.zeros(1, 3), torch.ones(1, 3)).item()
        6.0

    Source: [larsen2016].
    """
    expect(x.shape == other.shape, "two batches of one shape", x, other)
    return 0.5 * (features(x).detach() - features(other)).flatten(1).square().sum(1)
