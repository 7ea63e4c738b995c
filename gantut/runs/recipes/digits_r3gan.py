"""R3GAN's recipe on handwritten digits, whole and with a part left out. [huang2024]

Each arm trains the same residual pair from the same first weights, for as many steps and with the
same learning rate.
"""

from types import SimpleNamespace
from typing import Any

import torch
from matplotlib.figure import Figure as Picture
from torch import nn

from gantut import losses, metrics, networks, plots, training
from gantut.runs.recipe import Figure, Networks, Part, Recipe, usual
from gantut.runs.recipes import judging
from gantut.runs.recipes.digits_gan import DATA, SHAPE

CONFIG = {
    "steps": 3000,
    "batch": 64,
    "latent_dim": 16,
    "width": 16,
    "discriminator_width": 32,
    "fold": 2,
    "darkness": -2.0,
    "loss": "relativistic",
    "penalty": "r1_r2",
    "gamma": 1.0,
    "penalty_every": 1,
    "lr": 1e-3,
    "ema": 0.999,
    "precision": "float32",
    "seed": 0,
}
PENALTIES = {"r1_r2": losses.r1_r2, "r1": losses.r1, "none": lambda gamma: None}
# What each arm changes.
ARMS: dict[str, dict[str, Any]] = {
    "recipe": {},
    "without_r2": {"penalty": "r1"},
    "without_penalties": {"penalty": "none"},
    "without_pairs": {"loss": "non_saturating"},
}


def generator(c: SimpleNamespace) -> nn.Module:
    """G: residual blocks. Its first images are as dark as digits are in the mean: from grey ones D
    says "darker", and before it says anything else, all are black and the sigmoid is flat."""
    G = networks.ResidualGenerator(c.latent_dim, SHAPE, width=c.width, classes=10, seed=c.seed)
    *_, last = (layer for layer in G.modules() if isinstance(layer, nn.Conv2d))
    nn.init.constant_(last.bias, c.darkness)  # type: ignore[arg-type]
    return G


def training_of(G: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """The recipe, but for what the config says otherwise."""
    D = networks.ResidualDiscriminator(
        SHAPE, width=c.discriminator_width, fold=c.fold, classes=10, seed=100 + c.seed
    )
    options = training.r3gan(penalty_every=c.penalty_every, loss=c.loss)
    options |= usual(c, "generator", "discriminator")
    trainer = training.GANTrainer(G, D, **options | {"penalty": PENALTIES[c.penalty](c.gamma)})
    return trainer, judging.digits().batches(c.batch, seed=c.seed, labels=True)


def measure(made: Networks, quick: bool) -> dict[str, float]:
    """The figures of each arm."""
    found: dict[str, float] = {}
    for arm, G in made.items():
        images = judging.drawn(G)
        seen, like = judging.eye().extract(images).logits, judging.likeness(images)
        found |= {
            f"{arm}_fid_over_floor": like["fid_over_floor"],
            f"{arm}_class_accuracy": metrics.class_accuracy(seen, torch.arange(len(images)) % 10),
            f"{arm}_copying_z": like["copying_z"],
        }
    return found


def picture(made: Networks) -> Picture:
    """Eight of each digit, by the whole recipe."""
    ax = plots.image_grid(judging.drawn(made["recipe"], 80, seed=1), columns=10)
    return ax.figure  # type: ignore[return-value]


SAID = {
    "fid_over_floor": Figure(
        "FID of 2,000 samples to 2,000 training digits in the book's features, over that of the "
        "other 2,000 training digits; one training",
        tolerance=0.3,
    ),
    "class_accuracy": Figure(
        "the share of 2,000 samples that a classifier, trained on the training digits alone, takes "
        "for the digit asked for",
        tolerance=0.02,
    ),
    "copying_z": Figure(
        "by how many standard errors more often than not a sample is nearer to the training "
        "digits than a test digit is, in features [meehan2020]",
        tolerance=3,
    ),
}
digits_r3gan = Recipe(
    title="R3GAN's recipe writes digits, whole and with a part left out.",
    data=DATA,
    parts={
        arm: Part({**CONFIG, **changed}, generator, training_of, shipped=arm == "recipe")
        for arm, changed in ARMS.items()
    },
    figures={f"{arm}_{name}": figure for arm in ARMS for name, figure in SAID.items()},
    measure=measure,
    picture=picture,
    caption="Eight samples of each digit by the whole recipe, as they come: none was chosen.",
    alt="Ten columns of handwritten digits from 0 to 9, eight of each, white on black.",
    columns={"fid_over_floor": "FID / floor", "class_accuracy": "as asked", "copying_z": "z"},
)
