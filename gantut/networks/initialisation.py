"""How weights begin: a seed that touches nothing outside, and explicit initial distributions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

Layer = TypeVar("Layer", bound=nn.Module)
LEAK = 0.2  # the negative slope of every LeakyReLU in this room
_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block under a seed of its own, and leave the global random state as it was.

    Modules draw their first weights from PyTorch's global generator. Inside this block the draw
    depends on ``seed`` alone, and code outside the block sees no trace of it.

    Args:
        seed: any integer; the same seed gives the same weights.

    Example:
        >>> from torch import nn
        >>> with seeded(3):
        ...     a = nn.Linear(2, 2)
        >>> with seeded(3):
        ...     b = nn.Linear(2, 2)
        >>> bool((a.weight == b.weight).all())
        True
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def output(layer: Layer) -> Layer:
    """Mark a layer that feeds no LeakyReLU, for ``initialise``, and return it."""
    layer.is_output = True  # type: ignore[assignment]
    return layer


def initialise(network: nn.Module) -> None:
    """Draw all weights so that LeakyReLU networks keep the size of their signal, biases at zero.

    The Kaiming normal: std = √(2 / ((1 + 0.2²)·fan_in)) where a LeakyReLU follows, and
    std = 1 / √fan_in in layers that are marked as ``output``, where none does. [he2015]
    """
    for module in network.modules():
        if isinstance(module, _WEIGHTED):
            slope = 1.0 if hasattr(module, "is_output") else LEAK
            nn.init.kaiming_normal_(module.weight, a=slope, nonlinearity="leaky_relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@torch.no_grad()
def start_near_zero(head: nn.Module) -> None:
    """Make a last layer's weights ten times smaller, so that a network's outputs begin near zero.

    An encoder then starts at the prior: mean and log-variance near 0 are q(z|x) ≈ N(0, I), the
    rate starts near 0 nats, and no code starts far out. A decoder starts with p ≈ ½ in each pixel.
    """
    for parameter in head.parameters():
        parameter.mul_(0.1)


def initialise_dcgan(network: nn.Module) -> None:
    """Draw all weights as DCGAN does: N(0, 0.02²), and N(1, 0.02²) for BatchNorm. [radford2016]"""
    for module in network.modules():
        if isinstance(module, (*_WEIGHTED, nn.BatchNorm2d)):
            nn.init.normal_(module.weight, float(isinstance(module, nn.BatchNorm2d)), 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def normalise_spectrally(network: nn.Module) -> None:
    """Divide every weight of ``network`` by its largest singular value, at each forward pass.

    A linear map then stretches no direction by more than 1. For a convolution the matrix is the
    reshaped kernel, as in the paper. [miyato2018]
    """
    for module in network.modules():
        if isinstance(module, (*_WEIGHTED, nn.Embedding)):
            spectral_norm(module)
