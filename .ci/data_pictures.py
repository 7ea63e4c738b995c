"""Draw the pictures of book/data.md: a sample of each data set, as the library gives it.

python .ci/data_pictures.py                # all
python .ci/data_pictures.py faces spoken   # these
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from scipy.io import wavfile

from gantut import data, plots
from gantut.data.photos import PHOTOGRAPHS

PICTURES = Path(__file__).resolve().parent.parent / "book" / "_static" / "data"
BLUE = plots.COLORS["data"]


def by_class(images: data.ImageData, rows: int) -> torch.Tensor:
    """The first images of each class, a column for each."""
    places = [torch.nonzero(images.labels == c)[:rows, 0] for c in range(images.classes)]
    return images.floats(torch.stack(places, 1).flatten())


def handwritten() -> Image.Image:
    return plots.picture(by_class(data.handwritten(), 6), 10, zoom=2)


def glyphs() -> Image.Image:
    return plots.picture(by_class(data.glyphs(1000), 4), 10, zoom=2)


def digits() -> Image.Image:
    return plots.picture(by_class(data.digits(), 3), 10, zoom=7)


def faces() -> Image.Image:
    return plots.picture(data.faces(24, seed=4, cache=False).floats(), 8, zoom=2)


def plane() -> plt.Figure:
    figure, axes = plt.subplots(1, 5, figsize=(7.8, 1.95))
    for ax, (name, make) in zip(axes, data.DENSITIES.items(), strict=True):
        x = make().sample(1500, torch.Generator().manual_seed(0))
        ax.scatter(*x.T, s=2, color=BLUE, lw=0, alpha=0.7)
        ax.set_title(name, family="monospace", fontsize=9)
        reach = 1.08 * (x - x.mean(0)).abs().max()
        middle = x.mean(0)
        ax.set(xlim=middle[0] + reach * torch.tensor([-1, 1]), aspect="equal")
        ax.set_ylim(middle[1] + reach * torch.tensor([-1, 1]))
        ax.axis("off")
    return figure


def photographs() -> plt.Figure:
    """Whole photographs; those of the test say so."""
    train, test = data.photographs("train"), data.photographs("test")
    named = [*train.items(), *((f"{name} (test)", x) for name, x in test.items())]
    figure, bottom, gap = plt.figure(figsize=(7.8, 1)), 0.0, 0.06
    for row in (named[3:], named[:3]):
        wide = [x.shape[2] / x.shape[1] for _, x in row]
        high, left = (8.4 - gap * (len(row) - 1)) / sum(wide), 0.0
        for (name, x), width in zip(row, wide, strict=True):
            ax = figure.add_axes((left / 8.4, bottom, width * high / 8.4, high))
            ax.imshow(x.permute(1, 2, 0), aspect="auto")
            ax.set_title(name, fontsize=9, pad=3)
            ax.axis("off")
            left += width * high + gap
        bottom += high + 0.25
    return figure


def folder() -> plt.Figure:
    """What is cut off a wide and a tall picture, and what the data set keeps."""
    with tempfile.TemporaryDirectory() as place:
        for name in ("china", "hopper"):
            where, file = PHOTOGRAPHS["train"][name]
            shutil.copy(where(file), Path(place, f"{name}.jpg"))
        small = data.folder(place, size=64).floats()
    whole = data.photographs("train")
    figure, axes = plt.subplots(1, 4, figsize=(7.8, 2.3), width_ratios=(1.5, 1, 0.85, 1))
    for k, name in enumerate(("china", "hopper")):
        x = whole[name]
        side = min(x.shape[1:])
        top, left = (x.shape[1] - side) // 2, (x.shape[2] - side) // 2
        shown = 0.3 * x + 0.7
        kept = (slice(None), slice(top, top + side), slice(left, left + side))
        shown[kept] = x[kept]
        pair = ((shown, f"{x.shape[2]}×{x.shape[1]}"), (small[k], "64×64"))
        for ax, (image, title) in zip(axes[2 * k : 2 * k + 2], pair, strict=True):
            ax.imshow(image.permute(1, 2, 0), interpolation="nearest")
            ax.set_title(title, fontsize=9)
            ax.axis("off")
    return figure


def spectrogram(wave: np.ndarray, rate: int, size: int = 256, hop: int = 64) -> np.ndarray:
    """The level in dB below the loudest, over frequency and time."""
    frames = np.lib.stride_tricks.sliding_window_view(wave, size)[::hop] * np.hanning(size)
    power = np.abs(np.fft.rfft(frames, axis=1)).T ** 2
    return 10 * np.log10(power / power.max() + 1e-6)


def spoken() -> plt.Figure:
    """Each digit once, by ten speakers, to see and to hear (``spoken.wav``)."""
    rate = 8000
    words = data.spoken(200, rate=rate, seed=1, cache=False)
    rows = [int((words.labels == c).nonzero()[0, 0]) for c in range(10)]
    sound = (words.values[rows].flatten() * 32_767).round().to(torch.int16).numpy()
    wavfile.write(PICTURES / "spoken.wav", rate, sound)
    figure, axes = plt.subplots(
        2,
        10,
        figsize=(7.8, 2.4),
        height_ratios=(1, 2),
        gridspec_kw={"wspace": 0.05, "hspace": 0.05},
    )
    for c, (above, below) in enumerate(axes.T):
        wave = words.values[rows[c], 0].numpy()
        above.plot(wave, color=BLUE, lw=0.4)
        above.set_ylim(-1, 1)
        above.set_title(words.class_names[c], fontsize=9)
        level = spectrogram(wave, rate)
        below.imshow(level, origin="lower", aspect="auto", cmap=plots.HEAT, vmin=-50, vmax=0)
        for ax in (above, below):
            ax.set_xticks([])
            ax.set_yticks([])
            ax.spines[:].set_visible(False)
    axes[1, 0].set_ylabel("0 … 4 kHz", fontsize=9)
    return figure


def vowels() -> plt.Figure:
    """A frame of each vowel: the wave, and its spectrum with the formants that made it."""
    sounds = data.vowels(200, pitches=(110,), seed=0)
    figure, axes = plt.subplots(2, 5, figsize=(7.8, 2.6), height_ratios=(1, 1.4))
    for k, (above, below) in enumerate(axes.T):
        row = int((sounds.labels == k).nonzero()[0, 0])
        wave = sounds.values[row, 0].numpy()
        above.plot(wave[:256], color=BLUE, lw=0.9)
        above.set_title(sounds.class_names[k].split()[0], fontsize=10)
        above.axis("off")
        level = 20 * np.log10(np.abs(np.fft.rfft(wave * np.hanning(512))) + 1e-3)
        below.plot(np.linspace(0, 4, len(level)), level, color=BLUE, lw=0.9)
        for name in ("F1", "F2", "F3"):
            below.axvline(float(sounds.factors[name][row]) / 1000, color=plots.INK, lw=0.9, ls=":")
        below.set_yticks([])
        below.set_xlabel("kHz", fontsize=9)
        below.tick_params(labelsize=9)
        below.spines[["left", "top", "right"]].set_visible(False)
    return figure


DRAWN: tuple[Callable[[], Any], ...] = (
    handwritten,
    faces,
    photographs,
    spoken,
    plane,
    glyphs,
    digits,
    vowels,
    folder,
)


def main() -> int:
    known = {function.__name__: function for function in DRAWN}
    names = sys.argv[1:] or [*known]
    if unknown := set(names) - set(known):
        print(f"unknown picture {', '.join(unknown)}; known: {', '.join(known)}", file=sys.stderr)
        return 2
    plots.use_style()
    mpl.rc("savefig", transparent=True)
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name in names:
        path, drawn = PICTURES / f"{name}.png", known[name]()
        if isinstance(drawn, Image.Image):
            drawn.save(path, optimize=True)
        else:
            drawn.savefig(path, dpi=130, bbox_inches="tight", metadata={"Software": None})
            plt.close(drawn)
        print(path.name, f"{path.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
