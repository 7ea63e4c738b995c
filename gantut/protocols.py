"""What a network of yours has to be: four protocols, any of which a plain ``nn.Module`` can fulfil.

No base class and no attribute is needed. The library's own networks carry ``shape``, ``latent_dim``
and ``classes``, which are then checked against each other; where a network lacks them, the trainer
is told (``latent_dim=``, ``classes=``), or the first batch tells.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

from torch import Tensor, nn

# Layers after which a sigmoid is still the last thing that computes, and the same in a graph.
PASSIVE = (nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout)
PASSING = {
    *("Alias", "Clone", "Permute", "ReshapeAlias", "Select", "Slice", "Split", "Squeeze", "T"),
    *("ToCopy", "Transpose", "UnsafeView", "Unsqueeze", "View"),
}
# What PyTorch says where an input does not fit the first layer.
MISFITS = ("cannot be multiplied", "to have", "must match", "size mismatch", "is invalid for input")
PARAMETERS = ("decoder", "the likelihood reads unbounded numbers")


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


def call(network: Any, *inputs: Tensor | None) -> Any:
    """A network's output. Labels that are None are left out, so that any module can be called.

    Raises:
        ValueError: the network does not take an input of this shape; PyTorch's words follow.
    """
    given = [x for x in inputs if x is not None]
    try:
        return network(*given)
    except RuntimeError as error:
        if type(error) is not RuntimeError or not any(w in str(error) for w in MISFITS):
            raise
        kind, shapes = type(network).__name__, ", ".join(str(tuple(x.shape)) for x in given)
        raise ValueError(
            f"the network {kind} does not take an input of shape {shapes}: {error}"
        ) from error


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


def last_operation(output: Tensor) -> str:
    """What computed an output, as autograd calls it, or "" where there is no graph to look at.

    Changes of shape and type are passed over.

    Example:
        >>> import torch
        >>> x = torch.zeros(2, 1, requires_grad=True)
        >>> last_operation(torch.sigmoid(x).squeeze(1))
        'Sigmoid'
    """
    node, name = output.grad_fn, ""
    while node is not None:
        name = type(node).__name__.split("Backward")[0]
        if name not in PASSING:
            break
        node = node.next_functions[0][0]
    return name


def refuse_sigmoid(found: nn.Module | Tensor, name: str, why: str) -> None:
    """Raise ``ValueError`` where a network ends in a sigmoid.

    Args:
        found: the network, of which only an ``nn.Sequential`` shows what comes last; or its
            output, whose graph shows it for every network.
        name: what the message calls the network.
        why: what reads its output.
    """
    if isinstance(found, Tensor):
        ends = last_operation(found) == "Sigmoid"
    else:
        while isinstance(found, nn.Sequential):
            active = [layer for layer in found if not isinstance(layer, PASSIVE)]
            found = active[-1] if active else nn.Identity()
        ends = isinstance(found, nn.Sigmoid)
    if ends:
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
