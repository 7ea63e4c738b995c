"""What a network of yours has to be: four protocols, any of which a plain ``nn.Module`` can fulfil.

No base class and no attribute is needed. The library's own networks carry ``shape``, ``latent_dim``
and ``classes``, which are then checked against each other; where a network lacks them, the trainer
is told (``latent_dim=``, ``classes=``), or the first batch tells.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

from torch import Tensor, nn

# Layers after which a sigmoid is still the last thing that computes.
PASSIVE = (nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout)


class Generator(Protocol):
    """Noise z (N, latent_dim), and labels (N,) where there are classes, to examples (N, *shape)."""

    def __call__(self, z: Tensor, labels: Tensor | None = None, /) -> Tensor: ...


class Discriminator(Protocol):
    """Examples (N, *shape), and labels (N,) where there are classes, to one logit each, (N,).

    A logit is unbounded: no sigmoid at the end. Large is real.
    """

    def __call__(self, x: Tensor, labels: Tensor | None = None, /) -> Tensor: ...


class Encoder(Protocol):
    """Examples (N, *shape) to the mean and the log-variance of q(z|x), each (N, latent_dim)."""

    def __call__(self, x: Tensor, labels: Tensor | None = None, /) -> tuple[Tensor, Tensor]: ...


class Decoder(Protocol):
    """Codes z (N, latent_dim) to the parameters of p(x|z), (N, outputs·C, …), unbounded.

    What the parameters mean is the likelihood's business: a Bernoulli reads one logit a pixel.
    """

    def __call__(self, z: Tensor, labels: Tensor | None = None, /) -> Tensor: ...


def call(network: Any, x: Tensor, labels: Tensor | None) -> Any:
    """A network's output; without labels it is called with one argument, as any module is."""
    return network(x) if labels is None else network(x, labels)


def agreed(attribute: str, given: Any, **networks: Any) -> Any:
    """What was given, or what the networks say of themselves, where they say it; else None.

    Raises:
        ValueError: two of them differ.
    """
    said = {"the argument": given}
    said |= {f"the {name}": getattr(net, attribute, None) for name, net in networks.items()}
    said = {name: value for name, value in said.items() if value is not None}
    (first, ours), *rest = [*said.items()] or [("", None)]
    for name, theirs in rest:
        if theirs != ours:
            raise ValueError(f"{first} and {name} disagree on {attribute}: {ours} and {theirs}")
    return ours


def refuse_sigmoid(network: nn.Module, name: str, why: str) -> None:
    """Raise ``ValueError`` where a network's last layer is a sigmoid."""
    leaves = [m for m in network.modules() if not list(m.children())]
    last = next((m for m in reversed(leaves) if not isinstance(m, PASSIVE)), None)
    if isinstance(last, nn.Sigmoid):
        raise ValueError(f"the {name} ends in a sigmoid, but {why}: leave the sigmoid out")


@contextlib.contextmanager
def evaluating(*networks: Any) -> Iterator[None]:
    """Put networks into evaluation mode for a block; every part then has its mode back.

    What is no ``nn.Module``, and so has no modes, is left as it is.
    """
    modules = [m for net in networks if isinstance(net, nn.Module) for m in net.modules()]
    modes = [(module, module.training) for module in modules]
    try:
        for module in modules:
            module.training = False
        yield
    finally:
        for module, mode in modes:
            module.training = mode
