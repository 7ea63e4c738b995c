"""What all networks of a kind share: what they check, how labels enter, and how weights begin.

The other files of this room say only what is between the ends: layers, convolutions, blocks.
"""

import math
from collections.abc import Callable
from typing import ClassVar, TypedDict

import torch
from torch import Tensor, nn

from gantut.networks.conditioning import MinibatchStddev, ProjectionHead
from gantut.networks.initialisation import (
    initialise,
    normalise_spectrally,
    output,
    seeded,
    start_near_zero,
)
from gantut.networks.shapes import Shape, append_label, check_sides
from gantut.numerics import at_least, check_shape

Body = Callable[[int], nn.Module]  # makes a body of so many channels
Layers = Callable[[int], list[nn.Module]]  # makes layers of so many channels
OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "identity": lambda x: x,
}


class Options(TypedDict, total=False):
    """What every network takes."""

    classes: int
    seed: int


class Judging(Options, total=False):
    """What every discriminator takes."""

    spectral_norm: bool
    minibatch_stddev: bool


class Decoder(nn.Module):
    """Layers from codes z, with a label's one-hot code beside them, to values (N, *shape).

    ``grid`` is the shape of one code, (latent_dim,) or (dimension, h, w). The last of the layers is
    the ``head``, the others are the ``body``; ``output`` names the range of the values.
    """

    output = "identity"

    def __init__(
        self, grid: Shape, shape: Shape, layers: Layers, *, classes: int = 0, seed: int = 0
    ) -> None:
        super().__init__()
        at_least(1, latent_dim=grid[0])
        self.latent_dim, self.grid, self.classes = grid[0], grid, classes
        self.shape = check_sides(shape)
        with seeded(seed):
            *body, head = layers(self.latent_dim + classes)
            self.body, self.head = nn.Sequential(*body), output(head)
            self.begin()

    def begin(self) -> None:
        """Draw the first weights."""
        initialise(self)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        check_shape(z, self.grid, "codes z")
        values = self.head(self.body(append_label(z, labels, self.classes)))
        return OUTPUTS[self.output](values.reshape(-1, *self.shape))


class Reader(nn.Module):
    """What reads examples (N, *shape). Images, which have three sides, are centred: 2x − 1."""

    flat: ClassVar[bool] = False  # whether the body sees vectors

    def __init__(self, shape: Shape, classes: int) -> None:
        super().__init__()
        self.shape, self.classes = check_sides(shape), classes
        self.channels = math.prod(self.shape) if self.flat else self.shape[0]

    def centred(self, x: Tensor) -> Tensor:
        """What the body sees, but for labels."""
        image = len(self.shape) == 3
        check_shape(x, self.shape, "images" if image else "examples")
        x = 2 * x - 1 if image else x
        return x.flatten(1) if self.flat else x

    def features_of(self, body: nn.Module, channels: int) -> int:
        """How many features a body of so many channels returns."""
        return count_features(body, (channels,) if self.flat else (channels, *self.shape[1:]))


@torch.no_grad()
def count_features(body: Callable[[Tensor], Tensor], shape: Shape) -> int:
    """How many features ``body`` makes of an example, found by a pass of zeros."""
    # Four of them: a layer that compares the examples of a group needs one.
    return body(torch.zeros(4, *shape)).flatten(1).shape[1]


class Discriminator(Reader):
    """A body from examples to features, and a head from features and labels to one logit."""

    def __init__(
        self,
        shape: Shape,
        body: Body,
        *,
        classes: int = 0,
        spectral_norm: bool = False,
        minibatch_stddev: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(shape, classes)
        with seeded(seed):
            self.body = body(self.channels)
            features = self.features_of(self.body, self.channels)
            self.spread = MinibatchStddev() if minibatch_stddev else nn.Identity()
            self.head = ProjectionHead(features + minibatch_stddev, classes)
            initialise(self)
            if spectral_norm:
                normalise_spectrally(self)

    def features(self, x: Tensor) -> Tensor:
        """The last hidden layer, flattened to (N, features)."""
        return self.spread(self.body(self.centred(x)).flatten(1))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.head(self.features(x), labels)


class Encoder(Reader):
    """A body from examples to features, and a head to the mean and log-variance of q(z|x)."""

    def __init__(
        self, shape: Shape, latent_dim: int, body: Body, *, classes: int = 0, seed: int = 0
    ) -> None:
        super().__init__(shape, classes)
        at_least(1, latent_dim=latent_dim)
        self.latent_dim, channels = latent_dim, self.channels + classes
        with seeded(seed):
            self.body = body(channels)
            features = self.features_of(self.body, channels)
            self.head = output(nn.Linear(features, 2 * latent_dim))
            initialise(self)
            start_near_zero(self.head)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        h = self.body(append_label(self.centred(x), labels, self.classes))
        mean, log_variance = self.head(h.flatten(1)).chunk(2, dim=1)
        return mean, log_variance
