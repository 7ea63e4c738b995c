"""Draw the picture of README.md and the landing page: a conditional GAN after 1,500 steps, about half a minute on a laptop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from gantut import data, networks, plots, training

glyphs = data.glyphs()
trainer = training.GANTrainer(
    networks.ConvGenerator(64, glyphs.shape, classes=10, seed=0),
    networks.ConvDiscriminator(glyphs.shape, classes=10, spectral_norm=True, seed=1),
    loss="hinge",
    device="cpu",
)
trainer.fit(glyphs.batches(32, labels=True), steps=1500)
grid = plots.tile(trainer.sample(40, seed=0), columns=10)
picture = Image.fromarray((255 * grid).round().astype(np.uint8)).convert("L")
picture = picture.resize((3 * picture.width, 3 * picture.height), Image.Resampling.NEAREST)
picture.save(Path(__file__).resolve().parent.parent / "book" / "_static" / "readme.png", optimize=True)
