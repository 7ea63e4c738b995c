"""What a recorded run is made from: its parts, and what is measured in the end."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple

from matplotlib.figure import Figure as Picture
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from gantut.numerics import chosen
from gantut.speech import Players

Networks = Mapping[str, nn.Module]

# The module of gantut.runs.recipes in which a run's recipe stands, under its name with underscores.
HOMES = {
    "digits-gan": "digits_gan",
    "digits-gan-unlabelled": "digits_gan",
    "digits-r3gan": "digits_r3gan",
    "grid": "plane",
    "ring": "plane",
    "stacked": "stacked",
    "digits-vae": "digits_vae",
    "digits-hvae": "digits_vae",
    "digits-vqvae": "digits_vae",
    "photo-codec": "photo_codec",
    "spoken-vae": "spoken",
    "spoken-gan": "spoken",
    "spoken-vocoder": "vocoder",
    "gan-vs-vae": "gan_vs_vae",
    "faces-gan": "faces_gan",
    "faces-judge": "faces_judge",
    "faces-vae": "faces_vae",
    "faces-vaegan": "faces_vae",
    "faces-flow": "faces_flow",
    "latent-flow": "latent_flow",
}


@dataclass(frozen=True)
class Part:
    """One training of a run. A run has several where a claim needs several seeds, or where one
    network is trained on what another one makes.

    Args:
        config: everything that is chosen, as plain values: it stands in the card, and a recording
            that was begun with other values is not gone on with. ``steps`` is always among them.
        network: makes the network that is kept, from the config (``c.width``).
        training: makes its trainer and the batches from the network, the config, and the finished
            networks of the parts that it comes ``after``.
        after: the parts that have to be finished before.
        shipped: whether weights and log go into the package; else the card keeps the figures alone.
    """

    config: Mapping[str, Any]
    network: Callable[[SimpleNamespace], nn.Module]
    training: Callable[[nn.Module, SimpleNamespace, Networks], tuple[Any, Any]]
    after: tuple[str, ...] = ()
    shipped: bool = True

    @property
    def c(self) -> SimpleNamespace:
        """The config with its values as attributes."""
        return SimpleNamespace(**self.config)

    def make(self) -> nn.Module:
        """The network before its training."""
        return self.network(self.c)

    def begin(self, network: nn.Module, done: Networks) -> tuple[Any, Any]:
        """A trainer of the network, and the batches."""
        return self.training(network, self.c, done)


class Figure(NamedTuple):
    """What a number in a card means, and what was hoped for.

    Args:
        protocol: how it is measured, in words that let another person measure it.
        least, most: the bar, where there is one.
        tolerance: how far, relatively, the figure may be off on another machine.
    """

    protocol: str
    least: float | None = None
    most: float | None = None
    tolerance: float = 0.05

    @property
    def bar(self) -> str:
        """The bar in words, empty where there is none."""
        low = f"≥ {self.least:g}" if self.least is not None else ""
        high = f"≤ {self.most:g}" if self.most is not None else ""
        return " and ".join(filter(None, (low, high)))

    def reached(self, value: float) -> bool:
        """Whether the value meets the bar; true where there is none."""
        return (self.least is None or value >= self.least) and (
            self.most is None or value <= self.most
        )


@dataclass(frozen=True)
class Recipe:
    """How a run is recorded, measured and drawn.

    Args:
        title: what it shows, in one sentence.
        data: what it was trained on, with source and licence.
        parts: its trainings, by name, in the order in which they need one another.
        figures: what is measured, by name.
        measure: ``measure(networks, quick)`` gives the figures by name from the finished networks
            of the parts. With ``quick`` it takes fewer samples, or leaves figures out, and looks at
            shipped networks only: that is what the tests compute again.
        picture: ``picture(networks)`` draws what the run is worth looking at for.
        caption: what to look at in the picture.
        alt: the picture in words.
        sounds: ``sounds(networks)`` gives players for the page, where there is something to hear.
        half: whether the weights are rounded to half precision.
        columns: headings by column, where figures are named ``measure_column``: they then stand in
            one table. With ``measure_column_low`` and ``_high`` beside it, a cell has the range.
    """

    title: str
    data: str
    parts: Mapping[str, Part]
    figures: Mapping[str, Figure]
    measure: Callable[[Networks, bool], dict[str, float]]
    picture: Callable[[Networks], Picture]
    caption: str
    alt: str
    half: bool = field(default=True)
    sounds: Callable[[Networks], Players] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


def usual(c: SimpleNamespace, *players: str) -> dict[str, Any]:
    """What most recipes tell their trainer: on the CPU, from the config's ``lr``, ``ema``,
    ``precision`` and ``seed``, with a learning rate of each player that falls to 0 along a cosine.
    """
    return {
        "lr": c.lr,
        "ema": c.ema,
        "precision": c.precision,
        "seed": c.seed,
        "device": "cpu",
        "schedules": dict.fromkeys(players, lambda o: CosineAnnealingLR(o, c.steps)),
    }


def recipe(name: str) -> Recipe:
    """The recipe of a run.

    Raises:
        ValueError: no run has this name; the message lists those there are.

    Example:
        >>> sorted(recipe("digits-gan").parts)
        ['seed-0', 'seed-1', 'seed-2']
    """
    home = chosen("run", name, HOMES)
    module = importlib.import_module(f"gantut.runs.recipes.{home}")
    return getattr(module, name.replace("-", "_"))
