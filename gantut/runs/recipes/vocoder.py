"""A vocoder of spoken digits: sound from log-mel images, against several-period discriminators."""

from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure as Picture
from torch import Tensor, nn

from gantut import metrics, plots, speech, training
from gantut.runs.cards import load
from gantut.runs.recipe import Figure, Networks, Part, Recipe, usual
from gantut.runs.recipes import spoken
from gantut.runs.recipes.spoken import FRONT

CONFIG = {
    "steps": 5000,
    "batch": 12,
    "width": 112,
    "judges": 12,
    "weight": 10.0,
    "likeness": 2.0,
    "lr": 1e-3,
    "ema": 0.998,
    "precision": "float32",
    "seed": 0,
}
QUICK = 100  # test words that the tests measure again


def vocoder(c: SimpleNamespace) -> nn.Module:
    """G."""
    return speech.Vocoder(FRONT, width=c.width, seed=c.seed)


def training_of(G: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """The game and the spectral loss, with learning rates that fall to 0."""
    trainer = training.VocoderTrainer(
        G,
        speech.PeriodDiscriminators(width=c.judges, seed=100 + c.seed),
        distance=speech.spectral_loss,
        weight=c.weight,
        likeness=c.likeness,
        **usual(c, "vocoder", "discriminator"),
    )
    return trainer, spoken.words().batches(c.batch, seed=c.seed)


FIGURES = {
    "distance": Figure(
        "the log-spectral distance of the vocoder's sounds to the 500 test words whose images it "
        "was given, by voices that it has not met: in dB, speech.spectrogram_distance",
        tolerance=0.02,
    ),
    "distance_of_search": Figure(
        "the same for Griffin and Lim's search of 60 steps", tolerance=0.02
    ),
    "distance_over_search": Figure("their ratio", most=1.0, tolerance=0.02),
    "heard": Figure(
        "the share of the vocoder's test words that a classifier, trained on the training words, "
        "hears as what they are",
        least=0.9,
        tolerance=0.02,
    ),
    "heard_of_vae": Figure(
        "the share of 1,000 samples of spoken-vae that it hears as the digit asked for, once the "
        "vocoder has made their sound",
        least=0.9,
    ),
    "heard_of_gan": Figure("the same for spoken-gan", least=0.9),
}


@torch.no_grad()
def sounds_of(G: nn.Module, images: Tensor) -> Tensor:
    """The vocoder's sounds, some at a time."""
    return torch.cat([G(part) for part in images.split(100)])


def measure(made: Networks, quick: bool) -> dict[str, float]:
    """The vocoder's figures."""
    G, n = made["vocoder"], QUICK if quick else spoken.WORDS["test"]
    real = spoken.words("test").values[:n]
    images = FRONT(real)
    sounds = sounds_of(G, images)
    distance = speech.spectrogram_distance(real, sounds).mean().item()
    searched = FRONT.sounds(images, steps=60)
    search = speech.spectrogram_distance(real, searched).mean().item()
    figures = {
        "distance": distance,
        "distance_of_search": search,
        "distance_over_search": distance / search,
    }
    if quick:
        return figures
    logits = spoken.ear().extract(FRONT(sounds)).logits
    figures["heard"] = metrics.class_accuracy(logits, spoken.images("test").labels)
    for name in ("vae", "gan"):
        drawn = spoken.drawn(load(f"spoken-{name}").network)
        figures[f"heard_of_{name}"] = spoken.heard(sounds_of(G, drawn))
    return figures


def _ten(made: Networks) -> tuple[Tensor, Tensor, Tensor]:
    """Ten test words, the same by the search, and by the vocoder."""
    real = spoken.words("test").values[spoken.one_of_each()]
    images = FRONT(real)
    return real, FRONT.sounds(images, steps=60), sounds_of(made["vocoder"], images)


def picture(made: Networks) -> Picture:
    """One word three times: 30 ms of its wave, and its spectrogram."""
    names = ("test word", "Griffin–Lim", "vocoder")
    figure, axes = plt.subplots(
        2, 3, figsize=(7.8, 3.8), height_ratios=(1, 1.6), sharey="row", layout="constrained"
    )
    start, rate = 1200, FRONT.rate
    time = 1000 * torch.arange(240) / rate
    for column, name, sounds in zip(axes.T, names, _ten(made), strict=True):
        wave, ax = sounds[7, 0], column[0]
        ax.plot(time, wave[start : start + len(time)], lw=1.2, color=plots.COLORS["data"])
        ax.set(title=name, xlabel="ms", yticks=[])
        level = 20 * speech.stft(wave[None], 256, 32).abs().clamp(min=1e-6).log10()[0]
        reach = (0, 1000 * len(wave) / rate, 0, rate / 2000)
        column[1].imshow(
            level, origin="lower", cmap=plots.HEAT, aspect="auto", extent=reach,
            vmin=level.max() - 60, vmax=level.max(),
        )  # fmt: skip
        column[1].set(xlabel="ms")
    axes[1, 0].set_ylabel("kHz")
    return figure


def sounds(made: Networks) -> speech.Players:
    """Zero to nine: real, from their images, and as the VAE and the GAN say them."""
    G, named = made["vocoder"], ("test words", "Griffin-Lim", "vocoder")
    found = dict(zip(named, _ten(made), strict=True))
    for name in ("VAE", "GAN"):
        drawn = spoken.drawn(load(f"spoken-{name.lower()}").network, 10, seed=1)
        found[f"{name} and vocoder"] = sounds_of(G, drawn)
    return speech.Players({k: spoken.in_a_row(v) for k, v in found.items()}, FRONT.rate)


spoken_vocoder = Recipe(
    title="A small vocoder makes an image's sound in one pass, almost as near as a search comes.",
    data=spoken.DATA.replace(", as log-mel images", ", and their log-mel images"),
    parts={"vocoder": Part(CONFIG, vocoder, training_of)},
    figures=FIGURES,
    measure=measure,
    picture=picture,
    sounds=sounds,
    caption=(
        "The word “seven” by a voice that the vocoder has not met. Above, 30 ms of its wave: the "
        "image says nothing of when a pulse of the voice falls, and both smear the sharp pulses of "
        "the real word. Below, the spectrogram: both keep its bands, and the vocoder's are a "
        "little rougher."
    ),
    alt=(
        "Three columns, a real word, Griffin and Lim's search and the vocoder: each a short piece "
        "of the wave above and the whole word's spectrogram below."
    ),
)
