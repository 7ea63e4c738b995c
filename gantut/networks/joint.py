"""Discriminators that judge several things at once: an example with its code, or a whole pack."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gantut.networks.base import count_features
from gantut.networks.conditioning import ProjectionHead
from gantut.networks.initialisation import initialise, normalise_spectrally, seeded
from gantut.networks.mlp import hidden_layers
from gantut.networks.shapes import Shape
from gantut.numerics import at_least, check_shape


class PairDiscriminator(nn.Module):
    """Maps examples x (N, *shape) with codes z (N, latent_dim) to one logit a pair, (N,).

    Models that infer codes adversarially need it [donahue2017, dumoulin2017]. The features of a
    discriminator of x are joined with z, and pass through further layers.

    Args:
        discriminator: any module with a method ``features(x)`` that returns (N, width). It is
            copied, without its ``head`` if it has one, and stays as it is.
        latent_dim: the number of dimensions of z.
        shape: the shape of one example; None asks the discriminator's own ``shape``.
        hidden: the widths of the layers that see both.
        spectral_norm: divide each of these layers' weights by its largest singular value
            [miyato2018]; the given network brings its own.
        seed: decides the first weights of these layers.

    Raises:
        ValueError: no ``features``, an unknown shape, or latent_dim below 1; in a pass, x or z of
            another shape or number, or labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import MLPDiscriminator, PairDiscriminator
        >>> D = PairDiscriminator(MLPDiscriminator((1, 8, 8)), latent_dim=3)
        >>> D(torch.zeros(2, 1, 8, 8), torch.zeros(2, 3)).shape
        torch.Size([2])
    """

    def __init__(
        self,
        discriminator: nn.Module,
        latent_dim: int,
        *,
        shape: Shape | None = None,
        hidden: Sequence[int] = (256,),
        spectral_norm: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        at_least(1, latent_dim=latent_dim)
        self.latent_dim = latent_dim
        self.shape = shape or getattr(discriminator, "shape", None)
        self.classes = getattr(discriminator, "classes", 0)
        name = type(discriminator).__name__
        if not hasattr(discriminator, "features"):
            raise ValueError(f"{name} has no features(x) to pair with a code")
        if self.shape is None:
            raise ValueError(f"{name} does not know the shape of its examples: pass shape=")
        trial: Any = copy.deepcopy(discriminator).eval().to(torch.zeros(0))
        width = count_features(trial.features, self.shape) + latent_dim
        self.examples: Any = copy.deepcopy(discriminator)
        # The other network's own logit is not used; weights without a gradient would only puzzle.
        if hasattr(discriminator, "head"):
            self.examples.head = nn.Identity()
        with seeded(seed):
            self.body = hidden_layers(width, hidden, "leaky_relu")
            self.head = ProjectionHead([width, *hidden][-1], self.classes)
            for part in (self.body, self.head):
                initialise(part)
                if spectral_norm:
                    normalise_spectrally(part)

    def forward(self, x: Tensor, z: Tensor, labels: Tensor | None = None) -> Tensor:
        check_shape(z, (self.latent_dim,), "codes z")
        if len(x) != len(z):
            raise ValueError(f"expected as many codes as examples, got {len(z)} and {len(x)}")
        h = self.body(torch.cat([self.examples.features(x), z], dim=1))
        return self.head(h, labels)


class Packed(nn.Module):
    """A discriminator that judges packs: (N, C, …) examples to (N / size,) logits. [lin2018]

    Each ``size`` neighbours in the batch are joined along their channels, and the given network
    sees them at once. A generator without variety is then easy to tell: real examples differ
    within a pack. The loss is one number a pack.

    Args:
        discriminator: any network of examples (N / size, size·C, …), without labels.
        size: how many examples make a pack; it must divide the batch.

    Raises:
        ValueError: a size below 1, a discriminator with classes, or one whose ``shape`` has a
            number of channels that ``size`` does not divide; in a pass, labels, or a batch that
            ``size`` does not divide.

    Example:
        >>> import torch
        >>> from gantut.networks import ConvDiscriminator, Packed
        >>> D = Packed(ConvDiscriminator((2, 28, 28)), size=2)
        >>> D(torch.zeros(6, 1, 28, 28)).shape
        torch.Size([3])
    """

    def __init__(self, discriminator: nn.Module, size: int) -> None:
        super().__init__()
        at_least(1, size=size)
        if getattr(discriminator, "classes", 0):
            raise ValueError(f"a pack of {size} has no one label: expected a D without classes")
        shape = getattr(discriminator, "shape", None)
        if shape is not None and shape[0] % size:
            raise ValueError(
                f"packs of {size} need a discriminator of {size}, {2 * size}, … channels,"
                f" got shape {tuple(shape)}"
            )
        self.shape = None if shape is None else (shape[0] // size, *shape[1:])
        self.discriminator, self.size, self.classes = discriminator, size, 0

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        if labels is not None:
            raise ValueError("a pack has no one label, but labels were given")
        if len(x) % self.size:
            raise ValueError(
                f"packs of {self.size} need a batch that {self.size} divides, got {len(x)} examples"
            )
        # Neighbours in the batch lie next to one another in memory.
        return self.discriminator(x.reshape(-1, self.size * x.shape[1], *x.shape[2:]))
