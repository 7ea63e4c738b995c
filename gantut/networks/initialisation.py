"""How weights begin: a seed that touches nothing outside, and explicit initial distributions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

LEAK = 0.2  # the negative slope of every LeakyReLU in this room
_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block under ``seed`` and give the global random state back as it was.

    Modules draw their first weights from PyTorch's global generator. Inside this block the draw depends on ``seed`` alone, and code
    outside the block sees no trace of it.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def initialise(network: nn.Module, *, outputs: tuple[nn.Module, ...] = ()) -> None:
    """Draw the weights for LeakyReLU networks: variance kept from layer to layer, biases at zero.

    Hidden layers use the Kaiming normal, std = √(2 / ((1 + 0.2²) · fan_in)); layers in ``outputs`` feed no LeakyReLU and use
    std = 1 / √fan_in. [he2015]
    """
    for module in network.modules():
        if isinstance(module, _WEIGHTED):
            slope = 1.0 if module in outputs else LEAK
            nn.init.kaiming_normal_(module.weight, a=slope, nonlinearity="leaky_relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@torch.no_grad()
def start_at_prior(head: nn.Linear) -> None:
    """Shrink an encoder's last layer tenfold, so that q(z|x) starts near N(0, I): the rate starts near 0 and no code starts far out."""
    head.weight.mul_(0.1)


def initialise_dcgan(network: nn.Module) -> None:
    """Draw the weights as DCGAN does: N(0, 0.02²) for convolutions, N(1, 0.02²) for BatchNorm scales. [radford2016]"""
    for module in network.modules():
        if isinstance(module, _WEIGHTED):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)


def normalise_spectrally(network: nn.Module) -> None:
    """Divide every weight of ``network`` by its largest singular value, at each forward pass. [miyato2018]

    A linear map then stretches no direction by more than 1. For a convolution the matrix is the reshaped kernel, as in the paper.
    """
    for module in network.modules():
        if isinstance(module, (*_WEIGHTED, nn.Embedding)):
            spectral_norm(module)
