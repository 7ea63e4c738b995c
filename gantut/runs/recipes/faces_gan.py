"""A GAN of faces in colour, 64×64: hinge loss, spectral normalisation, a generator with a style."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure as Picture
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gantut import networks, plots, training
from gantut.data.batches import generator as generator_of
from gantut.networks.initialisation import LEAK, initialise, output, seeded
from gantut.runs.recipe import Figure, Networks, Part, Recipe, usual
from gantut.runs.recipes import faces

CONFIG = {
    "steps": 7000,
    "batch": 64,
    "images": 40_000,
    "latent_dim": 64,
    "planes": [128, 128, 80, 48, 16],
    "judge": [32, 64, 128, 192],
    "loss": "hinge",
    "lr": 7e-4,
    "ema": 0.999,
    "precision": "float32",
    "seed": 0,
}


def generator(c: SimpleNamespace) -> nn.Module:
    """G, with a mapping from noise to style."""
    return networks.StyleGenerator(c.latent_dim, faces.SHAPE, planes=c.planes, seed=c.seed)


class Critic(nn.Module):
    """One logit for each face, (N,): convolutions that halve, none of which stretches.

    The side is halved as often as there are ``planes`` [radford2016, miyato2018].
    """

    def __init__(self, planes: list[int], seed: int) -> None:
        super().__init__()
        with seeded(seed):
            layers: list[nn.Module] = []
            for before, after in pairwise([3, *planes]):
                layers += [nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(LEAK)]
            side = faces.SHAPE[1] >> len(planes)
            layers += [output(nn.Conv2d(planes[-1], 1, side)), nn.Flatten(0)]
            self.layers = nn.Sequential(*layers)
            initialise(self)
            for layer in self.layers[::2]:
                spectral_norm(layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(2 * x - 1)


def training_of(G: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """Hinge loss, with a learning rate that falls to 0."""
    trainer = training.GANTrainer(
        G,
        Critic(c.judge, 100 + c.seed),
        loss=c.loss,
        **usual(c, "generator", "discriminator"),
    )
    return trainer, faces.real(c.images).batches(c.batch, seed=c.seed, labels=False)


SAMPLES = 6000
# What is added to a face: its factor, and which values count.
ADDED = {"glasses": ("glasses", (1, 2, 3)), "smile": ("mouth", (0, 1))}
PUSH = {"glasses": 4.0, "smile": 4.0}  # how far, in deviations of the style along the direction


def has(found: dict[str, Tensor], attribute: str) -> Tensor:
    """Whether the judge sees it, (N,)."""
    factor, values = ADDED[attribute]
    return torch.isin(found[factor], torch.tensor(values))


def styles(G: Any, n: int, seed: int) -> Tensor:
    """Styles w of as many samples."""
    return G.mapping(torch.randn(n, G.latent_dim, generator=generator_of(seed)))


def drawn(G: Any, w: Tensor) -> Tensor:
    """The images of styles."""
    return torch.cat([G.draw(part) for part in w.split(256)])


def direction(w: Tensor, there: Tensor) -> Tensor:
    """Where an attribute lies in the styles: the slope of a logistic regression, of a length such
    that the styles have deviation 1 along it, times the largest change per length."""
    scale = w.std(0)
    slope = torch.zeros(w.shape[1] + 1, requires_grad=True)
    x = torch.cat([(w - w.mean(0)) / scale, torch.ones(len(w), 1)], 1)
    optimizer = torch.optim.LBFGS([slope], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        misfit = F.binary_cross_entropy_with_logits(x @ slope, there.float())
        total = misfit + 1e-3 * slope.square().sum()
        total.backward()
        return total

    with torch.enable_grad():
        optimizer.step(loss)
    return F.normalize(slope.detach()[:-1], dim=0) * scale


def errors(found: dict[str, Tensor], real: dict[str, Tensor]) -> Tensor:
    """By how much the share of each value among made faces is off, relative to real ones.

    What counts is what the judge finds, in both. Freckles are left out: they are too fine at 64
    pixels for it to find any.
    """
    ratios = []
    for name, values in faces.VALUES.items():
        if name != "freckles":
            made, there = (
                torch.bincount(seen[name], minlength=values) / len(seen[name])
                for seen in (found, real)
            )
            ratios.append(made / there.clamp(min=1 / len(real[name])))
    return torch.cat(ratios) - 1


@torch.no_grad()
def measure(made: Networks, quick: bool) -> dict[str, float]:
    """Shares of all values, and arithmetic."""
    G, n = made["seed-0"], 1000 if quick else SAMPLES
    w = styles(G, n, 0)
    found = faces.judge().found(drawn(G, w))
    real = faces.judge().found(faces.real(n, "test").floats())
    off = errors(found, real)
    if quick:
        return {"share_error_mean": off.abs().mean().item()}
    others = faces.judge().found(faces.real(2 * n, "test").floats(slice(n, 2 * n)))
    floor = errors(others, real)
    figures = {
        "share_error_mean": off.abs().mean(),
        "share_error_worst": off.abs().max(),
        "shares_within": (off.abs() <= 0.2).float().mean(),
        "share_error_worst_of_real": floor.abs().max(),
    }
    fresh = styles(G, 2000, 1)
    before = faces.judge().found(drawn(G, fresh))
    for attribute, (factor, _) in ADDED.items():
        without = ~has(before, attribute)
        moved = fresh[without] + PUSH[attribute] * direction(w, has(found, attribute))
        after = faces.judge().found(drawn(G, moved))
        others = [name for name in faces.VALUES if name != factor]
        stayed = [(after[name] == before[name][without]).float().mean() for name in others]
        figures[f"{attribute}_on"] = has(after, attribute).float().mean()
        figures[f"{attribute}_others_stay"] = torch.stack(stayed).mean()
    return {name: value.item() for name, value in figures.items()}


@torch.no_grad()
def picture(made: Networks) -> Picture:
    """Samples as they come, arithmetic, and ways from one face to another."""
    G = made["seed-0"]
    w = styles(G, 2000, 0)
    found = faces.judge().found(drawn(G, w))
    step = {name: PUSH[name] * direction(w, has(found, name)) for name in ADDED}
    plain = w[~has(found, "glasses") & ~has(found, "smile")][:10]
    sums = [plain, plain + step["glasses"], plain + step["smile"], plain + sum(step.values())]
    ends = styles(G, 4, 2).chunk(2)
    ways = [
        torch.lerp(a, b, t) for a, b in zip(*ends, strict=True) for t in torch.linspace(0, 1, 10)
    ]
    blocks = {
        "samples as they come": drawn(G, styles(G, 60, 1)),
        "a face; + glasses; + smile; + both": drawn(G, torch.cat(sums)),
        "from one face to another": drawn(G, torch.stack(ways)),
    }
    rows = [len(images) // 10 for images in blocks.values()]
    figure, axes = plt.subplots(3, 1, figsize=(7, 9.2), height_ratios=rows, layout="constrained")
    for ax, (title, images) in zip(axes, blocks.items(), strict=True):
        plots.image_grid(images, columns=10, ax=ax)
        ax.set_title(title, loc="left", pad=3)
    return figure


faces_gan = Recipe(
    title="A GAN makes up faces in colour, 64×64 pixels, and adds glasses or a smile on request.",
    data=faces.DATA.format(n=CONFIG["images"]),
    parts={"seed-0": Part(CONFIG, generator, training_of)},
    figures={
        "share_error_mean": Figure(
            f"of all {sum(faces.VALUES.values()) - 2} values of eleven named factors, by how much "
            f"the share that the judge finds in {SAMPLES:,} samples is off from what it finds in "
            "as many real faces, relative to it: the mean (it finds no freckles in either)",
            tolerance=0.5,
        ),
        "share_error_worst": Figure("the same, the worst value", most=0.2),
        "shares_within": Figure("the share of values that are off by 20 % or less"),
        "share_error_worst_of_real": Figure("the worst value in as many other real faces"),
        "glasses_on": Figure(
            "of samples without glasses, how many have some for the judge after a step along one "
            "direction of the style, the slope of a logistic regression on other samples",
            least=0.9,
        ),
        "glasses_others_stay": Figure("the share of their eleven other factors that stay"),
        "smile_on": Figure("the same for smiles and laughs", least=0.9),
        "smile_others_stay": Figure("the share of their eleven other factors that stay"),
    },
    measure=measure,
    picture=picture,
    caption=(
        "Above, samples as they come: none was chosen. In the middle, ten faces with two "
        "directions of the style added. Below, two ways from one face to another."
    ),
    alt="Sixty drawn faces in colour; ten more, with glasses, with a smile, with both; two series.",
)
