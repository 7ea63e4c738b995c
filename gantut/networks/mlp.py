"""Networks of fully connected layers, for points and for small images."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Unpack

from torch import nn

from gantut.networks import base
from gantut.networks.base import Judging, Options
from gantut.networks.initialisation import LEAK, start_near_zero
from gantut.networks.shapes import Shape
from gantut.numerics import chosen

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "leaky_relu": partial(nn.LeakyReLU, LEAK),
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
}


def hidden_layers(
    width: int, hidden: Sequence[int], activation: str, *, batch_norm: bool = False
) -> nn.Sequential:
    """Linear layers of the widths in ``hidden``, BatchNorm where asked, and activations."""
    activate = chosen("activation", activation, ACTIVATIONS)
    layers: list[nn.Module] = []
    for inside, out in pairwise([width, *hidden]):
        layers.append(nn.Linear(inside, out, bias=not batch_norm))
        layers += [nn.BatchNorm1d(out)] if batch_norm else []
        layers.append(activate())
    return nn.Sequential(*layers)


class Hidden(Options, total=False):
    """What a generator takes as its decoder does: its hidden layers."""

    hidden: Sequence[int]
    batch_norm: bool
    activation: str


class MLPDecoder(base.Decoder):
    """Maps codes z (N, latent_dim) to unbounded values (N, *shape).

    What the values mean is the likelihood's business: to a Bernoulli they are logits. The last
    layer's weights begin small, so that the values start near zero. [kingma2014, sohn2015]

    Args:
        latent_dim: the number of dimensions of z.
        shape: the shape of one output, like (2,) or (1, 28, 28).
        hidden: the widths of the hidden layers; () makes the decoder linear.
        classes: with classes, labels (N,) enter as a one-hot code beside z; 0 takes no labels.
        batch_norm: normalise each hidden layer over the batch. It speeds up training, and couples
            the examples of a batch while the network is in training mode.
        activation: ``"leaky_relu"``, ``"tanh"``, ``"relu"`` or ``"silu"``.
        seed: decides the first weights.

    Raises:
        ValueError: latent_dim or a side below 1, or an unknown activation; in a pass, codes of
            another shape, or labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import MLPDecoder
        >>> MLPDecoder(8, (1, 28, 28))(torch.zeros(2, 8)).shape
        torch.Size([2, 1, 28, 28])
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Shape,
        *,
        hidden: Sequence[int] = (256, 256),
        batch_norm: bool = False,
        activation: str = "leaky_relu",
        **options: Unpack[Options],
    ) -> None:
        def layers(values: int) -> list[nn.Module]:
            body = hidden_layers(values, hidden, activation, batch_norm=batch_norm)
            return [*body, nn.Linear([values, *hidden][-1], math.prod(shape))]

        super().__init__((latent_dim,), shape, layers, **options)
        start_near_zero(self.head)


class MLPGenerator(MLPDecoder):
    """Maps noise z (N, latent_dim) to samples (N, *shape): a decoder with an output range.

    [goodfellow2014]

    Args:
        latent_dim: the number of dimensions of z.
        shape: the shape of one sample, like (2,) or (1, 28, 28).
        output: ``"sigmoid"`` gives values in [0, 1], ``"tanh"`` in [−1, 1], ``"identity"``
            unbounded ones. None takes the sigmoid for images, which have three sides, and the
            identity for all else.
        hidden: the widths of the hidden layers, (256, 256).
        classes: with classes, labels (N,) enter as a one-hot code beside z; 0 takes no labels.
        batch_norm: normalise each hidden layer over the batch; off.
        activation: ``"leaky_relu"`` (the default), ``"tanh"``, ``"relu"`` or ``"silu"``.
        seed: decides the first weights, 0.

    Raises:
        ValueError: an unknown output or activation, latent_dim or a side below 1; in a pass, noise
            of another shape, or labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import MLPGenerator
        >>> MLPGenerator(4, (2,), hidden=(16,))(torch.zeros(5, 4)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self, latent_dim: int, shape: Shape, *, output: str | None = None, **options: Unpack[Hidden]
    ) -> None:
        super().__init__(latent_dim, shape, **options)
        self.output = output or ("sigmoid" if len(shape) == 3 else "identity")
        chosen("output", self.output, base.OUTPUTS)


class MLPDiscriminator(base.Discriminator):
    """Maps examples (N, *shape) to one logit each, (N,). Large is real.

    Images, which have three sides, are taken in [0, 1] and centred inside, 2x − 1.

    Args:
        shape: the shape of one example, like (2,) or (1, 28, 28).
        hidden: the widths of the hidden layers.
        classes: with classes, D judges an example together with its label (N,): the logit gains the
            inner product of the last hidden layer with a learned vector of the class
            [miyato2018projection]; 0 takes no labels.
        spectral_norm: divide each weight by its largest singular value, so that no layer stretches
            by more than 1 [miyato2018].
        minibatch_stddev: show D how much the examples of a group of four differ [karras2018].
        activation: ``"leaky_relu"``, ``"tanh"``, ``"relu"`` or ``"silu"``.
        seed: decides the first weights.

    Raises:
        ValueError: a side below 1, or an unknown activation; in a pass, examples of another
            shape, or labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import MLPDiscriminator
        >>> D = MLPDiscriminator((2,), hidden=(16,), classes=3)
        >>> D(torch.zeros(5, 2), torch.tensor([0, 1, 2, 0, 1])).shape
        torch.Size([5])
    """

    flat = True

    def __init__(
        self,
        shape: Shape,
        *,
        hidden: Sequence[int] = (256, 256),
        activation: str = "leaky_relu",
        **options: Unpack[Judging],
    ) -> None:
        super().__init__(shape, lambda values: hidden_layers(values, hidden, activation), **options)


class MLPEncoder(base.Encoder):
    """Maps examples (N, *shape) to the mean and the log-variance of q(z|x), each (N, latent_dim).

    Images, which have three sides, are taken in [0, 1] and centred inside, 2x − 1. The last layer's
    weights begin small, so that q(z|x) starts close to the prior N(0, I). [kingma2014]

    Args:
        shape: the shape of one example, like (2,) or (1, 28, 28).
        latent_dim: the number of dimensions of z.
        hidden: the widths of the hidden layers; () makes the encoder linear.
        classes: with classes, labels (N,) enter as a one-hot code beside x; 0 takes no labels.
        activation: ``"leaky_relu"``, ``"tanh"``, ``"relu"`` or ``"silu"``.
        seed: decides the first weights.

    Raises:
        ValueError: latent_dim or a side below 1, or an unknown activation; in a pass, examples of
            another shape, or labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import MLPEncoder
        >>> mean, log_variance = MLPEncoder((1, 28, 28), 8)(torch.zeros(2, 1, 28, 28))
        >>> mean.shape, log_variance.shape
        (torch.Size([2, 8]), torch.Size([2, 8]))
    """

    flat = True

    def __init__(
        self,
        shape: Shape,
        latent_dim: int,
        *,
        hidden: Sequence[int] = (256, 256),
        activation: str = "leaky_relu",
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            shape, latent_dim, lambda values: hidden_layers(values, hidden, activation), **options
        )
