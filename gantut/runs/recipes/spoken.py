"""Spoken digits as log-mel images: a conditional VAE, and a conditional GAN."""

from functools import cache
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure as Picture
from matplotlib.layout_engine import ConstrainedLayoutEngine
from torch import Tensor, nn

from gantut import data, metrics, models, networks, speech, training
from gantut.runs.cards import load
from gantut.runs.recipe import Figure, Networks, Part, Recipe, usual

FRONT = speech.LogMel(8000)
SHAPE = (1, 64, 64)
WORDS = {"train": 4000, "test": 500}
SAMPLES = 1000
DATA = (
    "4,000 words of data.spoken(), the English digits as espeak-ng says them in 224 voices and "
    "accents, as log-mel images of 64 bands and 64 moments; another 8 voices, in 8 accents each, "
    "speak the test words"
)
VAE = {
    "steps": 3000,
    "batch": 64,
    "latent_dim": 16,
    "width": 24,
    "sigma": 0.3,
    "lr": 2e-3,
    "ema": 0.998,
    "precision": "float32",
    "seed": 0,
}
GAN = {
    "steps": 3500,
    "batch": 64,
    "latent_dim": 64,
    "width": 40,
    "loss": "hinge",
    "lr": 1e-3,
    "ema": 0.999,
    "precision": "bfloat16",
    "seed": 0,
}


@cache
def words(split: str = "train") -> Any:
    """The words as sounds, read once."""
    return data.spoken(WORDS[split], split=split)


@cache
def images(split: str = "train") -> Any:
    """The words as images of bytes."""
    grey = torch.cat([FRONT(part) for part in words(split).values.split(500)])
    names = words(split).class_names
    return data.ImageData(
        (255 * grey).round().to(torch.uint8), words(split).labels, name="words", class_names=names
    )


@cache
def ear() -> metrics.FeatureNetwork:
    """The network that hears digits. It learns from the training words and meets no sample."""
    return metrics.feature_network(images())


def drawn(model: Any, n: int = SAMPLES, *, seed: int = 0) -> Tensor:
    """``n`` samples of a conditional VAE or generator, as many of each digit."""
    g = torch.Generator().manual_seed(seed)
    z, labels = torch.randn(n, model.latent_dim, generator=g), torch.arange(n) % 10
    if isinstance(model, models.VAE):
        with torch.no_grad():
            return torch.cat(
                [
                    model.decode(some, asked).mean
                    for some, asked in zip(z.split(250), labels.split(250), strict=True)
                ]
            )
    return training.generate(model, z, labels, chunk=250)


def heard(found: Tensor) -> float:
    """The share of sounds, or of images, in which the ear hears 0, 1, … 9, 0, 1, … in turn."""
    seen = found if found.ndim == 4 else FRONT(found)
    return metrics.class_accuracy(ear().extract(seen).logits, torch.arange(len(seen)) % 10)


def vae(c: SimpleNamespace) -> nn.Module:
    """Encoder and decoder, each told the digit, and a Gaussian of a fixed deviation."""
    sizes: dict[str, Any] = {"width": c.width, "classes": 10, "seed": c.seed}
    return models.VAE(
        networks.ConvEncoder(SHAPE, c.latent_dim, **sizes),
        networks.ConvDecoder(c.latent_dim, SHAPE, **sizes),
        models.GaussianLikelihood(c.sigma),
    )


def vae_training(network: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """The negative ELBO, and a learning rate that falls to 0."""
    trainer = training.VAETrainer(
        network,
        **usual(c, "vae"),
    )
    return trainer, images().batches(c.batch, seed=c.seed, labels=True)


def generator(c: SimpleNamespace) -> nn.Module:
    """G: a linear layer, then four times repeat and convolve."""
    return networks.ConvGenerator(c.latent_dim, SHAPE, width=c.width, classes=10, seed=c.seed)


def gan_training(G: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """The recipe of the digits: hinge loss and spectral normalisation."""
    D = networks.ConvDiscriminator(
        SHAPE, width=c.width, classes=10, spectral_norm=True, seed=100 + c.seed
    )
    options = usual(c, "generator", "discriminator")
    trainer = training.GANTrainer(G, D, loss=c.loss, **options)
    return trainer, images().batches(c.batch, seed=c.seed, labels=True)


FIGURES = {
    "heard": Figure(
        "the share of 1,000 samples whose sound, made by Griffin and Lim's search, is heard as the "
        "digit asked for by a classifier that learned from the training words alone",
        least=0.9,
        tolerance=0.05,
    ),
    "class_accuracy": Figure(
        "the same, where the classifier looks at the sampled images themselves",
        least=0.9,
        tolerance=0.05,
    ),
    "heard_of_test": Figure(
        "what it gets right of the 500 test words, by voices that it has not met, once they went "
        "through image and search as well",
        tolerance=0.02,
    ),
    "fid": Figure(
        "the distance of 1,000 samples to 1,000 training words, in the classifier's 64 features",
        tolerance=0.3,
    ),
    "fid_floor": Figure(
        "the same between these 1,000 words and another 1,000 training words", tolerance=0.3
    ),
}


def _measured(model: nn.Module, quick: bool) -> dict[str, float]:
    found, real = drawn(model), images()
    figures = {"class_accuracy": heard(found)}
    seen = ear().extract(found).features
    first, second = (
        ear().extract(real.floats(slice(k * SAMPLES, (k + 1) * SAMPLES))).features for k in (0, 1)
    )
    figures |= {"fid": metrics.fid(first, seen), "fid_floor": metrics.fid(first, second)}
    if quick:
        return figures
    test = images("test").floats()
    logits = ear().extract(FRONT(FRONT.sounds(test))).logits
    figures["heard_of_test"] = metrics.class_accuracy(logits, images("test").labels)
    return figures | {"heard": heard(FRONT.sounds(found))}


def measure_vae(made: Networks, quick: bool) -> dict[str, float]:
    """The figures of the VAE."""
    return _measured(made["vae"], quick)


def measure_gan(made: Networks, quick: bool) -> dict[str, float]:
    """The figures of the GAN."""
    return _measured(made["gan"], quick)


def one_of_each() -> Tensor:
    """The places of ten test words, zero to nine."""
    labels = words("test").labels
    return torch.tensor([int(torch.nonzero(labels == k)[0]) for k in range(10)])


def spectrograms(rows: dict[str, Tensor]) -> Picture:
    """Rows of ten images each (10, 1, bands, moments), a digit a column, low bands below."""
    close = ConstrainedLayoutEngine(w_pad=0.015, h_pad=0.015, wspace=0, hspace=0)
    size = (9, 0.9 * len(rows) + 0.25)
    figure, axes = plt.subplots(len(rows), 10, figsize=size, squeeze=False, layout=close)
    for axs, (name, ten) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(axs, ten, strict=True):
            ax.imshow(image[0], origin="lower", cmap="magma", vmin=0, vmax=1, aspect="auto")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        axs[0].set_ylabel(name, fontsize=10)
    for ax, name in zip(axes[0], words().class_names, strict=True):
        ax.set_title(name, fontsize=10)
    return figure


def picture_vae(made: Networks) -> Picture:
    """Test words, the same rebuilt, and samples."""
    rows = one_of_each()
    real = images("test").floats(rows)
    model: Any = made["vae"]
    rebuilt = model.reconstruct(real, torch.arange(10))
    found = drawn(model, 20, seed=1).split(10)
    return spectrograms(
        {"test word": real, "rebuilt": rebuilt, "sampled": found[0], "another": found[1]}
    )


def picture_gan(made: Networks) -> Picture:
    """Test words, a sample of the VAE for each digit, and two of the GAN."""
    found = drawn(made["gan"], 20, seed=1).split(10)
    other = drawn(load("spoken-vae").network, 10, seed=1)
    real = images("test").floats(one_of_each())
    return spectrograms({"test word": real, "VAE": other, "GAN": found[0], "another": found[1]})


def in_a_row(sounds: Tensor) -> Tensor:
    """Ten sounds (10, 1, T) as one, each without the silence at its end."""
    parts = []
    for sound in sounds[:, 0]:
        loud = torch.nonzero(sound.abs() > 0.02 * sound.abs().max()).max()
        parts.append(0.9 * sound[: int(loud) + 400] / sound.abs().max())
    return torch.cat(parts)


spoken_vae = Recipe(
    title="A conditional VAE says the digit that it is asked for, a little blurred.",
    data=DATA,
    parts={"vae": Part(VAE, vae, vae_training)},
    figures=FIGURES,
    measure=measure_vae,
    picture=picture_vae,
    caption=(
        "Ten spoken digits as images: time runs to the right, pitch upwards, and bright is loud. "
        "The stripes are the harmonics of the voice; where they are bright together lie its "
        "formants. The samples have the formants, and blur the stripes, since the mean over many "
        "voices has no pitch."
    ),
    alt=(
        "Four rows of ten spectrograms, zero to nine: real words with fine horizontal stripes, the "
        "same rebuilt by the VAE, and two rows of smoother samples."
    ),
)
spoken_gan = Recipe(
    title="A conditional GAN says the digit that it is asked for, in a voice with a pitch.",
    data=DATA,
    parts={"gan": Part(GAN, generator, gan_training)},
    figures=FIGURES,
    measure=measure_gan,
    picture=picture_gan,
    caption=(
        "Ten spoken digits as images: real test words, samples of the VAE, and two rows of samples "
        "of the GAN, as they come. Look for the fine stripes of the harmonics, which the VAE "
        "averages away and the GAN draws."
    ),
    alt=(
        "Four rows of ten spectrograms, zero to nine: real words, the smooth samples of a VAE, and "
        "two rows of samples of a GAN with fine horizontal stripes like the real ones."
    ),
)
