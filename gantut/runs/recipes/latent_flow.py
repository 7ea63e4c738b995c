"""One small autoencoder with four weights of its rate, and the same flow on the codes of each: why
latent diffusion hardly charges for the rate [rombach2022].

The decoder's deviation is near what a VAE of weight 1 has when it is trained, so that weight 1 is
the ELBO at its best; the others lower one number. Networks of one shape train side by side.
"""

import copy
from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any, Unpack

import torch
from matplotlib.figure import Figure as Picture
from torch import Tensor, nn
from torch.func import functional_call, vmap

from gantut import metrics, models, plots, training
from gantut.data.batches import generator
from gantut.networks.initialisation import LEAK, initialise, output, seeded, start_near_zero
from gantut.runs.recipe import Figure, Networks, Part, Recipe, usual
from gantut.runs.recipes import judging
from gantut.runs.recipes.digits_gan import DATA, SHAPE

SEEDS = range(5)
WEIGHTS = {"10": 10.0, "1": 1.0, "1e-2": 1e-2, "1e-6": 1e-6}
# Weight and seed of each network; the first ones go into the package.
SHOWN = [["1", 0], ["1e-6", 0]]
OTHERS = [[name, seed] for seed in SEEDS for name in WEIGHTS if [name, seed] not in SHOWN]

# -- networks --------------------------------------------------------------------------------------


class Reader(nn.Module):
    """Digits to the mean and the log-variance of d codes: 7×7 patches, then all of them at once."""

    def __init__(self, c: SimpleNamespace) -> None:
        super().__init__()
        self.shape, self.latent_dim = SHAPE, c.d
        self.patches = nn.Sequential(
            nn.Linear(16, c.patch), nn.LeakyReLU(LEAK), output(nn.Linear(c.patch, c.places))
        )
        self.whole = nn.Sequential(
            nn.Linear(49 * c.places, c.hidden),
            nn.LeakyReLU(LEAK),
            nn.Linear(c.hidden, c.hidden),
            nn.LeakyReLU(LEAK),
            output(nn.Linear(c.hidden, 2 * c.d)),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.patches(2 * nn.functional.pixel_unshuffle(x, 4).flatten(2).mT - 1)
        mean, log_variance = self.whole(seen.flatten(1)).chunk(2, 1)
        return mean, log_variance


class Writer(nn.Module):
    """Codes (N, d) to digits, 4×4 pixels at each of 7×7 places."""

    def __init__(self, c: SimpleNamespace) -> None:
        super().__init__()
        self.shape, self.latent_dim, self.places = SHAPE, c.d, c.places
        self.whole = nn.Sequential(
            nn.Linear(c.d, c.hidden),
            nn.LeakyReLU(LEAK),
            nn.Linear(c.hidden, c.hidden),
            nn.LeakyReLU(LEAK),
            output(nn.Linear(c.hidden, 49 * c.places)),
        )
        self.patches = nn.Sequential(
            nn.Linear(c.places, c.patch), nn.LeakyReLU(LEAK), output(nn.Linear(c.patch, 16))
        )

    def forward(self, z: Tensor) -> Tensor:
        each = self.patches(self.whole(z).unflatten(1, (49, self.places)))
        return nn.functional.pixel_shuffle(each.mT.unflatten(2, (7, 7)), 4)


class Coder(nn.Module):
    """Both, as one network: digits and noise to means, log-variances, and what is rebuilt."""

    def __init__(self, c: SimpleNamespace, seed: int) -> None:
        super().__init__()
        with seeded(seed):
            self.encoder, self.decoder = Reader(c), Writer(c)
            initialise(self)
        for last in (self.encoder.whole[4], self.decoder.patches[2]):
            start_near_zero(last)

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.encoder(x)
        return mean, log_variance, self.decoder(mean + (log_variance / 2).exp() * noise)


class Several(nn.Module):
    """Networks of one shape side by side: one pass costs little more than that of one.

    Each gets its own row of the arguments, and has its own weights: the k-th row of every stack.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self._one = (networks[0],)  # in a tuple: its weights are none of ours
        for name, _ in networks[0].named_parameters():
            rows = torch.stack([network.get_parameter(name).detach() for network in networks])
            self.register_parameter(name.replace(".", "/"), nn.Parameter(rows))

    def _stacks(self) -> dict[str, Tensor]:
        return {name.replace("/", "."): value for name, value in self.named_parameters()}

    def forward(self, *rows: Tensor) -> Any:
        def pass_through(weights: dict[str, Tensor], *given: Tensor) -> Any:
            return functional_call(self._one[0], weights, given)

        return vmap(pass_through)(self._stacks(), *rows)

    def one(self, k: int) -> Any:
        """The k-th network by itself."""
        network = copy.deepcopy(self._one[0])
        with torch.no_grad():
            for name, rows in self._stacks().items():
                network.get_parameter(name).copy_(rows[k])
        return network.eval().requires_grad_(False)


class Autoencoders(Several):
    """Autoencoders whose rates have several weights."""

    def __init__(self, c: SimpleNamespace) -> None:
        super().__init__([Coder(c, seed) for _, seed in c.members])
        self.members, self.sigma = [tuple(member) for member in c.members], c.sigma

    def vae(self, weight: str, seed: int = 0) -> models.VAE:
        """The one with this weight, as a plain VAE."""
        coder = self.one(self.members.index((weight, seed)))
        likelihood = models.GaussianLikelihood(self.sigma, in_unit_interval=False)
        return models.VAE(coder.encoder, coder.decoder, likelihood).eval().requires_grad_(False)


class CodeFlow(models.Flow):
    """A flow on codes of mean 0 and deviation 1, and what the codes' own numbers have in truth."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, velocity: nn.Module, mean: Tensor, deviation: Tensor) -> None:
        super().__init__(velocity)
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    def codes(self, z: Tensor) -> Tensor:
        """What the flow makes, as the decoder knows it."""
        return self.mean + self.deviation * z


class Flows(Several):
    """Velocity fields on the codes of several autoencoders, and what these codes have."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, c: SimpleNamespace) -> None:
        super().__init__(
            [models.VelocityMLP(c.d, hidden=(c.hidden,) * 3, seed=seed) for _, seed in c.members]
        )
        self.members = [tuple(member) for member in c.members]
        self.register_buffer("mean", torch.zeros(len(c.members), 1, c.d))
        self.register_buffer("deviation", torch.ones(len(c.members), 1, c.d))

    def flow(self, weight: str, seed: int = 0) -> CodeFlow:
        """The flow on the codes of this autoencoder."""
        k = self.members.index((weight, seed))
        made = CodeFlow(self.one(k), self.mean[k, 0].clone(), self.deviation[k, 0].clone())
        return made.eval().requires_grad_(False)


# -- training --------------------------------------------------------------------------------------


class CoderTrainer(training.Trainer):
    """Minimises ‖x − x̂‖²/2σ² + weight · rate of each autoencoder.

    Logs the distortion and the rate of the first and of the last one.
    """

    def __init__(self, coders: Autoencoders, **options: Unpack[training.Options]) -> None:
        super().__init__({"coders": coders}, averaged="coders", **options)
        self.sigma, self.members = coders.sigma, coders.members
        self.weights = torch.tensor([WEIGHTS[name] for name, _ in self.members])[:, None]

    def step(self, batch: Any) -> dict[str, Tensor]:
        x, noise = batch
        mean, log_variance, rebuilt = self.networks["coders"](x, noise)
        distortion = (x - rebuilt).square().flatten(2).sum(2) / (2 * self.sigma**2)
        rate = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(2)
        self.descend("coders", (distortion + self.weights * rate).sum(0))
        self.average()
        terms = {"distortion": distortion.detach().mean(1), "rate": rate.detach().mean(1)}
        ends = {self.members[k][0]: k for k in (0, -1)}
        return {f"{term}_{name}": of[k] for term, of in terms.items() for name, k in ends.items()}


class Shuffled:
    """A batch of digits and of noise for each network; those of one seed get the same."""

    def __init__(self, c: SimpleNamespace) -> None:
        self.c, self.digits = c, judging.digits().floats()

    def batch(self, k: int) -> tuple[Tensor, Tensor]:
        x, noise = [], []
        for _, seed in self.c.members:
            source = generator(seed, k, 6)
            rows = torch.randint(len(self.digits), (self.c.batch,), generator=source)
            x.append(self.digits[rows])
            noise.append(torch.randn(self.c.batch, self.c.d, generator=source))
        return torch.stack(x), torch.stack(noise)


def train_coders(network: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """Distortion + weight · rate."""
    return CoderTrainer(network, **usual(c, "coders")), Shuffled(c)


class FlowsTrainer(training.Trainer):
    """Flow matching of several flows side by side."""

    def __init__(self, flows: Flows, **options: Unpack[training.Options]) -> None:
        super().__init__({"flows": flows}, averaged="flows", **options)
        self.members = flows.members

    def step(self, batch: Any) -> dict[str, Tensor]:
        x, start, t = batch
        there = start + t[..., None] * (x - start)
        error = (self.networks["flows"](there, t) - (x - start)).square().sum(2)
        self.descend("flows", error.sum(0))
        self.average()
        ends = {self.members[k][0]: k for k in (0, -1)}
        return {f"velocity_{name}": error[k].detach().mean() for name, k in ends.items()}


class Codes:
    """Draws from the posteriors of the training digits with mean 0 and deviation 1, noise and
    times: for each autoencoder; those of one seed get the same draws."""

    def __init__(self, coders: Autoencoders, c: SimpleNamespace) -> None:
        self.c, x = c, judging.digits().floats()
        means, sigmas = zip(*(posteriors(coders.vae(*member), x) for member in c.members),
                            strict=True)  # fmt: skip
        self.means, self.sigmas = torch.stack(means), torch.stack(sigmas)
        self.mean = self.means.mean(1, keepdim=True)
        variance = self.means.var(1, keepdim=True) + self.sigmas.square().mean(1, keepdim=True)
        self.deviation = variance.sqrt()

    def batch(self, k: int) -> tuple[Tensor, Tensor, Tensor]:
        codes, starts, times = [], [], []
        for mean, sigma, (_, seed) in zip(self.means, self.sigmas, self.c.members, strict=True):
            source = generator(seed, k, 7)
            rows = torch.randint(len(mean), (self.c.batch,), generator=source)
            noise = torch.randn(2, self.c.batch, self.c.d, generator=source)
            codes.append(mean[rows] + sigma[rows] * noise[0])
            starts.append(noise[1])
            times.append(torch.rand(self.c.batch, generator=source))
        x = (torch.stack(codes) - self.mean) / self.deviation
        return x, torch.stack(starts), torch.stack(times)


@torch.no_grad()
def posteriors(vae: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """The means and deviations of q(z|x), (n, d) each."""
    parts = [vae.encode(part) for part in x.split(500)]
    return torch.cat([q.mean for q in parts]), torch.cat([q.stddev for q in parts])


def flows_on(coders: str) -> Any:
    """What trains the flows on the codes of this part."""

    def train_flows(network: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
        codes = Codes(done[coders], c)  # type: ignore[arg-type]
        network.mean.copy_(codes.mean)
        network.deviation.copy_(codes.deviation)
        return FlowsTrainer(network, **usual(c, "flows")), codes

    return train_flows


# -- parts -----------------------------------------------------------------------------------------

CODER = {
    "steps": 2000,
    "batch": 64,
    "d": 16,
    "places": 4,
    "patch": 48,
    "hidden": 96,
    "sigma": 0.12,
    "lr": 3e-3,
    "ema": 0.998,
    "precision": "float32",
    "seed": 0,
}
FLOW = {
    "steps": 3000,
    "batch": 256,
    "d": 16,
    "hidden": 64,
    "lr": 3e-3,
    "ema": 0.998,
    "precision": "float32",
    "seed": 0,
}
PARTS = {
    "codes": Part({**CODER, "members": SHOWN}, Autoencoders, train_coders),
    "flows": Part({**FLOW, "members": SHOWN}, Flows, flows_on("codes"), after=("codes",)),
    "codes-others": Part({**CODER, "members": OTHERS}, Autoencoders, train_coders, shipped=False),
    "flows-others": Part(
        {**FLOW, "members": OTHERS},
        Flows,
        flows_on("codes-others"),
        after=("codes-others",),
        shipped=False,
    ),
}


# -- figures ---------------------------------------------------------------------------------------

FLOWING = 16  # midpoint steps, with two evaluations each
MEASURES = {
    "psnr": "PSNR of the 500 test digits, rebuilt from the codes' means, in dB",
    "rate": "the nats that the codes of these digits spend, KL(q ‖ N(0, I))",
    "fid_prior": "the distance of {n:,} samples to as many training digits, in the book's "
    "features: codes from N(0, I)",
    "fid_gaussian": "the same for codes from the normal distribution with the mean and the "
    "covariance of all codes: the best plain prior there is",
    "fid_flow": "the same for codes from the flow, by 16 midpoint steps",
    "fid_rebuilt": "the same for {n:,} of the training digits, rebuilt from the codes' means",
    "copying_share": "how often a sample of the flow is nearer to the training digits than a test "
    "digit is, in features; above ½ a model copies [meehan2020]",
    "copying_z": "by how many standard errors that share is above ½",
}
TOLERANCES = {"psnr": 0.02, "rate": 0.05, "copying_z": 3.0, "copying_share": 0.2}


@cache
def seen(split: str = "") -> Tensor:
    """The features of a half of the training digits, of the other half, or of the test digits."""
    if split == "test":
        return judging.eye().extract(judging.digits("test").floats()).features
    return judging.halves()[int(split == "other")]


def as_images(vae: Any, z: Tensor) -> Tensor:
    """What the decoder makes of codes."""
    return vae.decode(z).mean.clamp(0, 1)


@torch.no_grad()
def codes_of(vae: Any, flow: Any, n: int, source: int = 0) -> dict[str, Tensor]:
    """``n`` codes from the three priors, of the same noise."""
    z = torch.randn(n, flow.dimension, generator=generator(source))
    mean, sigma = posteriors(vae, judging.digits().floats())
    root = torch.linalg.cholesky(torch.cov(mean.T) + sigma.square().mean(0).diag())
    flowing = flow.codes(flow.transport(z, steps=FLOWING))
    return {"prior": z, "gaussian": mean.mean(0) + z @ root.T, "flow": flowing}


@torch.no_grad()
def row(vae: Any, flow: Any, n: int) -> dict[str, float]:
    """All measures of one autoencoder and its flow."""
    test, train = judging.digits("test").floats(), judging.digits().floats()
    q = vae.encode(test)
    rate = 0.5 * (q.mean**2 + q.variance - 1 - q.variance.log()).sum(1)
    images = {name: as_images(vae, z) for name, z in codes_of(vae, flow, n).items()}
    images["rebuilt"] = as_images(vae, vae.encode(train[:: len(train) // n]).mean)
    features = {name: judging.eye().extract(x).features for name, x in images.items()}
    real = torch.cat([seen(), seen("other")])
    copies = metrics.copying(real, seen("test"), features["flow"])
    return {
        "psnr": metrics.psnr(as_images(vae, q.mean), test).mean().item(),
        "rate": rate.mean().item(),
        **{f"fid_{name}": metrics.fid(seen(), these) for name, these in features.items()},
        "copying_share": copies.share,
        "copying_z": copies.z,
    }


def pairs(made: Networks) -> dict[tuple[str, int], tuple[Any, Any]]:
    """Each autoencoder with its flow, by weight and seed."""
    found: dict[tuple[str, int], tuple[Any, Any]] = {}
    for coders, flows in (("codes", "flows"), ("codes-others", "flows-others")):
        if coders in made:
            several: Any = made[coders]
            flowing: Any = made[flows]
            found |= {m: (several.vae(*m), flowing.flow(*m)) for m in several.members}
    return found


def measure(made: Networks, quick: bool) -> dict[str, float]:
    """Every measure of every weight: the mean of the seeds, the least and the most."""
    n = 400 if quick else judging.HALF
    rows = {member: row(vae, flow, n) for member, (vae, flow) in pairs(made).items()}
    found = {} if quick else {"fid_floor": metrics.fid(seen(), seen("other"))}
    for weight in dict.fromkeys(name for name, _ in rows):
        of = [each for (name, _), each in rows.items() if name == weight]
        for measure in of[0]:
            name, values = f"{measure}_{weight}", [each[measure] for each in of]
            found[name] = sum(values) / len(values)
            if not quick:
                found |= {f"{name}_low": min(values), f"{name}_high": max(values)}
    return found


def _figures() -> dict[str, Figure]:
    figures = {"fid_floor": Figure("the distance of two halves of 2,000 training digits")}
    for weight in WEIGHTS:
        for measure, how in MEASURES.items():
            name, words = f"{measure}_{weight}", how.format(n=judging.HALF)
            tolerance = TOLERANCES.get(measure, 0.3)
            figures[name] = Figure(f"{words}; the mean of five seeds", tolerance=tolerance)
            figures[f"{name}_low"] = Figure("the least of the five")
            figures[f"{name}_high"] = Figure("the most of the five")
    return figures


def picture(made: Networks) -> Picture:
    """For the largest and the smallest weight: digits rebuilt, and samples of each prior."""
    test = judging.digits("test").floats()[:14]
    rows = {"test digits": test}
    for weight, _ in SHOWN:
        vae, flow = pairs(made)[str(weight), 0]
        rows[f"weight {weight}: rebuilt"] = as_images(vae, vae.encode(test).mean)
        said = {
            "prior": "codes from N(0, I)",
            "gaussian": "from a normal with their covariance",
            "flow": "from the flow",
        }
        for name, z in codes_of(vae, flow, 14).items():
            rows[f"weight {weight}: {said[name]}"] = as_images(vae, z)
    return plots.comparison(rows)


latent_flow = Recipe(
    title="The less an autoencoder's rate counts, the more its samples need a learned prior.",
    data=DATA,
    parts=PARTS,
    figures=_figures(),
    measure=measure,
    picture=picture,
    caption=(
        "Two autoencoders that differ in one number, the weight of the rate, with the same noise. "
        "With weight 1e-6 codes from N(0, I) are scraps. A normal distribution with the codes' own "
        "covariance mends most of it, and the flow makes more of them digits. All are as soft as "
        "what the decoder rebuilds: it has learned from 4,000 digits in a minute."
    ),
    alt="Nine rows of handwritten digits, white on black: test digits; then for each of two "
    "weights digits rebuilt, and samples from N(0, I), a normal distribution and a flow.",
    columns={weight: f"weight {weight}" for weight in WEIGHTS},
)
