"""Networks of fully connected layers, for points and for small images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
from gantut.networks.shapes import append_label, check_latent_dim, check_shape, size

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "leaky_relu": lambda: nn.LeakyReLU(LEAK),
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
}


def _hidden_layers(
    width: int,
    hidden: Sequence[int],
    *,
    batch_norm: bool,
    activation: str,
    minibatch_stddev: bool = False,
) -> nn.Sequential:
    """Linear layers of the widths in ``hidden``, each with its activation and, where asked, BatchNorm between the two.

    ``minibatch_stddev`` puts that layer before the last linear one.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"unknown activation {activation!r}; known: {', '.join(ACTIVATIONS)}")
    layers: list[nn.Module] = []
    for k, out in enumerate(hidden):
        if minibatch_stddev and k == len(hidden) - 1:
            layers.append(MinibatchStddev())
            width += 1
        layers.append(nn.Linear(width, out, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm1d(out))
        layers.append(ACTIVATIONS[activation]())
        width = out
    return nn.Sequential(*layers)


def _is_image(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3


class MLPDecoder(nn.Module):
    """Maps codes z (N, latent_dim) to unbounded values (N, *shape): the parameters of a likelihood, one per pixel.

    With ``classes`` the label enters as a one-hot code beside z. [kingma2014, sohn2015]
    """

    def __init__(
        self,
        latent_dim: int,
        shape: tuple[int, ...],
        *,
        hidden: Sequence[int] = (256, 256),
        classes: int = 0,
        batch_norm: bool = False,
        activation: str = "leaky_relu",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.latent_dim, self.shape, self.classes = (
            check_latent_dim(latent_dim),
            tuple(shape),
            classes,
        )
        widths = (latent_dim + classes, *hidden)
        with seeded(seed):
            self.body = _hidden_layers(
                widths[0], hidden, batch_norm=batch_norm, activation=activation
            )
            self.head = nn.Linear(widths[-1], size(shape))
            initialise(self, outputs=(self.head,))
            start_at_prior(self.head)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        check_shape(z, (self.latent_dim,), "codes z")
        h = self.body(append_label(z, labels, self.classes))
        return self.head(h).unflatten(1, self.shape)


class MLPGenerator(nn.Module):
    """A decoder with an output range: maps noise z (N, latent_dim) to samples (N, *shape).

    ``output="sigmoid"`` gives images in [0, 1]; ``output="identity"`` gives unbounded points; the default is the one that fits the
    shape. Options as in ``MLPDecoder``. [goodfellow2014]
    """

    def __init__(
        self, latent_dim: int, shape: tuple[int, ...], *, output: str | None = None, **options
    ) -> None:
        super().__init__()
        output = output or ("sigmoid" if _is_image(shape) else "identity")
        if output not in ("sigmoid", "identity"):
            raise ValueError(f"unknown output {output!r}; known: sigmoid, identity")
        self.decoder = MLPDecoder(latent_dim, shape, **options)
        self.output = output
        self.latent_dim, self.shape, self.classes = (
            latent_dim,
            self.decoder.shape,
            self.decoder.classes,
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        x = self.decoder(z, labels)
        return torch.sigmoid(x) if self.output == "sigmoid" else x


class MLPDiscriminator(nn.Module):
    """Maps examples (N, *shape) to one logit each, (N,). Images are taken in [0, 1] and centred inside.

    ``spectral_norm=True`` bounds every layer's stretch by 1 [miyato2018]. ``minibatch_stddev=True`` lets D see how much the examples of a
    group differ [karras2018]. With ``classes`` the label enters as in ``conditioning``: ``"projection"``, where the logit gains the inner
    product of the last hidden layer and a learned vector of the class [miyato2018projection], or ``"auxiliary"``, where the logit does
    not know the label and a second head classifies [odena2017].

    Raises:
        ValueError: unknown conditioning, or an activation, shape or label that does not fit.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        hidden: Sequence[int] = (256, 256),
        classes: int = 0,
        conditioning: str = "projection",
        spectral_norm: bool = False,
        minibatch_stddev: bool = False,
        activation: str = "leaky_relu",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape, self.classes = tuple(shape), classes
        widths = (size(shape), *hidden)
        with seeded(seed):
            self.body = _hidden_layers(
                widths[0],
                hidden,
                batch_norm=False,
                activation=activation,
                minibatch_stddev=minibatch_stddev,
            )
            self.head = create_head(conditioning, widths[-1], classes)
            initialise(self, outputs=self.head.outputs)
            if spectral_norm:
                normalise_spectrally(self)

    def features(self, x: Tensor) -> Tensor:
        """The last hidden layer, (N, width)."""
        check_shape(x, self.shape, "examples")
        if _is_image(self.shape):
            x = 2 * x - 1
        return self.body(x.flatten(1))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.head(self.features(x), labels)


class MLPEncoder(nn.Module):
    """Maps examples (N, *shape) to the mean and the log-variance of q(z|x), each (N, latent_dim). Images are centred inside.

    [kingma2014]
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        latent_dim: int,
        *,
        hidden: Sequence[int] = (256, 256),
        classes: int = 0,
        activation: str = "leaky_relu",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.latent_dim, self.shape, self.classes = (
            check_latent_dim(latent_dim),
            tuple(shape),
            classes,
        )
        widths = (size(shape) + classes, *hidden)
        with seeded(seed):
            self.body = _hidden_layers(widths[0], hidden, batch_norm=False, activation=activation)
            self.head = nn.Linear(widths[-1], 2 * latent_dim)
            initialise(self, outputs=(self.head,))
            start_at_prior(self.head)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_shape(x, self.shape, "examples")
        if _is_image(self.shape):
            x = 2 * x - 1
        h = self.body(append_label(x.flatten(1), labels, self.classes))
        mean, log_variance = self.head(h).chunk(2, dim=1)
        return mean, log_variance
