"""The same decoder, trained in five ways in equal time: GAN, VAE, VAE-GAN, AAE, and a flow on the
codes of a VAE. Measured by everything, also where the measures disagree."""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
from matplotlib.figure import Figure as Picture
from torch import Tensor, nn

from gantut import losses, metrics, models, networks, plots, training
from gantut.data.batches import generator
from gantut.runs.recipe import Figure, Networks, Part, Recipe, usual
from gantut.runs.recipes import judging
from gantut.runs.recipes.digits_gan import DATA, SHAPE
from gantut.runs.recipes.digits_vae import binarised

SEEDS = range(3)
MODELS = {
    "gan": "GAN",
    "vae": "VAE",
    "vae-gan": "VAE-GAN",
    "aae": "adversarial autoencoder",
    "flow": "flow on a VAE's codes",
    "codes": "the same VAE without the flow",  # what the flow is worth, apart from a weaker rate
}
REAL = "real"

# -- networks --------------------------------------------------------------------------------------


def painter(c: SimpleNamespace) -> nn.Module:
    """The decoder with a sigmoid: a GAN's generator."""
    return networks.ConvGenerator(c.latent_dim, SHAPE, width=c.width, seed=c.seed)


def vae(c: SimpleNamespace) -> nn.Module:
    """The decoder with an encoder beside it; a pixel's brightness is a probability."""
    encoder = networks.ConvEncoder(SHAPE, c.latent_dim, width=c.read, seed=200 + c.seed)
    decoder = networks.ConvDecoder(c.latent_dim, SHAPE, width=c.width, batch_norm=True, seed=c.seed)
    return models.VAE(encoder, decoder, "bernoulli")


def judge(c: SimpleNamespace) -> Any:
    """A discriminator of images that no layer stretches [miyato2018]."""
    return networks.ConvDiscriminator(SHAPE, width=c.width, spectral_norm=True, seed=100 + c.seed)


def flow(c: SimpleNamespace) -> nn.Module:
    """A velocity field on codes."""
    return models.Flow(models.VelocityMLP(c.latent_dim, hidden=(c.hidden,) * 3, seed=c.seed))


# -- training --------------------------------------------------------------------------------------


def _batches(c: SimpleNamespace) -> Any:
    return judging.digits().batches(c.batch, seed=c.seed)


def train_gan(G: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """The hinge loss, and spectral normalisation in D."""
    options = usual(c, "generator", "discriminator")
    return training.GANTrainer(G, judge(c), loss=c.loss, **options), _batches(c)


def train_vae(network: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """Distortion + β · rate."""
    trainer = training.VAETrainer(network, beta=c.beta, clip=c.clip, **usual(c, "vae"))
    return trainer, _batches(c)


class FinerVAEGAN(training.VAEGANTrainer):
    """A VAE-GAN whose Gaussian over features has a deviation ``sigma`` in the place of 1.

    Spectral normalisation makes features small. With a deviation of 1 two digits would differ by a
    dozen nats, which pays for hardly any code.
    """

    sigma: float

    def features(self, x: Tensor) -> Tensor:
        return super().features(x) / self.sigma


def train_vae_gan(network: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """The GAN's loss and discriminator, and a distance in that discriminator's features."""
    options = usual(c, "encoder", "decoder", "discriminator")
    trainer = FinerVAEGAN(network, judge(c), loss=c.loss, gamma=c.gamma, **options)
    trainer.sigma = c.sigma
    return trainer, _batches(c)


def train_aae(network: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """Distortion, and a judge of codes in the place of the rate."""
    D = networks.MLPDiscriminator((c.latent_dim,), hidden=(c.hidden,) * 2, seed=100 + c.seed)
    trainer = training.AAETrainer(
        network,
        D,
        weight=c.weight,
        penalty=losses.r1(c.gamma),
        penalty_every=c.penalty_every,
        clip=c.clip,
        **usual(c, "vae", "discriminator"),
    )
    return trainer, _batches(c)


class Codes:
    """Draws from the posteriors q(z|x) of the training digits; ``batch(k)`` depends on k alone.

    The encoder reads each digit once, when this is made: so a batch costs next to nothing.
    """

    def __init__(self, network: Any, c: SimpleNamespace) -> None:
        self.c = c
        with torch.no_grad():
            parts = [network.encode(x) for x in judging.digits().floats().split(500)]
        self.mean = torch.cat([q.mean for q in parts])
        self.sigma = torch.cat([q.stddev for q in parts])

    def batch(self, k: int) -> Tensor:
        source = generator(self.c.seed, k, 2)
        which = torch.randint(len(self.mean), (self.c.batch,), generator=source)
        noise = torch.randn(self.c.batch, self.mean.shape[1], generator=source)
        return self.mean[which] + self.sigma[which] * noise


def train_flow(network: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """Flow matching on the codes of the VAE with the same seed."""
    trainer = training.FlowTrainer(network, **usual(c, "flow"))
    return trainer, Codes(done[f"codes-{c.seed}"], c)


# -- parts -----------------------------------------------------------------------------------------

BUDGET = 150  # seconds of one core for each model and seed
# What a step takes, in seconds of one core: measured once, the models taking turns.
SECONDS = {
    "gan": 0.066,
    "vae": 0.025,
    "vae-gan": 0.155,
    "aae": 0.028,
    "codes": 0.025,
    "flow": 0.002,
}
SHARES = {"codes": 0.8, "flow": 0.2}  # of the budget; the others have all of it

CONFIG = {"batch": 64, "latent_dim": 16, "ema": 0.998, "precision": "float32"}
GAME = {"width": 32, "loss": "hinge", "lr": 4e-3}
CODER = {"width": 32, "read": 12, "lr": 4e-3, "clip": 200.0}
OWN: dict[str, dict[str, Any]] = {
    "gan": GAME,
    "vae": {**CODER, "beta": 1.0},
    "vae-gan": {**GAME, "lr": 2e-3, "read": 12, "gamma": 0.005, "sigma": 0.25},
    "aae": {**CODER, "weight": 30.0, "hidden": 128, "gamma": 0.1, "penalty_every": 4},
    "codes": {**CODER, "beta": 0.03},
    "flow": {"batch": 256, "hidden": 96, "lr": 2e-3, "ema": 0.999, "precision": "float32"},
}
Training = Callable[[Any, SimpleNamespace, Networks], tuple[Any, Any]]
MADE: dict[str, tuple[Callable[[SimpleNamespace], nn.Module], Training]] = {
    "gan": (painter, train_gan),
    "vae": (vae, train_vae),
    "vae-gan": (vae, train_vae_gan),
    "aae": (vae, train_aae),
    "codes": (vae, train_vae),
    "flow": (flow, train_flow),
}


def _part(kind: str, seed: int) -> Part:
    steps = round(BUDGET * SHARES.get(kind, 1.0) / SECONDS[kind], -1)
    config = {"steps": int(steps), **CONFIG, **OWN[kind], "seed": seed}
    after = (f"codes-{seed}",) if kind == "flow" else ()
    return Part(config, *MADE[kind], after=after, shipped=seed == 0)


PARTS = {f"{kind}-{seed}": _part(kind, seed) for kind in MADE for seed in SEEDS}


# -- figures ---------------------------------------------------------------------------------------

MEASURES = {
    "fid": "the distance of 2,000 samples to 2,000 training digits, in the book's features",
    "kid": "the kernel distance of the same, without bias",
    "precision": "the share of 2,000 samples in the ball of some of 2,000 training digits, which "
    "reaches to its fifth neighbour [kynkaanniemi2019]",
    "recall": "the share of these digits in the ball of some sample",
    "density": "how many digits' balls hold a sample, over five [naeem2020]",
    "coverage": "the share of digits' balls with a sample inside",
    "classes": "how many classes have a tenth of an equal share or more, by the classifier",
    "entropy": "the entropy of these classes, in nats; of equal shares it is 2.303",
    "sharpness": "Σd² / Σ|d| over the steps d between neighbouring pixels, over the same of the "
    "test digits; blur makes it smaller than 1, and noise may make it larger",
    "copying_share": "how often a sample is nearer to the training digits than a test digit is, in "
    "features; above ½ a model copies [meehan2020]",
    "copying_z": "by how many standard errors that share is above ½",
}
REBUILDING = {
    "mse": "the mean squared error of a pixel of the 500 test digits, rebuilt",
    "psnr": "the peak signal-to-noise ratio of the same in dB, the mean of the images",
}
NATS = (
    "−log p(x) in nats of the 500 test digits, binarised once with their brightness as the "
    "probability, by 500 draws from the encoder [burda2016]"
)
TOLERANCES = {"fid": 0.3, "kid": 0.3, "copying_z": 3.0, "copying_share": 0.2}


def sharpness(images: Tensor) -> float:
    """Σd² / Σ|d| over all steps d between neighbouring pixels: the size of a typical step.

    Blur cuts each step of a stroke's edge into several small ones, which leaves Σ|d| as it is and
    lowers Σd². How many strokes there are cancels.
    """
    steps = torch.cat([images.diff(dim=axis).flatten() for axis in (2, 3)])
    return (steps.square().sum() / steps.abs().sum()).item()


@cache
def _real() -> tuple[Tensor, Tensor, Tensor, float]:
    """The features of two halves of the training digits and of the test digits, whose sharpness
    is the last."""
    test = judging.digits("test").floats()
    return *judging.halves(), judging.eye().extract(test).features, sharpness(test)


def _looked_at(images: Tensor, *, made: bool = True) -> dict[str, float]:
    """All that needs images alone; what is not made is not asked whether it copies."""
    first, second, test, sharp = _real()
    seen = judging.eye().extract(images)
    classes = metrics.label_coverage(seen.logits)
    found = {
        "fid": metrics.fid(first, seen.features),
        "kid": metrics.kid(first, seen.features),
        **metrics.neighbourhood(first, seen.features)._asdict(),
        "classes": float(classes.covered),
        "entropy": classes.entropy,
        "sharpness": sharpness(images) / sharp,
    }
    if made:
        copies = metrics.copying(torch.cat([first, second]), test, seen.features)
        found |= {"copying_share": copies.share, "copying_z": copies.z}
    return found


def _coder(made: Networks, model: str, seed: int) -> Any:
    """The network with the encoder, which for the flow is the VAE under it."""
    return made[f"codes-{seed}" if model == "flow" else f"{model}-{seed}"]


def drawn(
    made: Networks, model: str, seed: int, n: int = judging.HALF, *, source: int = 0
) -> Tensor:
    """``n`` samples of one model and seed; of those with a likelihood, the means of p(x|z)."""
    latent_dim = int(PARTS[f"{model}-{seed}"].config["latent_dim"])
    z = torch.randn(n, latent_dim, generator=torch.Generator().manual_seed(source))
    if model == "gan":
        return training.generate(made[f"gan-{seed}"], z)
    if model == "flow":
        flowing: Any = made[f"flow-{seed}"]
        z = flowing.transport(z)
    decoder = _coder(made, model, seed).decoder
    return training.generate(nn.Sequential(decoder, nn.Sigmoid()), z)


@torch.no_grad()
def _rebuilt(network: Any) -> dict[str, float]:
    test = judging.digits("test").floats()
    rebuilt = network.reconstruct(test)
    return {
        "mse": (rebuilt - test).square().mean().item(),
        "psnr": metrics.psnr(rebuilt, test).mean().item(),
    }


def _nats(network: Any, quick: bool) -> float:
    """The bound for test digits that are binarised as in the run digits-vae."""
    x = binarised("test")
    few, samples = (50, 100) if quick else (500, 500)
    bound = metrics.importance_weighted(network, x[:few], samples=samples, chunk=10)
    return -bound.mean().item()


def _all_of(made: Networks, model: str, seed: int, quick: bool) -> dict[str, float]:
    found = _looked_at(drawn(made, model, seed))
    if model != "gan":
        found |= _rebuilt(_coder(made, model, seed))
    if model == "vae":
        found["nats"] = _nats(made[f"vae-{seed}"], quick)
    return found


def measure(made: Networks, quick: bool) -> dict[str, float]:
    """Every measure of every model: the mean of the seeds, the least and the most."""
    found = {}
    for model in MODELS:
        seeds = SEEDS[:1] if quick else SEEDS
        each = [_all_of(made, model, seed, quick) for seed in seeds]
        for measure in each[0]:
            name, values = f"{measure}_{model}", [one[measure] for one in each]
            found[name] = sum(values) / len(values)
            if not quick:
                found |= {f"{name}_low": min(values), f"{name}_high": max(values)}
    if not quick:
        order = torch.argsort(judging.digits().labels, stable=True)[1::2]
        real = _looked_at(judging.digits().floats(order), made=False)
        found |= {f"{measure}_{REAL}": value for measure, value in real.items()}
    return found


def _figures() -> dict[str, Figure]:
    figures = {}
    for model in MODELS:
        measures = MEASURES if model == "gan" else MEASURES | REBUILDING
        for measure, how in (measures | {"nats": NATS} if model == "vae" else measures).items():
            name, tolerance = f"{measure}_{model}", TOLERANCES.get(measure, 0.1)
            figures[name] = Figure(f"{how}; the mean of three seeds", tolerance=tolerance)
            figures[f"{name}_low"] = Figure("the least of the three")
            figures[f"{name}_high"] = Figure("the most of the three")
    for measure, how in MEASURES.items():
        if not measure.startswith("copying"):
            figures[f"{measure}_{REAL}"] = Figure(f"{how}; of the other 2,000 training digits")
    return figures


def picture(made: Networks) -> Picture:
    """A row of real digits, and one of each model."""
    real = judging.digits("test").floats()[:14]
    first, second, *_ = _real()
    rows = {f"test digits (FID of two real halves {metrics.fid(first, second):.2f})": real}
    for model, title in list(MODELS.items())[:5]:
        images = drawn(made, model, 0)
        distance = metrics.fid(first, judging.eye().extract(images).features)
        rows[f"{title} (FID {distance:.2f})"] = images[:14]
    return plots.comparison(rows)


gan_vs_vae = Recipe(
    title="One decoder, trained in five ways in equal time, and everything measured.",
    data=DATA,
    parts=PARTS,
    figures=_figures(),
    measure=measure,
    picture=picture,
    caption="The same decoder, trained in five ways for the same seconds. Each row is as it came, "
    "with the FID of this seed: the smaller, the nearer to real digits.",
    alt="Six rows of handwritten digits, white on black: real ones, then samples of a GAN, a VAE, "
    "a VAE-GAN, an adversarial autoencoder, and a flow on a VAE's codes.",
    columns={REAL: "real digits", **MODELS},
)
