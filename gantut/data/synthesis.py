"""Vowels from a source and a filter, and the emphasis that speech is prepared with.

The source is pulses of the vocal folds; the filter is the resonances of throat and mouth
[fant1960, klatt1980]. A train of pulses with f0 pulses a second is a sum of the harmonics k·f0, all
equally strong, and a filter multiplies each of them by its response. So the steady sound is a
finite sum, x(t) = Re Σ_k H(k·f0)·e^(2πi·k·f0·t). It needs no simulation, and its pitch and
resonances are known exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gantut.data.batches import generator
from gantut.data.datasets import TensorData
from gantut.data.images import SPLITS
from gantut.numerics import at_least, chosen

# Averages of 33 men for the vowels in heed, head, hod, hawed and who'd, in Hz. [peterson1952]
VOWELS = {
    "i": (270.0, 2290.0, 3010.0),
    "ɛ": (530.0, 1840.0, 2480.0),
    "ɑ": (730.0, 1090.0, 2440.0),
    "ɔ": (570.0, 840.0, 2410.0),
    "u": (300.0, 870.0, 2240.0),
}
# Our own settings in Hz: a fourth resonance that is the same for all, the bandwidths, and the
# corner where the source begins to fall.
FOURTH = 3500.0
BANDWIDTHS = (80.0, 100.0, 140.0, 250.0)
CORNER = 100.0
# Four notes a fourth apart, from A2 upwards.
PITCHES = tuple(110.0 * (4 / 3) ** k for k in range(4))
RATE = 8000
PEAK = 0.9  # every frame is scaled to it, so that no model has to learn how loud a sound was


def response(frequency: Tensor, formants: Tensor, bandwidths: Tensor, rate: int = RATE) -> Tensor:
    """The complex response H of the vocal tract's filter.

    With q = e^(−2πi·f/rate) a resonator at F with bandwidth B is
    (1 − 2r·cos θ + r²) / (1 − 2r·cos θ·q + r²·q²), r = e^(−πB/rate), θ = 2πF/rate: a pair of poles
    at r·e^(±iθ), and gain 1 at frequency 0. H is the product of all resonators and of
    (1 − g) / (1 − g·q), g = e^(−2π·100/rate): a pulse of the vocal folds falls by 12 dB an octave,
    and the lips give 6 of them back. [klatt1980]

    Args:
        frequency: where to evaluate it, in Hz (N, K).
        formants: the resonances in Hz (N, J).
        bandwidths: their widths in Hz (N, J).
        rate: samples a second.

    Returns:
        H (N, K), complex.

    Raises:
        ValueError: a resonance outside (0, rate/2), or a bandwidth that is not positive.

    Example:
        >>> import torch
        >>> f = torch.tensor([[500.0, 1000.0]])
        >>> response(f, torch.tensor([[500.0]]), torch.tensor([[80.0]])).abs().round(decimals=2)
        tensor([[1.2600, 0.0400]])
    """
    if not (formants.gt(0).all() and formants.lt(rate / 2).all() and bandwidths.gt(0).all()):
        raise ValueError(
            f"expected formants in (0, {rate / 2:g}) Hz and bandwidths > 0, got "
            f"{formants.min().item():g} … {formants.max().item():g} and "
            f"{bandwidths.min().item():g}"
        )
    q = torch.polar(torch.ones_like(frequency), -2 * math.pi * frequency / rate)
    g = math.exp(-2 * math.pi * CORNER / rate)
    total = (1 - g) / (1 - g * q)
    for F, B in zip(formants.unbind(1), bandwidths.unbind(1), strict=True):
        r = torch.exp(-math.pi * B / rate)[:, None]
        c = 2 * r * torch.cos(2 * math.pi * F / rate)[:, None]
        total = total * (1 - c + r**2) / (1 - c * q + (r * q) ** 2)
    return total


def synthesise(
    f0: Tensor,
    formants: Tensor,
    bandwidths: Tensor,
    length: int,
    *,
    rate: int = RATE,
    start: Tensor | None = None,
) -> Tensor:
    """The steady sound of pulses through resonances, scaled to a peak of 0.9.

    x(t) = Re Σ_k H(k·f0)·e^(2πi·k·f0·t) over all harmonics below rate/2; nothing is folded back.

    Args:
        f0: pulses a second (N,).
        formants: the resonances in Hz (N, J).
        bandwidths: their widths in Hz (N, J).
        length: samples in a sound.
        rate: samples a second.
        start: how long before sample 0 a pulse fell, in periods (N,); 0 unless given.

    Returns:
        The sounds (N, length), float64.

    Raises:
        ValueError: f0 outside (0, rate/2), or what ``response`` refuses.

    Example:
        >>> import torch
        >>> low, high = torch.tensor([[500.0]]), torch.tensor([[80.0]])
        >>> synthesise(torch.tensor([100.0]), low, high, 160).shape
        torch.Size([1, 160])
    """
    if not (f0.gt(0).all() and f0.lt(rate / 2).all()):
        raise ValueError(
            f"expected f0 in (0, {rate / 2:g}) Hz, got {f0.min().item():g} … {f0.max().item():g}"
        )
    f0, formants, bandwidths = f0.double(), formants.double(), bandwidths.double()
    start = torch.zeros_like(f0) if start is None else start.double()
    most = math.ceil(rate / 2 / float(f0.min()))
    frequency = f0[:, None] * torch.arange(1, most + 1, dtype=torch.float64)
    strength = response(frequency, formants, bandwidths, rate) * (frequency < rate / 2)
    parts = []
    time = torch.arange(length, dtype=torch.float64) / rate
    # A few sounds at a time, so that what is worked on stays in the processor's cache.
    for rows in torch.arange(len(f0)).split(16):
        some, f, begin = strength[rows], f0[rows], start[rows]
        turn = 2 * math.pi * (f[:, None] * time + begin[:, None])
        w = torch.polar(torch.ones_like(turn), turn)
        total = torch.zeros_like(w)
        for c in some.flip(1).unbind(1):  # a polynomial in w, by Horner's rule
            total.add_(c[:, None]).mul_(w)
        parts.append(scaled(total.real))
    return torch.cat(parts)


def vowels(
    n: int = 4000,
    *,
    length: int = 512,
    pitches: Sequence[float] = PITCHES,
    detune: float = 50.0,
    shift: float = 0.05,
    aligned: bool = True,
    seed: int = 0,
    split: str = "train",
) -> TensorData:
    """Frames of five vowels at some pitches, with labels and the factors that made them.

    The label is vowel·len(pitches) + pitch. Pitch and formants are drawn uniformly around their
    average, as voices and speakers differ.

    Args:
        n: the number of frames.
        length: samples in a frame, 8,000 a second.
        pitches: pulses a second.
        detune: how far a pitch may be out of tune, in cents (a hundredth of a semitone).
        shift: the share by which each of the first three formants may be off its vowel's average.
        aligned: whether a frame begins with a pulse; without it, anywhere in a period.
        seed: decides all draws.
        split: ``"train"`` or ``"test"``, independent draws from the same distribution.

    Returns:
        Frames (n, 1, length); ``factors`` holds f0, F1, F2, F3 in Hz, start in periods, and the
        numbers of vowel and pitch, each (n,).

    Raises:
        ValueError: n < 1 or length < 2, a pitch outside (0, 4000) Hz, a shift that takes a formant
            out of that range, an unknown split.

    Example:
        >>> sounds = vowels(10)
        >>> sounds.shape, sounds.classes, sounds.class_names[0]
        ((1, 512), 20, 'i 110 Hz')
    """
    chosen("split", split, SPLITS)
    at_least(1, n=n)
    at_least(2, length=length)
    g = generator(seed, SPLITS.index(split))
    labels = torch.randint(len(VOWELS) * len(pitches), (n,), generator=g)
    vowel, pitch = labels // len(pitches), labels % len(pitches)
    off = 2 * torch.rand(n, 4, generator=g, dtype=torch.float64) - 1
    begin = torch.rand(n, generator=g, dtype=torch.float64) * (not aligned)
    f0 = torch.tensor(pitches, dtype=torch.float64)[pitch] * 2 ** (detune * off[:, 0] / 1200)
    averages = torch.tensor(list(VOWELS.values()), dtype=torch.float64)[vowel]
    three = averages * (1 + shift * off[:, 1:])
    resonances = torch.cat([three, torch.full((n, 1), FOURTH, dtype=torch.float64)], 1)
    widths = torch.tensor(BANDWIDTHS, dtype=torch.float64).expand(n, -1)
    waves = synthesise(f0, resonances, widths, length, start=begin)
    factors = {"f0": f0, "F1": three[:, 0], "F2": three[:, 1], "F3": three[:, 2], "start": begin}
    factors |= {"vowel": vowel, "pitch": pitch}
    return TensorData(
        waves.float()[:, None],
        labels,
        name="vowels",
        class_names=tuple(f"{name} {round(p)} Hz" for name in VOWELS for p in pitches),
        factors={name: values.float() for name, values in factors.items()},
    )


def scaled(frames: Tensor) -> Tensor:
    """Frames (…, T) with their largest magnitude at ``PEAK``; silence stays silence."""
    return PEAK * frames / frames.abs().amax(-1, keepdim=True).clamp(min=1e-9)


def emphasise(x: Tensor, amount: float = 0.9) -> Tensor:
    """y_t = x_t − amount·x_{t−1}: it lifts the high frequencies, where a voice is weak.

    Args:
        x: sounds (…, T); x_{−1} counts as 0.
        amount: 0 changes nothing; nearer to 1 lifts more.

    Returns:
        The sounds (…, T).

    Example:
        >>> import torch
        >>> emphasise(torch.tensor([1.0, 2.0, 4.0]), 0.5)
        tensor([1.0000, 1.5000, 3.0000])
    """
    return torch.cat([x[..., :1], x[..., 1:] - amount * x[..., :-1]], -1)


def deemphasise(y: Tensor, amount: float = 0.9) -> Tensor:
    """The inverse of ``emphasise``: x_t = Σ_k amount^k·y_{t−k}.

    Args:
        y: emphasised sounds (…, T).
        amount: the one that ``emphasise`` was given.

    Returns:
        The sounds (…, T).

    Raises:
        ValueError: an amount outside [0, 1).

    Example:
        >>> import torch
        >>> deemphasise(torch.tensor([1.0, 1.5, 3.0]), 0.5)
        tensor([1., 2., 4.])
    """
    if not 0 <= amount < 1:
        raise ValueError(f"the amount of emphasis must lie in [0, 1), got {amount}")
    place = torch.arange(y.shape[-1], device=y.device)
    lag = place[:, None] - place
    weights = torch.tensor(amount, dtype=y.dtype) ** lag.clamp(min=0)
    return y @ weights.tril().T
