"""Ring and grid: which change cures a GAN of losing modes? One cause at a time, five seeds each.

VEEGAN's clouds and PacGAN's protocol [srivastava2017, lin2018].
"""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import fmean, pstdev
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure as Picture
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from gantut import data, losses, metrics, networks, plots, training
from gantut.networks.initialisation import LEAK
from gantut.runs.recipe import Figure, Networks, Part, Recipe

SEEDS, SAMPLES = 5, 2500
DENSITIES: dict[str, Callable[[], data.Density]] = {
    "ring": partial(data.ring, 8, radius=1.0, std=0.01),
    # The papers' spacing of 2 and σ of 0.05 in a unit four times as long: the first weights suit
    # coordinates of about 1, and no figure depends on the unit.
    "grid": partial(data.grid, 5, spacing=0.5, std=0.0125),
}
PLAIN = {
    "loss": "non_saturating",
    "schedule": "constant",
    "penalty": False,
    "ema": 0.0,  # the average of the last step alone
    "pack": 1,
}
# What each change sets. The first four together are the cure.
CHANGES: dict[str, dict[str, Any]] = {
    "loss": {"loss": "relativistic"},
    "schedule": {"schedule": "cosine"},
    "penalty": {"penalty": True},
    "average": {"ema": 0.999},
    "packing": {"pack": 2},
}
CURE = ("loss", "schedule", "penalty", "average")


class SideBySide(nn.Module):
    """Networks of one architecture side by side, trained in one pass as if each were alone.

    Of every S examples the s-th goes through the s-th network, (N, d) to (N, values), or (N,) where
    there is one value. No number passes from one network to another, Adam moves each weight by
    itself, and the losses are one number an example: so S seeds are trained as they would be one
    after the other, for less time, since a small network's time goes into the calls.

    Args:
        nets: fully connected networks with LeakyReLU.
        pack: so many examples of one network are judged together [lin2018].
    """

    def __init__(self, nets: Sequence[nn.Module], pack: int = 1) -> None:
        super().__init__()
        layers = [[m for m in net.modules() if isinstance(m, nn.Linear)] for net in nets]
        same = list(zip(*layers, strict=True))  # layer by layer, of all networks
        self.weights = nn.ParameterList(torch.stack([m.weight.mT for m in ms]) for ms in same)
        self.biases = nn.ParameterList(torch.stack([m.bias[None] for m in ms]) for ms in same)
        self.seeds, self.pack = len(nets), pack

    def forward(self, x: Tensor) -> Tensor:
        h = x.unflatten(0, (-1, self.seeds)).transpose(0, 1)
        h = h.reshape(self.seeds, len(x) // self.seeds // self.pack, -1)
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias, F.leaky_relu(h, LEAK) if k else h, weight)
        return h.transpose(0, 1).flatten(0, 1).squeeze(1)


def generator(c: SimpleNamespace) -> nn.Module:
    """One G for each seed."""
    widths = (c.width,) * 3
    return SideBySide(
        [networks.MLPGenerator(c.latent_dim, (2,), hidden=widths, seed=s) for s in range(SEEDS)]
    )


def training_of(G: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """All seeds at a time; what the config does not name is the same in every case."""
    shape, widths = (2 * c.pack,), (c.discriminator_width,) * 3
    made = [networks.MLPDiscriminator(shape, hidden=widths, seed=100 + s) for s in range(SEEDS)]
    schedules: dict[str, Any] = {}
    if c.schedule == "cosine":
        falls = partial(CosineAnnealingLR, T_max=c.steps)
        schedules = dict.fromkeys(("generator", "discriminator"), falls)
    trainer = training.GANTrainer(
        G,
        SideBySide(made, c.pack),
        latent_dim=c.latent_dim,
        loss=c.loss,
        penalty=losses.r1_r2(c.gamma) if c.penalty else None,
        penalty_every=c.penalty_every,
        schedules=schedules,
        lr=c.lr,
        betas=(c.beta1, 0.99),
        ema=c.ema,
        device="cpu",
    )
    return trainer, DENSITIES[c.density]().batches(SEEDS * c.batch)


def settings(changes: Sequence[str] = ()) -> dict[str, Any]:
    """The plain GAN's settings with some changes."""
    return PLAIN | {key: value for change in changes for key, value in CHANGES[change].items()}


CASES = {
    "plain": settings(),
    **{f"plain_with_{change}": settings([change]) for change in CHANGES},
    "cure": settings(CURE),
    **{f"cure_without_{change}": settings([c for c in CURE if c != change]) for change in CURE},
    "cure_with_packing": settings([*CURE, "packing"]),
    "long": settings(CURE),
}


def parts(
    density: str, steps: int, longer: int, shipped: Sequence[str], **shared: Any
) -> dict[str, Part]:
    """Every case, for equally many steps; and the cure for ``longer`` times as many.

    All are measured, the ``shipped`` ones are drawn as well.
    """
    common = {"density": density, "latent_dim": 2, "beta1": 0.5, "penalty_every": 4, **shared}
    return {
        case: Part(
            {"steps": steps * (longer if case == "long" else 1), **common, **changed},
            generator,
            training_of,
            shipped=case in shipped,
        )
        for case, changed in CASES.items()
    }


def drawn(G: Any, n: int = SAMPLES) -> Tensor:
    """``n`` samples of each seed's G, (seeds, n, 2)."""
    z = torch.randn(n * G.seeds, G.weights[0].shape[1], generator=torch.Generator().manual_seed(0))
    return G(z).unflatten(0, (n, G.seeds)).transpose(0, 1)


def coverage(samples: Tensor, density: data.Density) -> tuple[float, float, float]:
    """Modes with a good sample, the share of good samples, and the modes' KL from equal shares."""
    found = metrics.mode_coverage(samples, density)
    # Without a good sample there are no shares; that is not better than one mode with all of them.
    counts = found.counts if found.covered else torch.eye(len(found.counts))[0]
    shares = counts.double() / counts.sum()
    kl = torch.special.xlogy(shares, shares * len(shares)).sum()
    return found.covered, found.high_quality, float(kl)


def measure(made: Networks, quick: bool, *, density: str) -> dict[str, float]:
    """The figures of each case, over its seeds."""
    figures: dict[str, float] = {}
    for case, G in made.items():
        seeds = [coverage(points, DENSITIES[density]()) for points in drawn(G)]
        modes, good, kl = zip(*seeds, strict=True)
        figures |= {
            f"{case}_modes": fmean(modes),
            f"{case}_modes_least": float(min(modes)),
            f"{case}_good": fmean(good),
            f"{case}_good_least": min(good),
            f"{case}_good_spread": pstdev(good),
            f"{case}_kl": fmean(kl),
        }
    return figures


def figures(density: str, good: float) -> dict[str, Figure]:
    """What is measured of each case; the bars are the long run's."""
    count = len(DENSITIES[density]().modes)
    sampled = f"of {SAMPLES:,} samples a seed, mean of {SEEDS} seeds"
    said = {
        "modes": f"modes of {count} with a sample within 3σ [lin2018], {sampled}",
        "modes_least": "modes of the worst seed",
        "good": f"share within 3σ of their mode (the data: 0.989), {sampled}",
        "good_least": "that share of the worst seed",
        "good_spread": "its standard deviation over the seeds",
        "kl": "KL of the good samples' shares of the modes from equal shares, nats, mean of the "
        "seeds; without a good sample that of one mode alone",
    }
    bars = {"long_modes_least": float(count), "long_good_least": good}
    return {
        f"{case}_{name}": Figure(protocol, least=bars.get(f"{case}_{name}"))
        for case in CASES
        for name, protocol in said.items()
    }


COLUMNS = {
    "modes": "modes",
    "modes_least": "modes, worst seed",
    "good": "good share",
    "good_least": "good share, worst seed",
    "good_spread": "spread",
    "kl": "KL",
}
TITLES = {
    "plain": "plain GAN",
    "plain_with_schedule": "+ falling rate",
    "cure": "four changes",
    "long": "these, longer",
}


def picture(made: Networks, *, density: str) -> Picture:
    """A panel for each shipped case: its median seed, and what all seeds reach."""
    clouds = DENSITIES[density]()
    count, reach = len(clouds.modes), 1.2 * float(clouds.modes.abs().max())
    figure, axes = plots.plt.subplots(1, len(made), figsize=(7.0, 1 + 7 / len(made)))
    for ax, (case, G) in zip(axes.flat, made.items(), strict=True):
        points = drawn(G)
        modes, good, _ = zip(*(coverage(one, clouds) for one in points), strict=True)
        median = torch.tensor(good).argsort()[len(good) // 2]
        x, y = clouds.modes.T
        ax.plot(x, y, "o", color=plots.COLORS["data"], markersize=8, fillstyle="none", mew=1)
        x, y = points[median].T
        ax.plot(x, y, ".", color=plots.COLORS["generator"], markersize=1.5, alpha=0.5)
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal")
        ax.spines[:].set_visible(False)
        found = f"{fmean(modes):.3g} of {count},\n{fmean(good):.0%} good"
        ax.set_title(f"{TITLES[case]}\n{found}", fontsize=10.5)
    return figure


def _recipe(density: str, good: float, what: str, found: str, alt: str, **config: Any) -> Recipe:
    return Recipe(
        title=f"What cures a GAN of losing modes: {what}, one change at a time.",
        data=f"Fresh draws of data.{density}, the papers' clouds [srivastava2017, lin2018]",
        parts=parts(density, **config),
        figures=figures(density, good),
        measure=partial(measure, density=density),
        picture=partial(picture, density=density),
        caption="The plain GAN, with changes, and longer. Titles: modes "
        "found and share of good samples, means of five seeds. Points: the median seed. Circles: "
        f"where the data's clouds are.{found}",
        alt=alt,
        columns=COLUMNS,
    )


ring = _recipe(
    "ring",
    0.95,
    "eight tight clouds on a ring",
    " By itself a falling learning rate or an average of the weights helps most; the paired loss, "
    "the penalty and packing alone do not (the table). Of the four together only the penalty is "
    "missed when it is left out: then some games lose a cloud.",
    "Four planes with a ring of eight circles and the points of a generator. The plain GAN's lie "
    "in most circles and on loose bridges between them; those of the longest run lie in all eight, "
    "with few between.",
    steps=3000,
    longer=12,
    shipped=["plain", "plain_with_schedule", "cure", "long"],
    batch=128,
    width=48,
    discriminator_width=64,
    gamma=0.01,
    lr=2e-3,
)
grid = _recipe(
    "grid",
    0.90,
    "twenty-five clouds on a grid",
    " The four together find every cloud with every seed, and after eight times the steps one "
    "point in five still lies between clouds. As on the ring, a falling learning rate or an "
    "average of the weights helps most by itself, and only the penalty is missed when it is left "
    "out.",
    "Three planes with five times five circles and the points of a generator, trained plainly, "
    "with four changes, and longer.",
    steps=5000,
    longer=8,
    shipped=["plain", "cure", "long"],
    batch=128,
    width=48,
    discriminator_width=64,
    gamma=0.01,
    lr=2e-3,
)
