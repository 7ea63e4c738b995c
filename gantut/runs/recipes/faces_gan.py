"""A GAN of faces in colour, 64×64: R3GAN's recipe [huang2024], a generator with a style
[karras2019]."""

from types import SimpleNamespace
from typing import Any

from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from gantut import networks, training
from gantut.runs.recipe import Networks, Part, Recipe
from gantut.runs.recipes import faces

CONFIG = {
    "steps": 5000,
    "batch": 32,
    "images": 40_000,
    "latent_dim": 64,
    "planes": [96, 128, 96, 64],
    "width": 32,
    "gamma": 0.3,
    "penalty_every": 16,
    "lr": 8e-4,
    "ema": 0.998,
    "precision": "bfloat16",
    "seed": 0,
}


def generator(c: SimpleNamespace) -> nn.Module:
    """G, with a mapping from noise to style."""
    return networks.StyleGenerator(c.latent_dim, faces.SHAPE, planes=c.planes, seed=c.seed)


def training_of(G: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """R3GAN's recipe, with a learning rate that falls to 0."""
    D = networks.ResidualDiscriminator(faces.SHAPE, width=c.width, fold=2, seed=100 + c.seed)
    options = training.r3gan(c.gamma, penalty_every=c.penalty_every, lr=c.lr, ema=c.ema)
    trainer = training.GANTrainer(
        G,
        D,
        **options,
        schedules=dict.fromkeys(
            ("generator", "discriminator"), lambda o: CosineAnnealingLR(o, c.steps)
        ),
        precision=c.precision,
        seed=c.seed,
        device="cpu",
    )
    return trainer, faces.real(c.images).batches(c.batch, seed=c.seed, labels=False)


faces_gan = Recipe(
    title="",
    data="",
    parts={"seed-0": Part(CONFIG, generator, training_of)},
    figures={},
    measure=lambda made, quick: {},
    picture=lambda made: None,
    caption="",
    alt="",
)
