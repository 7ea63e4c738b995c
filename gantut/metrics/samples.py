"""How good are samples? Distances between feature clouds, label coverage, and mode coverage in two dimensions.

Image metrics look through a small classifier that is trained here on the same kind of data. Their numbers can be compared with one another
only where that network is the same; they are not the Inception-based numbers of papers.
"""

from __future__ import annotations

import hashlib
import warnings
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from gantut.data.batches import generator
from gantut.data.cache import cached
from gantut.data.densities import Density
from gantut.data.images import ImageData
from gantut.progress import quiet

FEATURES = 64
_VERSION = 2


class Extracted(NamedTuple):
    """Features (N, 64) in float64 and class logits (N, classes)."""

    features: Tensor
    logits: Tensor


class FeatureNetwork(nn.Module):
    """A small convolutional classifier; its 64 penultimate activations are the features.

    They are divided by one number, ``scale``, that gives them a mean variance of 1 on the training data: so distances have a unit that does
    not depend on how long the classifier was trained.
    """

    scale: Tensor

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.shape, self.classes = shape, classes
        channels, height, width = shape
        sides = [-(-side // 4) for side in (height, width)]
        self.body = nn.Sequential(
            nn.Conv2d(channels, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten(),
            nn.Linear(32 * sides[0] * sides[1], FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURES, classes)
        self.register_buffer("scale", torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(2 * images - 1))

    @torch.no_grad()
    def extract(self, images: Tensor | ImageData, chunk: int = 2000) -> Extracted:
        """Features and logits of images in [0, 1], chunk by chunk.

        Raises:
            ValueError: another shape than the network's, NaN, or values outside [0, 1].
        """
        x = images.floats() if isinstance(images, ImageData) else images
        if tuple(x.shape[1:]) != self.shape or x.ndim != 4:
            raise ValueError(
                f"expected images of shape (N, {', '.join(map(str, self.shape))}), got {tuple(x.shape)}"
            )
        if len(x) and not (torch.isfinite(x).all() and float(x.min()) >= 0 and float(x.max()) <= 1):
            raise ValueError(
                f"expected finite images in [0, 1], got values from {float(x.min()):g} to {float(x.max()):g}"
            )
        features, logits = [], []
        for part in x.float().split(chunk):
            h = self.body(2 * part - 1)
            features.append(h.double() / self.scale)
            logits.append(self.head(h))
        return Extracted(torch.cat(features), torch.cat(logits))


def feature_network(
    data: ImageData, *, steps: int = 400, batch_size: int = 128, seed: int = 0, cache: bool = True
) -> FeatureNetwork:
    """The feature network of a labelled data set: trained once, a few seconds, and cached after that.

    With no more images than features it learns them by heart, and its features say little about others: a warning says so.

    Raises:
        ValueError: the data has no labels, fewer than two classes, or examples of one class only.
    """
    if data.labels is None or data.classes < 2:
        raise ValueError(
            f"a feature network needs labelled data of two classes or more; {data.name!r} has {data.classes}"
        )
    if len(data.labels.unique()) < 2:
        raise ValueError(
            f"all {len(data)} images of {data.name!r} are of class {int(data.labels[0])}; a feature network learns from differences"
        )
    if len(data) <= FEATURES:
        warnings.warn(
            f"{len(data)} images for {FEATURES} features: the network learns them by heart",
            stacklevel=2,
        )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = FeatureNetwork(data.shape, data.classes)

    def train() -> dict[str, Tensor]:
        optimizer = torch.optim.Adam(network.parameters(), lr=2e-3, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        batches = data.batches(min(batch_size, len(data)), seed=seed, labels=True)
        for k in tqdm(range(steps), desc="feature network", disable=quiet(), delay=1):
            x, labels = batches.batch(k)
            optimizer.zero_grad()
            F.cross_entropy(network(x), labels).backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            sample = data.floats(torch.arange(min(len(data), 5000)))
            network.scale.copy_(network.body(2 * sample - 1).var(0).mean().sqrt())
        return network.state_dict()

    fingerprint = hashlib.sha256(
        data.images.numpy().tobytes() + data.labels.numpy().tobytes()
    ).hexdigest()[:16]
    key = f"features-{_VERSION}-{data.name}-{fingerprint}-{steps}-{batch_size}-{seed}"
    network.load_state_dict(cached(key, train) if cache else train())
    return network.eval().requires_grad_(False)


class _Given(nn.Module):
    """Stands where torchmetrics expects a network, and hands on the features it is given."""

    num_features = FEATURES

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.num_features = dimension

    def forward(self, features: Tensor) -> Tensor:
        return features


def check_features(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Both clouds in float64, or ``ValueError``: not (N, d) with N ≥ 2, other dimensions, NaN or infinite values."""
    for name, cloud in (("real", real), ("fake", fake)):
        if cloud.ndim != 2 or len(cloud) < 2:
            raise ValueError(
                f"expected {name} features (N, d) with N ≥ 2, got {tuple(cloud.shape)}"
            )
        if not torch.isfinite(cloud).all():
            raise ValueError(
                f"the {name} features hold {int((~torch.isfinite(cloud)).sum())} NaN or infinite values"
            )
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"real and fake features differ in dimension: {real.shape[1]} and {fake.shape[1]}"
        )
    return real.double(), fake.double()


def fid(real: Tensor, fake: Tensor) -> float:
    """Fréchet distance of Gaussians fitted to two feature clouds (N, d): ‖μ − μ′‖² + tr(Σ + Σ′ − 2(ΣΣ′)^½). [heusel2017]

    Computed by torchmetrics in float64. Few samples bias it upwards: with no more samples than features a warning says so.

    Raises:
        ValueError: not (N, d) with N ≥ 2, other dimensions, NaN or infinite values.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    real, fake = check_features(real, fake)
    n, dimension = min(len(real), len(fake)), real.shape[1]
    if n <= dimension:
        warnings.warn(
            f"{n} samples for {dimension} features: the covariance is singular, and FID is far too high",
            stacklevel=2,
        )
    metric = FrechetInceptionDistance(feature=_Given(dimension)).set_dtype(torch.float64)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    return max(0.0, float(metric.compute()))


def kid(real: Tensor, fake: Tensor, *, limit: int = 2000, seed: int = 0) -> float:
    """Squared MMD of two feature clouds under the kernel (x·y/d + 1)³, unbiased: about 0 for equal distributions. [binkowski2018]

    Computed by torchmetrics on one subset of at most ``limit`` samples a side, drawn by ``seed``. It needs no more samples than features,
    but few samples make it scatter.

    Raises:
        ValueError: as ``fid``, or a limit below 2.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    real, fake = check_features(real, fake)
    if limit < 2:
        raise ValueError(f"KID compares pairs of samples, so limit must be at least 2, got {limit}")
    size = min(len(real), len(fake), limit)
    clouds = [
        cloud[torch.randperm(len(cloud), generator=generator(seed, i))[:size]]
        for i, cloud in enumerate((real, fake))
    ]
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # torchmetrics announces that it keeps the features; that is meant here
        metric = KernelInceptionDistance(feature=_Given(real.shape[1]), subsets=1, subset_size=size)
    metric.set_dtype(torch.float64)
    metric.update(clouds[0], real=True)
    metric.update(clouds[1], real=False)
    # The one subset is everything, in an order that does not matter; the draw of that order is kept away from the global generator.
    with torch.random.fork_rng(devices=[]):
        mean, _ = metric.compute()
    return float(mean)


class Extrapolated(NamedTuple):
    """``fid`` is the value for endlessly many samples; ``sizes`` and ``values`` are the points of the line behind it."""

    fid: float
    sizes: list[int]
    values: list[float]


def fid_extrapolated(
    real: Tensor, fake: Tensor, *, points: int = 8, smallest: float = 0.2, seed: int = 0
) -> Extrapolated:
    """FID without the bias of a finite sample: a line through FID against 1/N, read off at 1/N = 0. [chong2020]

    The bias of FID is about proportional to 1/N, so models with different numbers of samples cannot be compared by FID itself. For each of
    ``points`` sizes, from the share ``smallest`` of ``fake`` to all of it, the samples are cut into as many separate parts as there is
    room for, in an order drawn by ``seed``, and the mean of their FIDs is one point of the line. The bias from the number of ``real``
    examples remains.

    Raises:
        ValueError: as ``fid``, or fewer than 2 points, or subsets that are not larger than the number of features.
    """
    real, fake = check_features(real, fake)
    if points < 2 or not 0 < smallest < 1:
        raise ValueError(f"expected points ≥ 2 and 0 < smallest < 1, got {points} and {smallest}")
    if smallest * len(fake) <= fake.shape[1]:
        raise ValueError(
            f"the smallest subset has {int(smallest * len(fake))} samples for {fake.shape[1]} features; more are needed"
        )
    # Equal distances in 1/N weigh all parts of the line alike.
    inverse = torch.linspace(1 / (smallest * len(fake)), 1 / len(fake), points, dtype=torch.float64)
    sizes = [min(len(fake), round(1 / value)) for value in inverse.tolist()]
    values = []
    for i, size in enumerate(sizes):
        order = torch.randperm(len(fake), generator=generator(seed, i))
        parts = [fid(real, fake[part]) for part in order.split(size) if len(part) == size]
        values.append(sum(parts) / len(parts))
    line = torch.stack(
        [torch.ones(points, dtype=torch.float64), 1 / torch.tensor(sizes, dtype=torch.float64)], 1
    )
    intercept = (
        torch.linalg.lstsq(line, torch.tensor(values, dtype=torch.float64)[:, None])
        .solution[0]
        .item()
    )
    return Extrapolated(intercept, sizes, values)


def _check_logits(logits: Tensor) -> None:
    if logits.ndim != 2 or len(logits) == 0:
        raise ValueError(f"expected logits (N, classes) with N ≥ 1, got {tuple(logits.shape)}")
    if logits.shape[1] < 2:
        raise ValueError(
            "expected logits of two classes or more, got one class only: every sample falls into it"
        )
    if not torch.isfinite(logits).all():
        raise ValueError(
            f"the logits hold {int((~torch.isfinite(logits)).sum())} NaN or infinite values"
        )


class LabelCoverage(NamedTuple):
    """``shares`` (classes,) sum to 1; ``covered`` classes have at least a tenth of an equal share; ``entropy`` is in nats."""

    shares: Tensor
    covered: int
    entropy: float


def label_coverage(logits: Tensor) -> LabelCoverage:
    """Which classes samples fall into, by the classifier's verdict on each, from its logits (N, classes).

    The entropy of equal shares is log(classes); counting biases it downwards by about (classes − 1) / 2N. With fewer samples than classes
    not all can be covered, and a warning says so.

    Raises:
        ValueError: no samples, logits not (N, classes), one class only, or NaN or infinite logits.
    """
    _check_logits(logits)
    classes = logits.shape[1]
    if len(logits) < classes:
        warnings.warn(f"{len(logits)} samples cannot cover {classes} classes", stacklevel=2)
    counts = torch.bincount(logits.argmax(1), minlength=classes)
    shares = counts / len(logits)
    entropy = float(torch.special.entr(counts.double() / len(logits)).sum())
    return LabelCoverage(shares, int((shares >= 0.1 / classes).sum()), entropy)


def class_accuracy(logits: Tensor, labels: Tensor) -> float:
    """The share of samples that the classifier puts into the class they were asked for.

    Where all were asked for one class, a warning says that a generator which knows no other would get the same number.

    Raises:
        ValueError: as ``label_coverage``, or not one label in 0 … classes − 1 per sample.
    """
    _check_logits(logits)
    if labels.shape != logits.shape[:1]:
        raise ValueError(
            f"expected one label per sample, got {tuple(labels.shape)} for logits {tuple(logits.shape)}"
        )
    least, most = int(labels.min()), int(labels.max())
    if least < 0 or most >= logits.shape[1]:
        raise ValueError(f"expected labels in 0 … {logits.shape[1] - 1}, got {least} … {most}")
    if least == most and len(labels) > 1:
        warnings.warn(
            f"all {len(labels)} labels are {least}: accuracy on one class says nothing of the others",
            stacklevel=2,
        )
    return float((logits.argmax(1) == labels).double().mean())


class ModeCoverage(NamedTuple):
    """``covered`` of ``total`` modes, the share of ``high_quality`` samples, and high-quality samples per mode (total,)."""

    covered: int
    total: int
    high_quality: float
    counts: Tensor


def mode_coverage(samples: Tensor, density: Density, *, sigmas: float = 3.0) -> ModeCoverage:
    """The protocol of the VEEGAN paper: a sample is of high quality within ``sigmas`` standard deviations of its nearest mode.

    A mode is covered when at least one high-quality sample is nearest to it. A perfect sampler has 1 − e^(−4.5) = 98.9 % within 3σ. With
    fewer samples than modes not all can be covered, and a warning says so. [srivastava2017]

    Raises:
        ValueError: the density has no modes, samples are not finite points (N, 2), or ``sigmas`` is not positive.
    """
    if len(density.modes) == 0:
        raise ValueError(
            f"the density {density.name!r} has no separate modes; mode coverage needs a ring or a grid"
        )
    if (
        samples.ndim != 2
        or samples.shape[1] != 2
        or len(samples) == 0
        or not torch.isfinite(samples).all()
    ):
        raise ValueError(f"expected finite samples of shape (N, 2), got {tuple(samples.shape)}")
    if not sigmas > 0:
        raise ValueError(f"sigmas must be positive, got {sigmas}")
    if len(samples) < len(density.modes):
        warnings.warn(
            f"{len(samples)} samples cannot cover {len(density.modes)} modes", stacklevel=2
        )
    distance, nearest = torch.cdist(samples.double(), density.modes.double()).min(1)
    good = distance <= sigmas * density.std
    counts = torch.bincount(nearest[good], minlength=len(density.modes))
    return ModeCoverage(
        int((counts > 0).sum()), len(density.modes), float(good.double().mean()), counts
    )


class StackedCoverage(NamedTuple):
    """``covered`` of ``total`` kinds, ``kl`` in nats from the model's to the data's shares of the kinds, and samples per kind (total,)."""

    covered: int
    total: int
    kl: float
    counts: Tensor


def stacked_coverage(
    network: FeatureNetwork, images: Tensor, *, shares: Tensor | None = None
) -> StackedCoverage:
    """How many kinds of stacked images occur, by the classifier's verdict on each channel of images (N, channels, H, W). [srivastava2017]

    A kind is covered when at least one sample is of it. KL(model ‖ data) = Σ_k q_k log(q_k / p_k), where q are the samples' shares and p
    the products of the classes' ``shares`` (classes,), equal ones unless given. Counting biases it upwards, for a perfect model by about
    (kinds − 1) / 2N: so state N. With fewer samples than kinds a warning says that not all can be covered.

    Raises:
        ValueError: not images (N, channels, H, W) of the size of the network's, which looks at one channel; N = 0; values that are not
            finite or outside [0, 1]; shares that are not ``classes`` positive numbers with sum 1.
    """
    classes = network.classes
    if (
        network.shape[0] != 1
        or images.ndim != 4
        or images.shape[2:] != network.shape[1:]
        or images.numel() == 0
    ):
        raise ValueError(
            f"expected images (N, channels, {network.shape[1]}, {network.shape[2]}) for a network of one channel, got "
            f"{tuple(images.shape)} for one of {network.shape[0]}"
        )
    n, channels = images.shape[:2]
    shares = (
        torch.full((classes,), 1 / classes, dtype=torch.float64)
        if shares is None
        else shares.double()
    )
    if shares.shape != (classes,) or not (
        bool((shares > 0).all()) and abs(float(shares.sum()) - 1) < 1e-6
    ):
        raise ValueError(f"expected {classes} positive shares with sum 1, got {shares.tolist()}")
    total = classes**channels
    if n < total:
        warnings.warn(f"{n} samples cannot cover {total} kinds", stacklevel=2)
    verdicts = (
        network.extract(images.reshape(-1, 1, *network.shape[1:]))
        .logits.argmax(1)
        .view(n, channels)
    )
    kinds, expected = torch.zeros(n, dtype=torch.int64), torch.ones(1, dtype=torch.float64)
    for column in verdicts.T:
        kinds = kinds * classes + column
        expected = torch.outer(expected, shares).flatten()
    counts = torch.bincount(kinds, minlength=total)
    found = counts.double() / n
    kl = float(torch.special.xlogy(found, found / expected).sum())
    return StackedCoverage(int((counts > 0).sum()), total, kl, counts)
