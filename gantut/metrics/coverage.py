"""What do samples cover? Classes by a classifier, modes of a known density, kinds of stacks."""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from gantut.data.densities import Density
from gantut.metrics._checks import table
from gantut.metrics.features import FeatureNetwork
from gantut.numerics import check_numbers, check_shape, expect


def _check_logits(logits: Tensor) -> None:
    table("logits", logits)
    expect(logits.shape[1] > 1, "logits of two classes or more", logits)


def _warn_of_few(samples: int, total: int, what: str) -> None:
    if samples < total:
        warnings.warn(f"{samples} samples cannot cover {total} {what}", stacklevel=3)


class LabelCoverage(NamedTuple):
    """Which classes occur, and how evenly.

    ``shares`` (classes,) sum to 1; a class is ``covered`` when it has at least a tenth of an equal
    share; ``entropy`` of the shares is in nats.
    """

    shares: Tensor
    covered: int
    entropy: float


def label_coverage(logits: Tensor) -> LabelCoverage:
    """Which classes samples fall into, by a classifier's verdict on each.

    Args:
        logits: of the samples, (N, classes), say ``eye.extract(samples).logits``.

    Returns:
        Shares, covered classes and entropy. The entropy of equal shares is log(classes); counting
        biases it downwards by about (classes − 1) / 2N.

    Raises:
        ValueError: no samples, logits not (N, classes), one class only, NaN or infinite logits.

    With fewer samples than classes not all can be covered, and a warning says so.

    Example:
        >>> import torch
        >>> found = label_coverage(torch.eye(4)[[0, 0, 0, 1]])
        >>> found.shares.tolist(), found.covered
        ([0.75, 0.25, 0.0, 0.0], 2)
    """
    _check_logits(logits)
    classes = logits.shape[1]
    _warn_of_few(len(logits), classes, "classes")
    counts = torch.bincount(logits.argmax(1), minlength=classes)
    entropy = float(torch.special.entr(counts.double() / len(logits)).sum())
    shares = counts / len(logits)
    return LabelCoverage(shares, int((shares >= 0.1 / classes).sum()), entropy)


def class_accuracy(logits: Tensor, labels: Tensor) -> float:
    """The share of samples that a classifier puts into the class they were asked for.

    Args:
        logits: of the samples, (N, classes).
        labels: the classes asked for, (N,), integers in 0 … classes − 1.

    Returns:
        A share in [0, 1].

    Raises:
        ValueError: logits that ``label_coverage`` would refuse, or not one label in the range per
            sample.

    Where all were asked for one class, a warning says that a generator which knows no other would
    get the same number.

    Example:
        >>> import torch
        >>> class_accuracy(torch.eye(3), torch.tensor([0, 1, 0]))
        0.6666666666666666
    """
    _check_logits(logits)
    expect(labels.shape == logits.shape[:1], f"{len(logits)} labels, one a sample", labels)
    labels = check_numbers(labels, logits.shape[1], "labels")
    if len(labels.unique()) == 1 < len(labels):
        warnings.warn(f"all labels are {labels[0]}: nothing is said of other classes", stacklevel=2)
    return float((logits.argmax(1) == labels).double().mean())


class ModeCoverage(NamedTuple):
    """Which modes of a density have samples.

    How many modes are ``covered``, the share of ``high_quality`` samples, and how many of those
    each mode has, ``counts`` (modes,).
    """

    covered: int
    high_quality: float
    counts: Tensor


def mode_coverage(samples: Tensor, density: Density, *, sigmas: float = 3.0) -> ModeCoverage:
    """Count the modes of a known density that samples reach. [srivastava2017]

    A sample is of high quality within ``sigmas`` standard deviations of its nearest mode; a mode is
    covered when at least one such sample is nearest to it. A perfect sampler has
    1 − e^(−4.5) = 98.9 % of high quality at 3σ.

    Args:
        samples: points, (N, 2). With fewer than modes a warning says that not all can be covered.
        density: one with separate modes, such as ``data.ring()`` or ``data.grid()``.
        sigmas: the radius, in standard deviations of one mode.

    Returns:
        How many modes are covered, the share of good samples, and their number at each mode.

    Raises:
        ValueError: the density has no modes, samples are not finite points (N, 2), or ``sigmas`` is
            not positive.

    Example:
        >>> from gantut import data
        >>> ring = data.ring(8)
        >>> mode_coverage(ring.modes, ring).covered
        8
    """
    modes = density.modes.to(samples.device, torch.float64)
    expect(len(modes), "separate modes, as of a ring or a grid", f"none of {density.name!r}")
    table("samples", samples)
    check_shape(samples, (2,), "samples")
    expect(sigmas > 0, "sigmas > 0", sigmas)
    _warn_of_few(len(samples), len(modes), "modes")
    distance, nearest = torch.cdist(samples.double(), modes).min(1)
    good = distance <= sigmas * density.std
    counts = torch.bincount(nearest[good], minlength=len(modes))
    return ModeCoverage(int((counts > 0).sum()), float(good.double().mean()), counts)


class StackedCoverage(NamedTuple):
    """Which kinds of stacked images occur.

    How many kinds are ``covered``, ``kl`` in nats from the model's to the data's shares of the
    kinds, and samples per kind, ``counts`` (kinds,).
    """

    covered: int
    kl: float
    counts: Tensor


def stacked_coverage(
    network: FeatureNetwork, images: Tensor, *, shares: Tensor | None = None
) -> StackedCoverage:
    """How many kinds of stacked images occur, by a verdict on each channel. [srivastava2017]

    A stack of three digits has 10³ kinds. A kind is covered when at least one sample is of it.
    KL(model ‖ data) = Σ_k q_k log(q_k / p_k), where q are the samples' shares of the kinds and p
    the products of the classes' shares. Counting biases it upwards, for a perfect model by about
    (kinds − 1) / 2N: so state N.

    Args:
        network: a classifier of one channel, from ``feature_network``.
        images: stacks (N, channels, H, W) in [0, 1]. With fewer than kinds a warning says that not
            all can be covered.
        shares: of the classes in the data, (classes,); equal ones unless given.

    Returns:
        How many kinds are covered, the divergence, and samples per kind.

    Raises:
        ValueError: no stacks of the network's size, a network of several channels, values that are
            not finite or outside [0, 1], or shares that are not positive with sum 1.

    Example:
        >>> from gantut import data, metrics
        >>> digits = data.digits()
        >>> eye = metrics.feature_network(digits, steps=5, cache=False)
        >>> stacked_coverage(eye, data.stacked(digits, 2000).floats()).counts.shape
        torch.Size([1000])
    """
    classes, (channel, *size) = network.classes, network.shape
    expect(channel == 1, "a network of one channel", f"one of {channel}")
    fits = images.ndim == 4 and list(images.shape[2:]) == size and images.numel()
    expect(fits, f"images (N, channels, {size[0]}, {size[1]}) with N ≥ 1", images)
    if shares is None:
        shares = torch.full((classes,), 1 / classes, dtype=torch.float64)
    shares = shares.cpu().double()
    shared_out = shares.shape == (classes,) and (shares > 0).all() and abs(shares.sum() - 1) <= 1e-6
    expect(shared_out, f"{classes} positive shares with sum 1", shares.tolist())
    n, channels = images.shape[:2]
    total = classes**channels
    _warn_of_few(n, total, "kinds")
    verdicts = network.extract(images.reshape(-1, 1, *size)).logits.argmax(1).cpu()
    kinds, expected = torch.zeros(n, dtype=torch.int64), torch.ones(1, dtype=torch.float64)
    for column in verdicts.view(n, channels).T:
        kinds = kinds * classes + column
        expected = torch.outer(expected, shares).flatten()
    counts = torch.bincount(kinds, minlength=total)
    found = counts.double() / n
    kl = float(torch.special.xlogy(found, found / expected).sum())
    return StackedCoverage(int((counts > 0).sum()), kl, counts)
