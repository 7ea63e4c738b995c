"""R3GAN's recipe on handwritten digits, whole and with a part left out. [huang2024]

Each arm trains the same residual pair from the same first weights, for as many steps and with the
same learning rate.
"""

from types import SimpleNamespace
from typing import Any

from matplotlib.figure import Figure as Picture
from torch import nn

from gantut import losses, networks, plots, training
from gantut.runs.recipe import Networks, Part, Recipe, usual
from gantut.runs.recipes import judging
from gantut.runs.recipes.digits_gan import ACCURACY, DATA, SHAPE, figures_of, measure as measured

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


SAID = {**figures_of("the worst"), **ACCURACY}
MEASURED = {
    "fid": "FID",
    "fid_over_floor": "FID over FID of real data",
    "class_accuracy": "class accuracy",
    "copying_z": "copying, standard errors",
}


def measure(made: Networks, quick: bool) -> dict[str, float]:
    """The figures of each arm."""
    found = {arm: measured({"seed-0": G}, quick=True) for arm, G in made.items()}
    return {f"{arm}_{name}": found[arm][name] for arm in found for name in MEASURED}


def picture(made: Networks) -> Picture:
    """Eight of each digit, by the whole recipe."""
    ax = plots.image_grid(judging.drawn(made["recipe"], 80, seed=1), columns=10)
    return ax.figure  # type: ignore[return-value]


digits_r3gan = Recipe(
    title="R3GAN's recipe writes digits, whole and with a part left out.",
    data=DATA,
    parts={
        arm: Part({**CONFIG, **changed}, generator, training_of, shipped=arm == "recipe")
        for arm, changed in ARMS.items()
    },
    figures={f"{arm}_{name}": SAID[name] for arm in ARMS for name in MEASURED},
    measure=measure,
    picture=picture,
    caption="Eight samples of each digit by the whole recipe, as they come: none was chosen.",
    alt="Ten columns of handwritten digits from 0 to 9, eight of each, white on black.",
    columns=MEASURED,
)
