"""What the recipes of faces share: the data, and a judge that names what it sees in a face."""

from functools import cache
from types import SimpleNamespace
from typing import Any, Unpack

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure as Picture
from torch import Tensor, nn

from gantut import data, networks, plots, training
from gantut.networks.initialisation import LEAK, initialise, output, seeded
from gantut.runs.cards import load
from gantut.runs.recipe import Networks, usual

SHAPE = (3, 64, 64)
DATA = "{n:,} faces of data.faces(), drawn by this library from named factors; CC0"
# The factors that have names for their values, and how many.
VALUES = {n: len(v) for n, v in data.FACE_FACTORS.items() if isinstance(v, dict)}
NAMES = {n: list(v) for n, v in data.FACE_FACTORS.items() if isinstance(v, dict)}


@cache
def real(n: int, split: str = "train") -> Any:
    """Faces with their factors, read once."""
    return data.faces(n, split=split)


def named(images: Any, rows: slice = slice(None)) -> Tensor:
    """The named factors of faces, (n, number of factors): places in the lists of values."""
    return torch.stack([images.factors[name][rows] for name in VALUES], 1)


class Judge(nn.Module):
    """Reads faces (N, 3, 64, 64) and gives logits of all values of all factors, (N, sum of K)."""

    def __init__(self, planes: list[int], seed: int = 0) -> None:
        super().__init__()
        sizes = list(zip(planes, planes[1:], strict=False))
        with seeded(seed):
            self.stem = nn.Sequential(
                nn.PixelUnshuffle(2), output(nn.Conv2d(12, planes[0], 3, padding=1))
            )
            self.levels = nn.ModuleList(
                networks.ResidualBlock(a, b, resize="down") for a, b in sizes
            )
            self.head = output(nn.Linear(16 * planes[-1], sum(VALUES.values())))
            initialise(self)
        for block in self.levels:
            block.start_at_skip()  # type: ignore[operator]

    def maps(self, x: Tensor) -> list[Tensor]:
        """What it sees at each size, from 32×32 down: a measure of likeness."""
        seen = [self.stem(2 * x - 1)]
        for block in self.levels:
            seen.append(block(seen[-1]))
        return seen

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.leaky_relu(self.maps(x)[-1], LEAK).flatten(1))

    def by_factor(self, x: Tensor) -> dict[str, Tensor]:
        """The logits (N, K) of each factor."""
        return dict(zip(VALUES, self(x).split(list(VALUES.values()), 1), strict=True))

    @torch.no_grad()
    def found(self, x: Tensor, chunk: int = 256) -> dict[str, Tensor]:
        """The likeliest value of each factor, (N,)."""
        parts = [self.by_factor(part) for part in x.split(chunk)]
        return {name: torch.cat([p[name].argmax(1) for p in parts]) for name in VALUES}


class JudgeTrainer(training.Trainer):
    """Minimises −Σ log p(factor | x) over all named factors.

    Args:
        judge: what is trained.
        factors: the values (n, number of factors); a batch says which rows it is of.
        options: as in ``Trainer``.
    """

    def __init__(self, judge: Judge, factors: Tensor, **options: Unpack[training.Options]) -> None:
        super().__init__({"judge": judge}, averaged="judge", **options)
        self.factors = factors

    def step(self, batch: Any) -> dict[str, Tensor]:
        x, rows = batch
        with self.autocast():
            logits = self.networks["judge"](x).to(self.dtype)
        parts = zip(logits.split(list(VALUES.values()), 1), self.factors[rows].T, strict=True)
        each = [F.cross_entropy(a, b, reduction="none") for a, b in parts]
        loss = torch.stack(each).sum(0)
        self.descend("judge", loss)
        self.average()
        return {"nats": loss.detach().mean()}


def judge_of(c: SimpleNamespace) -> nn.Module:
    """The judge before its training."""
    return Judge(c.planes, c.seed)


def judging_of(network: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """Its trainer, and batches of faces with their rows."""
    faces = real(c.images)
    trainer = JudgeTrainer(network, named(faces), **usual(c, "judge"))
    rows = data.ImageData(faces.images, torch.arange(len(faces)))
    return trainer, rows.batches(c.batch, seed=c.seed, labels=True)


@cache
def judge() -> Any:
    """The judge of the run ``faces-judge``."""
    return load("faces-judge").network


def sharpness(x: Tensor) -> Tensor:
    """‖∇²x‖², (N,): the energy of what differs from the mean of its four neighbours."""
    kernel = x.new_tensor([[0, 1, 0], [1, -4, 1], [0, 1, 0]]).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(x, kernel, groups=x.shape[1]).flatten(1).square().sum(1)


def likeness(x: Tensor, other: Tensor) -> Tensor:
    """How far two batches of faces are apart for the judge, (N,): the mean over its levels of the
    squared distance of maps whose vectors have length 1 [zhang2018]."""
    with torch.no_grad():
        real = [F.normalize(seen.float(), dim=1) for seen in judge().maps(x)]
    made = [F.normalize(seen.float(), dim=1) for seen in judge().maps(other)]
    each = [(a - b).square().sum(1).mean((1, 2)) for a, b in zip(real, made, strict=True)]
    return torch.stack(each).mean(0)


def sheets(blocks: dict[str, Tensor]) -> Picture:
    """Faces in rows of ten, each block under its title."""
    rows = [len(images) // 10 for images in blocks.values()]
    size = (7, 0.7 * sum(rows) + 0.3 * len(rows))
    sheet, axes = plt.subplots(len(rows), 1, figsize=size, height_ratios=rows, layout="constrained")
    for ax, (title, images) in zip(axes, blocks.items(), strict=True):
        plots.image_grid(images, columns=10, ax=ax)
        ax.set_title(title, loc="left", pad=3)
    return sheet
