"""Convolutional networks for waveforms (C, T). Each level is four times as long as the one below, and has half its planes.

A wave has many samples and little change from one to the next, so levels are far apart and kernels long [donahue2019]. The resizing moves
no number: four planes become one plane of four times the length, and the reverse.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gantut.networks.conditioning import MinibatchStddev, create_head
from gantut.networks.initialisation import (
    LEAK,
    initialise,
    normalise_spectrally,
    seeded,
    start_at_prior,
)
from gantut.networks.shapes import append_label, check_latent_dim, check_shape

FACTOR, SHORTEST, WIDEST = 4, 16, 4


def quarterings(shape: tuple[int, ...]) -> tuple[int, int]:
    """How often a wave (C, T) can be cut to a quarter until at most 16 places are left, and the length left: 512 gives (3, 8).

    Raises:
        ValueError: the shape is not (C, T), or T cannot be quartered down to 16 or less.
    """
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"a network for waves needs a shape (C, T), got {shape}")
    levels, length = 0, shape[1]
    while length > SHORTEST or levels == 0:
        if length % FACTOR:
            raise ValueError(
                f"the length must be divisible by 4 down to 16 or less (like 64, 256, 512, 1024), got {shape[1]}"
            )
        levels, length = levels + 1, length // FACTOR
    return levels, length


class Interleave(nn.Module):
    """(N, 4·C, T) → (N, C, 4·T): the value of plane 4c + k at place t becomes that of plane c at place 4t + k."""

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (-1, FACTOR)).transpose(2, 3).flatten(2)


class Deinterleave(nn.Module):
    """(N, C, 4·T) → (N, 4·C, T), the inverse of ``Interleave``."""

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (-1, FACTOR)).transpose(2, 3).flatten(1, 2)


def _planes(width: int, levels: int) -> list[int]:
    """How many planes there are at each level, from the longest to the shortest."""
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
    return [width * min(2**level, WIDEST) for level in range(levels)]


def _convolution(planes: int, out: int, kernel: int) -> nn.Conv1d:
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"kernel must be odd and at least 1, got {kernel}")
    return nn.Conv1d(planes, out, kernel, padding=kernel // 2)


class Conv1dDecoder(nn.Module):
    """Maps codes z (N, latent_dim) to unbounded values (N, C, T): the parameters of a likelihood, one per sample.

    A linear layer draws the shortest length; each level makes it four times as long. ``width`` is the number of planes before the last
    level. With ``classes`` the label enters as a one-hot code beside z.

    Raises:
        ValueError: a length that cannot be quartered, a width below 1, an even kernel, or a latent_dim below 1.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: tuple[int, int],
        *,
        width: int = 32,
        kernel: int = 9,
        classes: int = 0,
        batch_norm: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.latent_dim, self.shape, self.classes = (
            check_latent_dim(latent_dim),
            tuple(shape),
            classes,
        )
        levels, length = quarterings(self.shape)
        planes = _planes(width, levels)
        with seeded(seed):
            layers: list[nn.Module] = [nn.Linear(latent_dim + classes, planes[-1] * length)]
            layers += [nn.Unflatten(1, (planes[-1], length)), *_activated(planes[-1], batch_norm)]
            for short, long in zip(planes[:0:-1], planes[-2::-1], strict=True):
                layers += [
                    _convolution(short, FACTOR * long, kernel),
                    Interleave(),
                    *_activated(long, batch_norm),
                ]
            head = _convolution(width, FACTOR * self.shape[0], kernel)
            self.layers = nn.Sequential(*layers, head, Interleave())
            initialise(self, outputs=(head,))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        check_shape(z, (self.latent_dim,), "codes z")
        return self.layers(append_label(z, labels, self.classes))


def _activated(planes: int, batch_norm: bool) -> list[nn.Module]:
    return [*([nn.BatchNorm1d(planes)] if batch_norm else []), nn.LeakyReLU(LEAK)]


class Conv1dGenerator(nn.Module):
    """A decoder with a tanh at its end: maps noise z (N, latent_dim) to waves (N, C, T) in [−1, 1].

    Options as in ``Conv1dDecoder``; BatchNorm is on unless switched off.
    """

    def __init__(
        self, latent_dim: int, shape: tuple[int, int], *, batch_norm: bool = True, **options
    ) -> None:
        super().__init__()
        self.decoder = Conv1dDecoder(latent_dim, shape, batch_norm=batch_norm, **options)
        self.latent_dim, self.shape, self.classes = (
            latent_dim,
            self.decoder.shape,
            self.decoder.classes,
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return torch.tanh(self.decoder(z, labels))


def _downward(
    channels: int, levels: int, width: int, kernel: int, *, minibatch_stddev: bool = False
) -> tuple[nn.Sequential, int]:
    """From ``channels`` planes, a quarter as long as the wave, to a flat vector; and how many planes there are at its end."""
    planes = _planes(width, levels)
    layers: list[nn.Module] = []
    for level, out in enumerate(planes):
        if level:
            layers.append(Deinterleave())
            channels = FACTOR * planes[level - 1]
        if minibatch_stddev and level == levels - 1:
            layers.append(MinibatchStddev())
            channels += 1
        layers += [_convolution(channels, out, kernel), nn.LeakyReLU(LEAK)]
    return nn.Sequential(*layers, nn.Flatten()), planes[-1]


class Conv1dDiscriminator(nn.Module):
    """Maps waves (N, C, T) to one logit each, (N,). No BatchNorm: each logit depends on its wave alone.

    ``spectral_norm``, ``minibatch_stddev``, ``classes`` and ``conditioning`` as in ``MLPDiscriminator``; ``width`` and ``kernel`` as in
    ``Conv1dDecoder``.

    Raises:
        ValueError: as ``Conv1dDecoder``, or unknown conditioning.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        width: int = 32,
        kernel: int = 9,
        classes: int = 0,
        conditioning: str = "projection",
        spectral_norm: bool = False,
        minibatch_stddev: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape, self.classes = tuple(shape), classes
        levels, length = quarterings(self.shape)
        with seeded(seed):
            self.fold = Deinterleave()
            channels = FACTOR * self.shape[0]
            self.body, planes = _downward(
                channels, levels, width, kernel, minibatch_stddev=minibatch_stddev
            )
            self.head = create_head(conditioning, planes * length, classes)
            initialise(self, outputs=self.head.outputs)
            if spectral_norm:
                normalise_spectrally(self)

    def features(self, x: Tensor) -> Tensor:
        """The last hidden layer, flattened, (N, planes·t)."""
        check_shape(x, self.shape, "waves")
        return self.body(self.fold(x))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.head(self.features(x), labels)


class Conv1dEncoder(nn.Module):
    """Maps waves (N, C, T) to the mean and the log-variance of q(z|x), each (N, latent_dim).

    With ``classes`` the label enters as constant planes beside the wave, a quarter as long.

    Raises:
        ValueError: as ``Conv1dDecoder``.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        latent_dim: int,
        *,
        width: int = 32,
        kernel: int = 9,
        classes: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.latent_dim, self.shape, self.classes = (
            check_latent_dim(latent_dim),
            tuple(shape),
            classes,
        )
        levels, length = quarterings(self.shape)
        with seeded(seed):
            self.fold = Deinterleave()
            self.body, planes = _downward(FACTOR * self.shape[0] + classes, levels, width, kernel)
            self.head = nn.Linear(planes * length, 2 * latent_dim)
            initialise(self, outputs=(self.head,))
            start_at_prior(self.head)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_shape(x, self.shape, "waves")
        h = self.body(append_label(self.fold(x), labels, self.classes))
        mean, log_variance = self.head(h).chunk(2, dim=1)
        return mean, log_variance
