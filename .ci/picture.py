"""Draw the moving picture of the landing page and the picture of README.md, from real training with
the library.

python .ci/picture.py [learning] [digits]      (both, unless one is named)
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image

from gantut import data, losses, metrics, networks, plots, training

STATIC = Path(__file__).resolve().parent.parent / "book" / "_static"
# The rounds that are shown: closely at first, when most happens.
ROUNDS = (
    0,
    10,
    20,
    30,
    40,
    50,
    60,
    70,
    80,
    90,
    100,
    120,
    140,
    160,
    180,
    200,
    225,
    250,
    275,
    300,
    350,
    400,
    450,
    500,
)
ROUNDS += (600, 700, 800, 1000, 1250, 1500, 2000, 2500, 3000)
SIDE, REACH, PIXELS, POINTS = 4.0, 2.9, 400, 160


def field(trainer: training.GANTrainer) -> np.ndarray:
    """D's logit on a grid as a picture: orange where it says fake, blue where it says real, clear
    where it cannot tell.
    """
    line = torch.linspace(-REACH, REACH, 64)
    with torch.no_grad():
        logit = trainer.D(torch.cartesian_prod(line, line)).view(64, 64).T.clamp(-3, 3) / 3
    colours = [
        torch.tensor(mpl.colors.to_rgb(plots.COLORS[name])) for name in ("generator", "data")
    ]
    picture = torch.where(logit[..., None] < 0, colours[0], colours[1])
    return torch.cat([picture, 0.6 * logit.abs()[..., None]], dim=2).numpy()


def frame(trainer: training.GANTrainer, real: torch.Tensor, round_: int) -> Image.Image:
    """The discriminator's field, data and samples on a transparent ground."""
    figure = plt.figure(figsize=(SIDE, SIDE), dpi=PIXELS / SIDE)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.imshow(
        field(trainer),
        origin="lower",
        extent=(-REACH, REACH, -REACH, REACH),
        interpolation="bilinear",
    )
    for points, name in ((real, "data"), (trainer.sample(POINTS, seed=3), "generator")):
        ax.plot(*points.T, ".", color=plots.COLORS[name], markersize=7, markeredgewidth=0)
    ax.text(0.15 - REACH, REACH - 0.15, f"round {round_}", va="top", color=plots.INK)
    ax.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH))
    ax.axis("off")
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=PIXELS / SIDE)
    plt.close(figure)
    return Image.open(out).convert("RGBA")


def learning() -> None:
    """A GAN that learns eight clouds, as an animated WebP and its last frame."""
    plots.use_style()
    mpl.rcParams["figure.constrained_layout.use"] = False
    ring = data.ring(std=0.1)
    trainer = training.GANTrainer(
        networks.MLPGenerator(2, (2,), hidden=(128, 128), seed=1),
        networks.MLPDiscriminator((2,), hidden=(128, 128), seed=101),
        penalty=losses.r1(0.1),
        lr=2e-3,
        ema=0.98,
        seed=1,
        device="cpu",
    )
    batches, real = ring.batches(256, seed=1), ring.sample(POINTS, torch.Generator().manual_seed(1))
    frames, done = [], 0
    for until in ROUNDS:
        trainer.fit(batches, until - done)
        done = until
        frames.append(frame(trainer, real, until))
    print(metrics.mode_coverage(trainer.sample(2500, seed=0), ring))
    durations = [160] * (len(frames) - 1) + [2500]
    settings = {"quality": 30, "alpha_quality": 50, "method": 6}
    frames[0].save(
        STATIC / "learning.webp",
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=0,
        **settings,
    )
    frames[-1].save(STATIC / "learning-still.webp", **settings)


def digits() -> None:
    """A conditional GAN after 1,500 steps, about half a minute on a laptop."""
    glyphs = data.glyphs()
    trainer = training.GANTrainer(
        networks.ConvGenerator(64, glyphs.shape, classes=10, seed=0),
        networks.ConvDiscriminator(glyphs.shape, classes=10, spectral_norm=True, seed=1),
        loss="hinge",
        device="cpu",
    )
    trainer.fit(glyphs.batches(32, labels=True), steps=1500)
    picture = plots.picture(trainer.sample(40, seed=0), 10, zoom=3).convert("L")
    picture.save(STATIC / "readme.png", optimize=True)


if __name__ == "__main__":
    for picture in sys.argv[1:] or ("learning", "digits"):
        {"learning": learning, "digits": digits}[picture]()
