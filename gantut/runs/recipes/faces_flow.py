"""A flow on the codes of an autoencoder of faces, and students that go its whole way in one step.

The autoencoder is the one of the run ``faces-vaegan`` with all of its losses: a distance that a
network sees, a judge of patches, and a rate. Faces are drawn as in latent diffusion
[rombach2022]: a velocity field carries noise to codes, and the decoder makes faces of them. It is
told what to draw, like the GAN of ``faces-gan``, and in one example of ten it is not, so that it
can be guided [ho2022]. The students begin with the flow's weights. One learns to arrive where the
flow arrives, the other has an adversary as well.

The first recording had Adam, times that were spread evenly, and a smaller field without places or
attention; its faces smeared (FID 3.5). In trials of two minutes, one each, Muon at a rate of 0.012
in the place of Adam at 0.002 took the FID of 500 faces from 5.1 to 3.6 (0.002 was the first
recording's rate; others were not tried), and more early times, with a sketch half as large, from
3.5 to 2.5. Guidance raised it in both of the latter, and lowers it after the whole training.
"""

import math
from collections.abc import Callable
from functools import cache
from itertools import repeat
from types import SimpleNamespace
from typing import Any, Unpack, cast

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure as Picture
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from gantut import losses, metrics, models, networks, training
from gantut.data.batches import generator
from gantut.networks.initialisation import LEAK, initialise, output, seeded, start_near_zero
from gantut.runs.cards import load
from gantut.runs.recipe import Figure, Networks, Part, Recipe, usual
from gantut.runs.recipes import faces, faces_gan, faces_vae
from gantut.training.adversarial import AdversarialOptions, AdversarialTrainer

CODE = (8, 16, 16)  # planes, height, width of a code
FREQUENCIES = 6  # of the time
PLACES = 8  # planes that tell where one is
TWICE = 2  # uses of the weights at 8×8
IMAGES = 40_000  # of the training
MEASURED = 1000  # faces whose codes tell mean and deviation

# -- networks --------------------------------------------------------------------------------------


class TimedBlock(networks.ResidualBlock):
    """A residual block whose branch the time and the request scale and shift, plane by plane.

    Where it has several ``uses``, each has scales and shifts of its own.
    """

    def __init__(self, planes: int, told: int, uses: int = 1) -> None:
        super().__init__(planes, planes)
        self.uses, self.norm = uses, nn.GroupNorm(4, planes)
        self.told = output(nn.Linear(told, 2 * planes * uses))

    def forward(self, x: Tensor, told: Tensor | None = None, use: int = 0) -> Tensor:
        h = self.norm(self.first(F.leaky_relu(x, LEAK)))
        scale, shift = self.told(told)[..., None, None].chunk(2 * self.uses, 1)[2 * use :][:2]
        return x + self.last(F.leaky_relu(h * (1 + scale) + shift, LEAK))


class Attention(nn.Module):
    """Each of the 8×8 places asks all others, with several heads, and adds what it hears."""

    def __init__(self, planes: int, heads: int = 4) -> None:
        super().__init__()
        self.heads, self.norm = heads, nn.LayerNorm(planes)
        self.asks = output(nn.Linear(planes, 3 * planes))
        self.hears = output(nn.Linear(planes, planes))

    def forward(self, x: Tensor) -> Tensor:
        h = x.flatten(2).transpose(1, 2)
        parts = self.asks(self.norm(h)).chunk(3, 2)
        heads = [part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts]
        heard = F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        return x + self.hears(heard).transpose(1, 2).unflatten(2, x.shape[2:])


class CodeVelocity(nn.Module):
    """A velocity field on codes of faces, (N, 2048) at times (N,): a U-Net.

    Codes are seen as 8 planes of 16×16. Blocks work at 16×16, twice at 8×8, and back; what is lost
    on the way down is added on the way up. Time and request (factors of a face, or its row in the
    data) become one vector, which shapes every block and draws a sketch of 8×8 places that lies
    beside the code. Without a request, or where ``kept`` (N,) is 0, anything may be drawn.
    """

    angles: Tensor

    def __init__(self, fine: int, coarse: int, told: int, sketch: int, seed: int) -> None:
        super().__init__()
        self.dimension, planes = math.prod(CODE), CODE[0] + sketch + PLACES
        self.request = faces_gan.Request()
        # Not stored: in half precision the fast ones would be others.
        self.register_buffer("angles", math.pi * 2.0 ** torch.arange(FREQUENCIES), persistent=False)
        with seeded(seed):
            self.clock = output(nn.Linear(2 * FREQUENCIES, told))
            self.asked = output(nn.Linear(sum(faces_gan.SIZES), told, bias=False))
            self.both = nn.Linear(told, told)
            self.sketch = output(nn.Linear(told, sketch * 64))
            self.places = nn.Parameter(0.1 * torch.randn(PLACES, *CODE[1:]))
            self.stem = output(nn.Conv2d(planes, fine, 3, padding=1))
            self.first, self.last = TimedBlock(fine, told), TimedBlock(fine, told)
            self.down = output(nn.Conv2d(fine, coarse, 1))
            self.middle = TimedBlock(coarse, told, TWICE)
            self.attention = Attention(coarse)
            self.up = output(nn.Conv2d(coarse, fine, 1))
            self.head = output(nn.Conv2d(fine, CODE[0], 3, padding=1))
            initialise(self)
        for block in (self.first, self.middle, self.last):
            block.start_at_skip()
            nn.init.zeros_(block.told.weight)
        nn.init.zeros_(self.attention.hears.weight)
        nn.init.zeros_(self.head.weight)

    def forward(
        self, x: Tensor, t: Tensor, asked: Tensor | None = None, kept: Tensor | None = None
    ) -> Tensor:
        angles = t[:, None] * self.angles
        told = self.clock(torch.cat([angles.cos(), angles.sin()], 1))
        if asked is not None:
            request = self.asked(self.request(asked))
            told = told + (request if kept is None else kept[:, None] * request)
        told = F.silu(self.both(F.silu(told)))
        sketch = F.interpolate(self.sketch(told).view(len(x), -1, 8, 8), scale_factor=2)
        seen = [x.unflatten(1, CODE), sketch, self.places.expand(len(x), -1, -1, -1)]
        h = self.stem(torch.cat(seen, 1).contiguous(memory_format=torch.channels_last))
        fine = self.first(h, told)
        h = self.down(F.avg_pool2d(fine, 2))
        for use in range(TWICE):
            h = self.attention(self.middle(h, told, use))
        h = self.last(fine + F.interpolate(self.up(h), scale_factor=2), told)
        return self.head(F.leaky_relu(h, LEAK)).flatten(1)


class Guided(nn.Module):
    """v(nothing asked) + w (v(asked) − v(nothing asked)), at two evaluations [ho2022]."""

    def __init__(self, velocity: nn.Module, weight: float) -> None:
        super().__init__()
        self.velocity, self.weight = velocity, weight
        self.dimension, self.request = velocity.dimension, velocity.request

    def forward(self, x: Tensor, t: Tensor, asked: Tensor) -> Tensor:
        return torch.lerp(self.velocity(x, t), self.velocity(x, t, asked), self.weight)


class CodeFlow(models.Flow):
    """A flow on codes whose planes have mean 0 and deviation 1, and what they have in truth.

    A student has the same shape: what it makes is one Euler step, ε + v(ε, 0).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, velocity: nn.Module) -> None:
        super().__init__(velocity)
        self.register_buffer("mean", torch.zeros(CODE[0], 1, 1))
        self.register_buffer("deviation", torch.ones(CODE[0], 1, 1))

    def standard(self, codes: Tensor) -> Tensor:
        """The decoder's codes (N, 2048) as the flow knows them."""
        return ((codes.unflatten(1, CODE) - self.mean) / self.deviation).flatten(1)

    def codes(self, z: Tensor) -> Tensor:
        """What the flow makes, as the decoder knows it."""
        return (z.unflatten(1, CODE) * self.deviation + self.mean).flatten(1)

    def guided(self, weight: float) -> "CodeFlow":
        """The same with more of what the request changes than it changes by itself."""
        made = CodeFlow(Guided(self.velocity, weight))
        made.mean, made.deviation = self.mean, self.deviation
        return made

    def in_one_step(self, start: Tensor, asked: Tensor) -> Tensor:
        """ε + v(ε, 0), with a slope in the weights."""
        return start + self.velocity(start, start.new_zeros(len(start)), asked)


def flow_of(c: SimpleNamespace) -> nn.Module:
    """The flow before its training."""
    return CodeFlow(CodeVelocity(c.fine, c.coarse, c.told, c.sketch, c.seed))


class CodeDiscriminator(nn.Module):
    """One logit for each code (N, 2048) and its request [miyato2018projection]."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        self.request = faces_gan.Request()
        with seeded(seed):
            self.body = nn.Sequential(
                nn.Unflatten(1, CODE),
                output(nn.Conv2d(CODE[0], width, 3, padding=1)),
                networks.ResidualBlock(width, width),
                networks.ResidualBlock(width, 2 * width, resize="down"),
                networks.ResidualBlock(2 * width, 3 * width, resize="down"),
                nn.LeakyReLU(LEAK),
                nn.Flatten(1),
            )
            self.real = output(nn.Linear(48 * width, 1))
            self.asked = output(nn.Linear(sum(faces_gan.SIZES), 48 * width, bias=False))
            initialise(self)
        start_near_zero(self.asked)
        for block in self.body[2:5]:
            block.start_at_skip()  # type: ignore[operator]

    def forward(self, z: Tensor, asked: Tensor) -> Tensor:
        h = self.body(z)
        return self.real(h)[:, 0] + (self.asked(self.request(asked)) * h).sum(1)


@cache
def codec() -> Any:
    """The autoencoder under all of this."""
    return load("faces-vaegan").networks["adversary"]


# -- data ------------------------------------------------------------------------------------------


class FaceCodes:
    """The codes of training faces, the means of their posteriors, and the factors of these faces.

    ``batch(k)`` depends on k alone. A face is read when a batch first asks for it.
    """

    def __init__(self, flow: CodeFlow, c: SimpleNamespace) -> None:
        self.flow, self.c, self.images = flow, c, faces.real(c.images)
        self.factors = faces.named(self.images)
        self.found = torch.zeros(c.images, flow.dimension, dtype=torch.float16)
        self.known = torch.zeros(c.images, dtype=torch.bool)

    @torch.no_grad()
    def at(self, rows: Tensor) -> Tensor:
        """The codes of these faces as the decoder knows them."""
        if len(new := rows[~self.known[rows]].unique()):
            self.found[new] = codec().encode(self.images.floats(new)).mean.half()
            self.known[new] = True
        return self.found[rows].float()

    def rows(self, k: int) -> Tensor:
        """Which faces the k-th batch is of."""
        source = generator(self.c.seed, k, 3)
        return torch.randint(self.c.images, (self.c.batch,), generator=source)

    def batch(self, k: int) -> tuple[Tensor, Tensor]:
        rows = self.rows(k)
        return self.flow.standard(self.at(rows)), self.factors[rows]


class Ways:
    """Where the flow's ways begin and end, the faces whose factors are asked for, and for an
    adversary the codes of these faces.

    There are ``groups`` batches of ways; each is followed when it is first asked for.
    """

    def __init__(self, teacher: Any, c: SimpleNamespace) -> None:
        self.teacher, self.c, self.codes = teacher, c, FaceCodes(teacher, c)
        self.factors = self.codes.factors
        self.ends: dict[int, Tensor] = {}

    def batch(self, k: int) -> dict[str, Tensor]:
        lap, place = divmod(k, self.c.groups)
        order = torch.randperm(self.c.groups, generator=generator(self.c.seed, lap, 4))
        group = int(order[place])
        source, rows = generator(self.c.seed, group, 5), self.codes.rows(group)
        start = torch.randn(self.c.batch, self.teacher.dimension, generator=source)
        if group not in self.ends:
            self.ends[group] = self.teacher.transport(start, self.factors[rows], steps=self.c.way)
        way = {"start": start, "end": self.ends[group], "rows": rows}
        if self.c.adversary:
            way["real"] = self.teacher.standard(self.codes.at(rows))
        return way


# -- training --------------------------------------------------------------------------------------


def warmed(c: SimpleNamespace, *players: str) -> dict[str, Any]:
    """The usual options with a way up: Adam's first steps would undo what is known already."""

    def share(step: int) -> float:
        up = min(1.0, (step + 1) / min(200, c.steps // 4))
        return up * 0.5 * (1 + math.cos(math.pi * step / c.steps))

    return usual(c) | {"schedules": dict.fromkeys(players, lambda o: LambdaLR(o, share))}


class Muon(torch.optim.Optimizer):
    """Momentum whose steps have singular values near 1, in every matrix of weights [jordan2024].

    A convolution's matrix has a row for each plane that goes out. Five times X ← aX + (bA + cA²)X
    with A = XXᵀ brings all singular values close to 1, and 0.2 √(longer side) gives the step the
    size that one of Adam's has [liu2025]. Vectors, and what has fewer than 16 rows or columns,
    take Adam's steps.
    """

    def __init__(self, parameters: Any, lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.sub_(self.direction(p, group["momentum"]), alpha=group["lr"])

    def direction(self, p: Tensor, momentum: float) -> Tensor:
        """What is taken off, but for the learning rate."""
        state, slope = self.state[p], cast(Tensor, p.grad)
        mean = state.setdefault("mean", torch.zeros_like(p))
        if p.ndim > 1 and min(len(p), p[0].numel()) >= 16 and p.ndim != 3:
            mean.mul_(momentum).add_(slope)
            return levelled((slope + momentum * mean).flatten(1)).view_as(p)
        square = state.setdefault("square", torch.zeros_like(p))
        count = state["count"] = state.get("count", 0) + 1
        mean.lerp_(slope, 0.1)
        square.lerp_(slope.square(), 0.01)
        return mean / (1 - 0.9**count) / ((square / (1 - 0.99**count)).sqrt() + 1e-8)


def levelled(matrix: Tensor) -> Tensor:
    """A matrix with the same singular vectors, and values near 0.2 √(longer side)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrix if len(matrix) <= len(matrix.T) else matrix.T
    x = wide / (wide.norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return 0.2 * max(matrix.shape) ** 0.5 * (x if wide is matrix else x.T)


class AskedTrainer(training.FlowTrainer):
    """Flow matching with requests, some of which are not heard.

    Times are normal numbers through a sigmoid [esser2024], more of them early, and of the n of a
    batch one lies in each n-th of their distribution.
    """

    def __init__(self, flow: Any, c: SimpleNamespace, **options: Unpack[training.Options]) -> None:
        super().__init__(flow, **options)
        self.unheard, self.early = c.unheard, c.early

    def step(self, batch: Any) -> dict[str, Tensor]:
        x, asked = batch
        draws = torch.rand(2, len(x), generator=self.generator)
        level = (torch.arange(len(x)) + draws[0]) / len(x)
        t = torch.sigmoid(torch.special.ndtri(level.clamp(1e-6, 1 - 1e-6)) - self.early)
        start = torch.randn(x.shape, generator=self.generator)
        there = torch.lerp(start, x, t[:, None])
        velocity = self.flow.velocity(there, t, asked, (draws[1] >= self.unheard).float())
        loss = (velocity - (x - start)).square().sum(1)
        self.descend("flow", loss)
        self.average()
        return {"velocity": loss.detach().mean()}


def train_flow(flow: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """Flow matching on codes, after their planes have been measured on some faces."""
    codes = FaceCodes(flow, c)
    planes = codes.at(torch.arange(MEASURED)).unflatten(1, CODE)
    flow.mean.copy_(planes.mean((0, 2, 3))[:, None, None])
    flow.deviation.copy_(planes.std((0, 2, 3))[:, None, None])
    options = warmed(c, "flow") | {"optimizers": {"flow": Muon(flow.parameters(), c.lr)}}
    return AskedTrainer(flow, c, **options), codes


class StudentTrainer(AdversarialTrainer):
    """Minimises ‖ε + v(ε, 0) − where the flow ends‖² + b · G's loss, over the student's weights.

    Its discriminator tells codes of faces from what the student makes. With b = 0 there is none.

    Logs ``velocity``, the squared distance, and where there is an adversary ``generator``,
    ``discriminator``, ``penalty``.
    """

    def __init__(
        self, student: Any, D: nn.Module, *, adversary: float, **options: Unpack[AdversarialOptions]
    ) -> None:
        super().__init__({"student": student, "discriminator": D}, averaged="student", **options)
        self.adversary = adversary

    def step(self, batch: Any) -> dict[str, Tensor]:
        rows = batch["rows"]
        made = cast(Any, self.networks["student"]).in_one_step(batch["start"], rows)
        loss = (made - batch["end"]).square().sum(1)
        logs = {"velocity": loss.detach().mean()}
        if self.adversary:
            real, fake = batch["real"], made.detach()
            judged = self.loss.discriminator(self.judge(real, rows), self.judge(fake, rows))
            logs["discriminator"] = judged.detach().mean()
            judged, penalty = self.punished(judged, real, fake, rows)
            self.descend("discriminator", judged)
            adversarial = self.loss.generator(self.real_logits(real, rows), self.judge(made, rows))
            logs |= penalty | {"generator": adversarial.detach().mean()}
            loss = loss + self.adversary * adversarial
        self.descend("student", loss)
        self.average()
        return logs


def taught_by(before: str) -> Callable[[Any, SimpleNamespace, Networks], tuple[Any, Any]]:
    """What trains a student that begins with the weights of this part."""

    def training_of(student: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
        student.load_state_dict(done[before].state_dict())
        ways, D = Ways(done["flow"], c), CodeDiscriminator(c.judge, 100 + c.seed)
        for network in (student.velocity, D):
            network.request.table = ways.factors
        options = warmed(c, "student", "discriminator")
        options |= {"loss": "relativistic", "penalty": losses.r1_r2(c.gamma), "penalty_every": 8}
        if c.muon:
            options["optimizers"] = {"student": Muon(student.parameters(), c.lr)}
        betas = (c.momentum, 0.99)
        return StudentTrainer(student, D, adversary=c.adversary, betas=betas, **options), ways

    return training_of


# -- parts -----------------------------------------------------------------------------------------

FIELD = {"fine": 48, "coarse": 64, "told": 48, "sketch": 16, "unheard": 0.1, "early": 0.2}
SAME = {"batch": 32, "images": IMAGES, "ema": 0.999, "precision": "float32", "seed": 0}
CONFIG = {**FIELD, **SAME, "steps": 6000, "lr": 1e-2}
GAME = {"judge": 32, "gamma": 1.0, "adversary": 0.0, "muon": True, "momentum": 0.9}
STUDENT = {**CONFIG, **GAME, "steps": 600, "groups": 96, "way": 8, "lr": 4e-3}
LONGER = {**STUDENT, "steps": 1000, "muon": False, "momentum": 0.5, "lr": 5e-4}
AFTER = ("flow", "regression")
PARTS = {
    "flow": Part(CONFIG, flow_of, train_flow),
    "regression": Part(STUDENT, flow_of, taught_by("flow"), after=("flow",), shipped=False),
    "adversary": Part({**LONGER, "adversary": 300.0}, flow_of, taught_by("regression"), AFTER),
    "longer": Part(LONGER, flow_of, taught_by("regression"), AFTER, shipped=False),
}

# -- figures ---------------------------------------------------------------------------------------

SAMPLES, TEST = 1000, 10_000
TRAIN = 10_000  # of the training faces are looked at for copies
STEPS = (1, 2, 4, 8, 16, 32)  # of Euler, with one evaluation each
GUIDANCE = 1.5
COLUMNS = {
    "unasked": "flow, nothing asked, 32 steps",
    "flow": "flow, 32 steps",
    "guided": "flow, guided (w = 1.5), 32 steps",
    "regression": "student by regression, one step",
    "longer": "regression for longer, one step",
    "adversary": "with an adversary, one step",
    "rebuilt": "real faces, rebuilt",
    "gan": "faces-gan",
    "real": "other real faces",
}
MEASURES = {
    "fid": "the distance of {n:,} faces to as many test faces, in what the judge of faces sees (96 "
    "numbers); the autoencoder was trained to please this judge, the GAN was not",
    "fid_again": "the FID of {n:,} other faces, from other noise and for other requests",
    "pixels": "the same distance in the first 64 principal components of the pixels of training "
    "faces at 32×32, in which no network has a part",
    "share_error": "of all values of eleven named factors, by how much the share that the judge "
    "finds is off from what it finds in the test faces, relative to it: the mean. Who "
    "takes requests is asked for the true shares",
    "share_error_worst": "the same, the worst value",
    "sharpness": "the energy of the Laplacian over that of the test faces",
    "copying_share": "how often a sample is nearer to one of 10,000 training faces than a test "
    "face is, in what the judge sees; above ½ a model copies [meehan2020]",
    "copying_z": "by how many standard errors that share is above ½",
}
TOLERANCES = {"fid": 0.3, "fid_again": 0.3, "pixels": 0.3, "copying_z": 3.0}
UNMADE = ("rebuilt", "real")  # is not asked whether it copies
AGAIN = ("flow", "adversary", "gan")  # is drawn a second time


@torch.no_grad()
def decoded(flow: Any, z: Tensor) -> Tensor:
    """Faces of what a flow makes."""
    parts = [codec().decode(flow.codes(part)).mean.clamp(0, 1) for part in z.split(200)]
    return torch.cat(parts)


@torch.no_grad()
def drawn(
    flow: Any, n: int, *, steps: int = 1, source: int = 0, at: int = 0, asking: bool = True
) -> Tensor:
    """``n`` faces from noise, by Euler's steps.

    Unless nothing is asked, it is for the factors of the test faces from the place ``at`` on.
    """
    start = torch.randn(n, flow.dimension, generator=generator(source))
    asked = faces_gan.requests(n, at).split(200) if asking else repeat(None)
    parts = zip(start.split(200), asked, strict=False)
    ends = [flow.transport(part, those, steps=steps, method="euler") for part, those in parts]
    return decoded(flow, torch.cat(ends))


@torch.no_grad()
def features(x: Tensor) -> Tensor:
    """What the judge of faces sees, the mean over the places of its last maps: (N, 96)."""
    parts = [F.leaky_relu(faces.judge().maps(p)[-1], LEAK).mean((2, 3)) for p in x.split(200)]
    return torch.cat(parts)


def shrunk(x: Tensor) -> Tensor:
    """Faces at half their size, in a row."""
    return F.avg_pool2d(x, 2).flatten(1)


@cache
def axes() -> tuple[Tensor, Tensor]:
    """The mean and the first 64 principal axes of 5,000 training faces at 32×32."""
    small = shrunk(faces.real(IMAGES).floats(slice(0, 5000)))
    _, vectors = torch.linalg.eigh(torch.cov(small.T))
    return small.mean(0), vectors[:, -64:]


def coordinates(x: Tensor) -> Tensor:
    """Where faces lie on these axes, (N, 64)."""
    mean, vectors = axes()
    return (shrunk(x) - mean) @ vectors


@cache
def faces_at(k: int, n: int = SAMPLES) -> Tensor:
    """The k-th ``n`` test faces."""
    return faces.real(TEST, "test").floats(slice(k * n, (k + 1) * n))


def blurred(x: Tensor) -> Tensor:
    """Each pixel the mean of 3×3."""
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)


@cache
def train_features() -> Tensor:
    """What the judge sees in training faces."""
    real = faces.real(IMAGES)
    parts = [features(real.floats(slice(k, k + 1000))) for k in range(0, TRAIN, 1000)]
    return torch.cat(parts)


def painted(G: Any, *, source: int, at: int) -> Tensor:
    """As many faces of the GAN, asked for the factors of the test faces from ``at`` on."""
    return faces_gan.drawn(G, faces_gan.noise(G, SAMPLES, source), faces_gan.requests(SAMPLES, at))


def row(x: Tensor, *, made: bool) -> dict[str, float]:
    """All measures of these faces."""
    real, seen = faces_at(0), features(x)
    off = faces_gan.errors(faces.judge().found(x), faces.judge().found(real)).abs()
    found = {
        "fid": metrics.fid(features(real), seen),
        "pixels": metrics.fid(coordinates(real), coordinates(x)),
        "share_error": off.mean().item(),
        "share_error_worst": off.max().item(),
        "sharpness": (faces.sharpness(x).sum() / faces.sharpness(real).sum()).item(),
    }
    if made:
        copies = metrics.copying(train_features(), features(faces_at(1)), seen)
        found |= {"copying_share": copies.share, "copying_z": copies.z}
    return found


@torch.no_grad()
def measure(made: Networks, quick: bool) -> dict[str, float]:
    """A row of measures for each column, and the distance by the number of steps."""
    if quick:
        real = features(faces_at(0, 300))
        few = {"fid_steps_4": drawn(made["flow"], 300, steps=4, at=300)}
        few["fid_adversary"] = drawn(made["adversary"], 300, at=300)
        return {name: metrics.fid(real, features(x)) for name, x in few.items()}
    real, found, at = features(faces_at(0)), {}, 2 * SAMPLES
    flow, G = made["flow"], load("faces-gan").network
    for steps in STEPS:
        x = drawn(flow, SAMPLES, steps=steps, at=at)
        found[f"fid_steps_{steps}"] = metrics.fid(real, features(x))
    columns = {"flow": x}  # that of the most steps
    columns["guided"] = drawn(cast(Any, flow).guided(GUIDANCE), SAMPLES, steps=STEPS[-1], at=at)
    columns["unasked"] = drawn(flow, SAMPLES, steps=STEPS[-1], asking=False)
    for part in ("regression", "longer", "adversary"):
        columns[part] = drawn(made[part], SAMPLES, at=at)
    others = faces_at(1)
    columns["rebuilt"] = torch.cat([faces_vae.rebuilt(codec(), p) for p in others.split(200)])
    columns |= {"gan": painted(G, source=0, at=at), "real": others}
    again = {
        "flow": drawn(flow, SAMPLES, steps=STEPS[-1], source=2, at=3 * SAMPLES),
        "adversary": drawn(made["adversary"], SAMPLES, source=2, at=3 * SAMPLES),
        "gan": painted(G, source=2, at=3 * SAMPLES),
    }
    for column, x in again.items():
        found[f"fid_again_{column}"] = metrics.fid(real, features(x))
    for column, x in columns.items():
        rows = row(x, made=column not in UNMADE)
        found |= {f"{measure}_{column}": value for measure, value in rows.items()}
    copies = metrics.copying(train_features(), features(faces_at(2)), features(blurred(others)))
    found["copying_share_of_blurred"] = copies.share
    return found


def _figures() -> dict[str, Figure]:
    words = (
        "the flow's distance by {} of Euler's steps, measured like the others; one step is one "
        "evaluation of the network"
    )
    figures = {f"fid_steps_{n}": Figure(words.format(n), tolerance=0.3) for n in STEPS}
    for column in COLUMNS:
        for measure, how in MEASURES.items():
            uncopied = measure.startswith("copying") and column in UNMADE
            if uncopied or (measure == "fid_again" and column not in AGAIN):
                continue
            tolerance = TOLERANCES.get(measure, 0.1)
            figures[f"{measure}_{column}"] = Figure(how.format(n=SAMPLES), tolerance=tolerance)
    figures["copying_share_of_blurred"] = Figure(
        "the share for real test faces, each pixel the mean of 3×3: soft faces lie near to many"
    )
    return figures


@torch.no_grad()
def picture(made: Networks) -> Picture:
    """Samples as they come of flow and student, then one noise by fewer and fewer steps."""
    at, student = 2 * SAMPLES, made["adversary"]
    flow = cast(Any, made["flow"]).guided(GUIDANCE)
    ways = [drawn(flow, 10, steps=steps, at=at) for steps in (32, 8, 4, 2, 1)]
    blocks = {
        "flow, guided, 32 steps: as they come": drawn(flow, 40, steps=32, source=1, at=at + 10),
        "student, one step: the same requests": drawn(student, 40, source=1, at=at + 10),
        "flow, guided: 32, 8, 4, 2, 1 steps from the same noise": torch.cat(ways),
        "student, one step from this noise": drawn(student, 10, at=at),
    }
    return faces.sheets(blocks)


faces_flow = Recipe(
    title="A flow draws codes, a decoder makes faces of them, and a student needs one step.",
    data=faces.DATA.format(n=CONFIG["images"]),
    parts=PARTS,
    figures=_figures(),
    columns=COLUMNS,
    measure=measure,
    picture=picture,
    caption=(
        "Above, samples of the guided flow as they come, none chosen: hair, glasses and mouths are "
        "as asked for. Below them a student draws the same noise and requests in one step; in FID "
        "it is level with the guided flow's 64 evaluations (0.86 and 0.90) and behind the GAN of "
        "faces-gan (0.68). Then one noise by fewer and fewer steps: after a single one, eyes are "
        "fog and colours too strong. Edges are as soft as the decoder leaves them, and some "
        "glasses still smear. The training is of one seed; a second drawing moved the FID of the "
        "plain flow by 0.08, the student's by 0.03."
    ),
    alt="Rows of ten drawn faces in colour with clear eyes, glasses and hair: forty of the flow, "
    "the same forty of a student, a little softer; then ten from 32 steps down to one, whose eyes "
    "are fog; last ten of the student.",
)
