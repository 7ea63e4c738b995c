"""Spoken digits as log-mel images: a conditional VAE, and a conditional GAN."""

from functools import cache
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure as Picture
from matplotlib.layout_engine import ConstrainedLayoutEngine
from torch import Tensor, nn

from gantut import data, metrics, models, networks, plots, speech, training
from gantut.runs.cards import load
from gantut.runs.recipe import Figure, Networks, Part, Recipe, usual

FRONT = speech.LogMel(8000)
SHAPE = (1, 64, 64)
WORDS = {"train": 4000, "test": 500}
SAMPLES = 1000
DATA = (
    "4,000 words of data.spoken(), the English digits as espeak-ng says them in 264 voices and "
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


@cache
def fitted(model: models.VAE) -> tuple[Tensor, Tensor]:
    """A Gaussian of the codes of each digit's training words: means (10, d), and factors L of the
    covariances LLᵀ, (10, d, d). It takes the prior's place when one draws [ghosh2020]."""
    real = images()
    with torch.no_grad():
        parts = zip(real.floats().split(250), real.labels.split(250), strict=True)
        codes = [model.encode(x, labels) for x, labels in parts]
    mean, variance = (torch.cat([getattr(q, k) for q in codes]) for k in ("mean", "variance"))
    of_each = [real.labels == digit for digit in range(10)]
    spread = [torch.cov(mean[rows].T) + variance[rows].mean(0).diag() for rows in of_each]
    centres = torch.stack([mean[rows].mean(0) for rows in of_each])
    return centres, torch.linalg.cholesky(torch.stack(spread))


def drawn(model: Any, n: int = SAMPLES, *, seed: int = 0, prior: bool = False) -> Tensor:
    """``n`` samples of a conditional VAE or generator, as many of each digit.

    A VAE's codes come from ``fitted``, or from N(0, I) with ``prior``.
    """
    g = torch.Generator().manual_seed(seed)
    z, labels = torch.randn(n, model.latent_dim, generator=g), torch.arange(n) % 10
    if not isinstance(model, models.VAE):
        return training.generate(model, z, labels, chunk=250)
    if not prior:
        centres, factors = fitted(model)
        z = centres[labels] + (factors[labels] @ z[:, :, None])[:, :, 0]
    with torch.no_grad():
        parts = zip(z.split(250), labels.split(250), strict=True)
        return torch.cat([model.decode(some, asked).mean for some, asked in parts])


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


OF_PRIOR = {
    "class_accuracy_of_prior": Figure(
        "the share of 1,000 sampled images that the classifier takes for the digit asked for when "
        "the codes come from N(0, I); above, they come from a Gaussian with full covariance fitted "
        "to each digit's training codes [ghosh2020]",
        tolerance=0.1,
    ),
    "fid_of_prior": Figure("the distance of these samples to the training words", tolerance=0.3),
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
    """The figures of the VAE, with codes from where its words lie; and from its prior."""
    found = drawn(made["vae"], prior=True)
    real, seen = images().floats(slice(0, SAMPLES)), ear().extract(found).features
    return _measured(made["vae"], quick) | {
        "class_accuracy_of_prior": heard(found),
        "fid_of_prior": metrics.fid(ear().extract(real).features, seen),
    }


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
    size = (7.8, 0.8 * len(rows) + 0.25)
    figure, axes = plt.subplots(len(rows), 10, figsize=size, squeeze=False, layout=close)
    for axs, (name, ten) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(axs, ten, strict=True):
            ax.imshow(image[0], origin="lower", cmap=plots.HEAT, vmin=0, vmax=1, aspect="auto")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        axs[0].set_ylabel(name, fontsize=10)
    for ax, name in zip(axes[0], words().class_names, strict=True):
        ax.set_title(name, fontsize=10)
    return figure


def picture_vae(made: Networks) -> Picture:
    """Test words, the same rebuilt, and samples of both priors."""
    rows = one_of_each()
    real = images("test").floats(rows)
    model: Any = made["vae"]
    rebuilt = model.reconstruct(real, torch.arange(10))
    found = drawn(model, 10, seed=1, prior=True)
    fits = drawn(model, 10, seed=1)
    return spectrograms(
        {"test word": real, "rebuilt": rebuilt, "from N(0, I)": found, "fitted": fits}
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
    title="A conditional VAE says the digit asked for, once its codes are drawn where words lie.",
    data=DATA,
    parts={"vae": Part(VAE, vae, vae_training)},
    figures=FIGURES | OF_PRIOR,
    measure=measure_vae,
    picture=picture_vae,
    caption=(
        "Ten spoken digits as images: time runs to the right, pitch upwards, and bright is loud. "
        "The stripes are the harmonics of the voice; where they are bright together lie its "
        "formants. What is rebuilt keeps the formants and blurs the stripes. Codes from N(0, I) "
        "mostly miss the places where words lie; codes from a Gaussian fitted to each digit's "
        "codes after training find them."
    ),
    alt=(
        "Four rows of ten spectrograms, zero to nine: real words with fine horizontal stripes, the "
        "same rebuilt by the VAE, shapeless samples from the prior, and samples from the fitted "
        "Gaussians that look like the rebuilt ones."
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
