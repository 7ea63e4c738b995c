"""Autoencoders of faces, 64×64 in 16×16×8 numbers: pixels alone, then a likeness that a network
sees, then a judge of patches. One change at a time [esser2021]."""

from types import SimpleNamespace
from typing import Any, Unpack, cast

import torch
from matplotlib.figure import Figure as Picture
from torch import Tensor, nn

from gantut import losses, metrics, models, networks, plots
from gantut.networks.initialisation import LEAK, initialise, output, seeded
from gantut.runs.cards import load
from gantut.runs.recipe import Figure, Networks, Part, Recipe, usual
from gantut.runs.recipes import faces
from gantut.training.adversarial import AdversarialOptions, AdversarialTrainer
from gantut.training.batches import MEANS, check_made

CONFIG = {
    "steps": 6000,
    "batch": 16,
    "images": 40_000,
    "planes": 48,
    "dimension": 8,
    "sigma": 0.02,
    "perceptual": 0.0,
    "adversary": 0.0,
    "begin": 800,
    "gamma": 1.0,
    "lr": 1e-3,
    "ema": 0.995,
    "precision": "float32",
    "seed": 0,
}


class FaceEncoder(nn.Module):
    """Faces to the mean and the log-variance of 16×16 codes, flat: (N, 256 · dimension) each."""

    def __init__(self, planes: int, dimension: int, seed: int) -> None:
        super().__init__()
        self.shape, self.latent_dim = faces.SHAPE, 256 * dimension
        with seeded(seed):
            self.body = nn.Sequential(
                nn.PixelUnshuffle(4),
                output(nn.Conv2d(48, planes, 3, padding=1)),
                networks.ResidualBlock(planes, planes),
                networks.ResidualBlock(planes, planes),
                nn.LeakyReLU(LEAK),
            )
            self.head = output(nn.Conv2d(planes, 2 * dimension, 1))
            initialise(self)
        for block in self.body[2:4]:
            block.start_at_skip()  # type: ignore[operator]
        with torch.no_grad():  # codes begin almost without noise, or the noise drowns them for long
            bias = cast(Tensor, self.head.bias)
            cast(Tensor, self.head.weight)[dimension:] = 0.0
            bias[dimension:] = -6.0

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.head(self.body(2 * x - 1)).chunk(2, dim=1)
        return mean.flatten(1), log_variance.flatten(1)


class FaceDecoder(nn.Module):
    """Codes (N, 256 · dimension) to the means of the pixels."""

    def __init__(self, planes: int, dimension: int, seed: int) -> None:
        super().__init__()
        self.shape, self.latent_dim = faces.SHAPE, 256 * dimension
        with seeded(seed):
            self.body = nn.Sequential(
                nn.Unflatten(1, (dimension, 16, 16)),
                output(nn.Conv2d(dimension, planes, 3, padding=1)),
                networks.ResidualBlock(planes, planes),
                networks.ResidualBlock(planes, planes),
                networks.ResidualBlock(planes, planes // 2, resize="up"),
                nn.LeakyReLU(LEAK),
                output(nn.Conv2d(planes // 2, 12, 3, padding=1)),
                nn.PixelShuffle(2),
            )
            initialise(self)
        for block in self.body[2:5]:
            block.start_at_skip()  # type: ignore[operator]

    def forward(self, z: Tensor) -> Tensor:
        return self.body(z) + 0.5


class PatchDiscriminator(nn.Module):
    """One logit for each of 8×8 patches, side by side, (64 N,): each sees 30 pixels or so."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        with seeded(seed):
            self.body = nn.Sequential(
                nn.PixelUnshuffle(2),
                output(nn.Conv2d(12, width, 3, padding=1)),
                networks.ResidualBlock(width, 2 * width, resize="down"),
                networks.ResidualBlock(2 * width, 4 * width, resize="down"),
                nn.LeakyReLU(LEAK),
                output(nn.Conv2d(4 * width, 1, 1)),
                nn.Flatten(0),
            )
            initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(2 * x - 1)


class CodecTrainer(AdversarialTrainer):
    """A VAE whose distortion is made of pixels, of what a judge of faces sees, and of patches.

    Encoder and decoder minimise rate + ‖x − x̂‖²/2σ² + a · d(x, x̂) + b · G's loss at x̂, where d is
    the squared distance of the judge's maps, and D tells patches of x from patches of x̂. A weight
    of 0 leaves its term out.

    Logs ``rate``, ``pixels``, and where they are: ``perceptual``, ``generator``,
    ``discriminator``, ``penalty``.
    """

    def __init__(
        self,
        vae: models.VAE,
        discriminator: nn.Module,
        *,
        perceptual: float,
        adversary: float,
        begin: int,
        **options: Unpack[AdversarialOptions],
    ) -> None:
        networks = {"vae": vae, "discriminator": discriminator}
        super().__init__(networks, averaged="vae", **options)
        self.weights = perceptual, adversary
        self.begin = begin

    def step(self, batch: Any) -> dict[str, Tensor]:
        x, _ = self.unpack(batch)
        with self.autocast():
            made = self.networks["vae"](x, generator=self.generator)
        rebuilt = made.likelihood.mean
        if self.steps == 0:
            check_made(x, rebuilt, MEANS)
        perceptual, adversary = self.weights
        terms = {"rate": losses.rate(made), "pixels": losses.distortion(made, x)}
        loss, logs = terms["rate"] + terms["pixels"], {}
        if perceptual:
            with self.autocast():
                terms["perceptual"] = faces.likeness(x, rebuilt)
            loss = loss + perceptual * terms["perceptual"]
        if adversary and self.steps >= self.begin:
            logs = self.discriminator_step(x, rebuilt.detach())
            real = self.real_logits(x, None)
            adversarial = self.loss.generator(real, self.judge(rebuilt))
            terms["generator"] = adversarial.view(len(x), -1).mean(1)
            loss = loss + adversary * terms["generator"]
        self.descend("vae", loss)
        self.average()
        return logs | {name: term.detach().mean() for name, term in terms.items()}

    def discriminator_step(self, x: Tensor, rebuilt: Tensor) -> dict[str, Tensor]:
        """D's step: real patches against rebuilt ones, the mean over an image's patches."""
        loss = self.loss.discriminator(self.judge(x), self.judge(rebuilt)).view(len(x), -1).mean(1)
        logs = {"discriminator": loss.detach().mean()}
        loss, penalty = self.punished(loss, x, rebuilt, None)
        self.descend("discriminator", loss)
        return logs | penalty


def patchwise(gamma: float) -> Any:
    """R1 and R2 of the mean logit of an image's patches."""
    penalty = losses.r1_r2(gamma)

    def of_images(D: Any, real: Tensor, fake: Tensor, **options: Any) -> Tensor:
        return penalty(lambda x: D(x).view(len(x), -1).mean(1), real, fake, **options)

    return of_images


def codec(c: SimpleNamespace) -> nn.Module:
    """The VAE before its training; the three of the table begin alike."""
    return models.VAE(
        FaceEncoder(c.planes, c.dimension, c.seed),
        FaceDecoder(c.planes, c.dimension, c.seed + 1),
        models.GaussianLikelihood(c.sigma, in_unit_interval=False),
    )


def training_of(vae: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """Its trainer and its batches."""
    trainer = CodecTrainer(
        vae,
        PatchDiscriminator(24, 100 + c.seed),
        perceptual=c.perceptual,
        adversary=c.adversary,
        begin=c.begin,
        loss="relativistic",
        penalty=patchwise(c.gamma),
        penalty_every=16,
        betas=(0.5, 0.99),
        **usual(c, "vae", "discriminator"),
    )
    return trainer, faces.real(c.images).batches(c.batch, seed=c.seed, labels=False)


def continued(vae: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """The same from where the training with the perceptual distance ended."""
    vae.load_state_dict(done["perceptual"].state_dict())
    return training_of(vae, c, done)


TEST = 500
STEPS = {
    "pixels": "pixels alone",
    "perceptual": "and perceptual",
    "longer": "and perceptual, 2,000 steps more",
    "adversary": "and adversary, for these 2,000",
}
PROTOCOLS = {
    "psnr": ("PSNR of {n} test faces, rebuilt from the codes' means, in dB", 0.02),
    "ssim": ("the SSIM of the same faces", 0.02),
    "perceptual": ("their distance for the judge, which the second and third training lower", 0.1),
    "sharpness": ("the energy of their Laplacian over that of the originals", 0.05),
    "factors": ("the share of factors that the judge names alike in original and rebuilt", 0.03),
    "rate": ("the nats that their codes spend, KL(q ‖ p)", 0.05),
}


def figures_of(*parts: str) -> dict[str, Figure]:
    """What is measured of these parts."""
    return {
        f"{name}_{part}": Figure(words.format(n=TEST), tolerance=tolerance)
        for part in parts
        for name, (words, tolerance) in PROTOCOLS.items()
    }


@torch.no_grad()
def rebuilt(vae: Any, x: Tensor) -> Tensor:
    """Faces there and back, from the mean of the code."""
    return vae.decode(vae.encode(x).mean).mean.clamp(0, 1)


@torch.no_grad()
def measure(made: Networks, quick: bool) -> dict[str, float]:
    """The rows of the table."""
    x = faces.real(TEST, "test").floats(slice(0, 50 if quick else TEST))
    before = faces.judge().found(x)
    found: dict[str, float] = {}
    for part, vae in made.items():
        y, q = rebuilt(vae, x), vae.encode(x)  # type: ignore[operator]
        after = faces.judge().found(y)
        kept = torch.stack([(before[name] == after[name]).float() for name in before])
        row = {
            "psnr": metrics.psnr(x, y).mean(),
            "ssim": metrics.ssim(x, y).mean(),
            "perceptual": faces.likeness(x, y).mean(),
            "sharpness": faces.sharpness(y).sum() / faces.sharpness(x).sum(),
            "factors": kept.mean(),
            "rate": 0.5 * (q.mean**2 + q.variance - 1 - q.variance.log()).sum(1).mean(),
        }
        found |= {f"{name}_{part}": value.item() for name, value in row.items()}
    return found


def _rows(made: Networks) -> Picture:
    x = faces.real(TEST, "test").floats(slice(0, 8))
    rows = {STEPS[part]: rebuilt(vae, x) for part, vae in made.items()}
    return plots.comparison({"faces it has not met": x, **rows})


def picture_vaegan(made: Networks) -> Picture:
    """Faces, and what each of the three makes of them."""
    return _rows({**load("faces-vae").networks, **made})


DATA = faces.DATA.format(n=CONFIG["images"])
faces_vae = Recipe(
    title="A VAE rebuilds faces from 16×16×8 numbers, by pixels alone.",
    data=DATA,
    parts={"pixels": Part(CONFIG, codec, training_of)},
    figures=figures_of("pixels"),
    measure=measure,
    picture=_rows,
    caption="Above: eight faces it has not met. Below: rebuilt, with softer outlines.",
    alt="Two rows of eight drawn faces; those below look like those above, only softer.",
)
_SEEN = {**CONFIG, "perceptual": 60_000.0}
_MORE = {**_SEEN, "steps": 2000, "begin": 0, "lr": 5e-4}
faces_vaegan = Recipe(
    title="The same autoencoder with a likeness that a network sees, and with a judge of patches.",
    data=DATA,
    parts={
        "perceptual": Part(_SEEN, codec, training_of),
        "adversary": Part(
            {**_MORE, "adversary": 10_000.0}, codec, continued, after=("perceptual",)
        ),
        "longer": Part(_MORE, codec, continued, after=("perceptual",), shipped=False),
    },
    figures=figures_of("perceptual", "adversary", "longer"),
    columns={part: STEPS[part] for part in ("perceptual", "longer", "adversary")},
    measure=measure,
    picture=picture_vaegan,
    caption=(
        "Eight faces that none has met; rebuilt by pixels alone, with the perceptual distance, and "
        "with the adversary, which joins for 2,000 steps at the end. At a glance they are the "
        "originals, from a sixth as many numbers; their outlines are softer. The same 2,000 steps "
        "without the adversary give the same PSNR, and a sharpness of 0.43 in place of 0.48."
    ),
    alt="Four rows of eight drawn faces, the first original, the others rebuilt and nearly alike.",
)
