"""Vowels from a source and a filter: pulses of the vocal folds, and the resonances of the throat and the mouth. [fant1960, klatt1980]

A train of pulses with f0 pulses a second is a sum of the harmonics k·f0, all equally strong, and a filter multiplies each of them by its
response. So the steady sound is a finite sum, x(t) = Re Σ_k H(k·f0)·e^(2πi·k·f0·t). It needs no simulation, and its pitch and resonances
are known exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gantut.data.batches import generator
from gantut.data.digits import check_split
from gantut.data.glyphs import SPLIT_CODES
from gantut.data.sounds import SoundData, scaled

# Averages of 33 men for the vowels in heed, head, hod, hawed and who'd, in Hz. [peterson1952]
VOWELS = {
    "i": (270.0, 2290.0, 3010.0),
    "ɛ": (530.0, 1840.0, 2480.0),
    "ɑ": (730.0, 1090.0, 2440.0),
    "ɔ": (570.0, 840.0, 2410.0),
    "u": (300.0, 870.0, 2240.0),
}
# Our own settings: a fourth resonance that is the same for all, the bandwidths, and the corner of the source's fall, in Hz.
FOURTH = 3500.0
BANDWIDTHS = (80.0, 100.0, 140.0, 250.0)
CORNER = 100.0
# Four notes a fourth apart, from A2 upwards.
PITCHES = tuple(110.0 * (4 / 3) ** k for k in range(4))
RATE = 8000


def response(frequency: Tensor, formants: Tensor, bandwidths: Tensor, rate: int = RATE) -> Tensor:
    """The filter's complex response H at ``frequency`` in Hz (N, K), for resonances and bandwidths in Hz (N, J).

    With q = e^(−2πi·f/rate) a resonator at F with bandwidth B is (1 − 2r·cos θ + r²) / (1 − 2r·cos θ·q + r²·q²), r = e^(−πB/rate),
    θ = 2πF/rate: a pair of poles at r·e^(±iθ), and gain 1 at frequency 0. H is the product of all resonators and of (1 − g) / (1 − g·q),
    g = e^(−2π·100/rate): a pulse of the vocal folds falls by 12 dB an octave, the lips give 6 of them back. [klatt1980]

    Raises:
        ValueError: a resonance outside (0, rate/2), or a bandwidth that is not positive.
    """
    if not (
        bool((formants > 0).all())
        and bool((formants < rate / 2).all())
        and bool((bandwidths > 0).all())
    ):
        raise ValueError(
            f"expected formants in (0, {rate / 2:g}) Hz and bandwidths > 0, got {formants.min().item():g} … "
            f"{formants.max().item():g} and {bandwidths.min().item():g}"
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
    """The steady sound (N, length) of ``f0`` (N,) pulses a second through resonances (N, J), in Hz, scaled to one peak.

    A pulse falls on the sample 0, or ``start`` (N,) periods before it. All harmonics below rate/2 are there, and nothing is folded back.

    Raises:
        ValueError: f0 that is not in (0, rate/2), or as ``response``.
    """
    if not (bool((f0 > 0).all()) and bool((f0 < rate / 2).all())):
        raise ValueError(
            f"expected f0 in (0, {rate / 2:g}) Hz, got {f0.min().item():g} … {f0.max().item():g}"
        )
    f0, formants, bandwidths = f0.double(), formants.double(), bandwidths.double()
    start = torch.zeros_like(f0) if start is None else start.double()
    frequency = f0[:, None] * torch.arange(
        1, math.ceil(rate / 2 / float(f0.min())) + 1, dtype=torch.float64
    )
    strength = response(frequency, formants, bandwidths, rate) * (frequency < rate / 2)
    parts = []
    time = torch.arange(length, dtype=torch.float64) / rate
    for some, f, begin in zip(
        strength.split(16), f0.split(16), start.split(16), strict=True
    ):  # few, for the cache
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
) -> SoundData:
    """``n`` frames of five vowels at some pitches, 8,000 samples a second, with labels and the factors that made them.

    The label is vowel·len(pitches) + pitch. The pitch is out of tune by up to ``detune`` cents, and each of the first three formants is off
    its vowel's average by up to the share ``shift``, both drawn uniformly. ``aligned`` frames begin with a pulse; others begin anywhere in
    a period. Factors: f0, F1, F2, F3 in Hz, start in periods, and the numbers vowel and pitch. The splits ``"train"`` and ``"test"`` are
    independent draws.

    Raises:
        ValueError: n < 1 or length < 2, a pitch not in 50 … 1000 Hz, negative detune or shift, a shift of 0.25 or more, an unknown split.
    """
    check_split(split, ("train", "test"))
    if n < 1 or length < 2:
        raise ValueError(f"n must be at least 1 and length at least 2, got n={n}, length={length}")
    if not pitches or min(pitches) < 50 or max(pitches) > 1000:
        raise ValueError(f"expected pitches in 50 … 1000 Hz, got {tuple(pitches)}")
    if not (detune >= 0 and 0 <= shift < 0.25):
        raise ValueError(f"expected detune ≥ 0 and shift in [0, 0.25), got {detune} and {shift}")
    g = generator(seed, SPLIT_CODES[split])
    labels = torch.randint(len(VOWELS) * len(pitches), (n,), generator=g)
    vowel, pitch = labels // len(pitches), labels % len(pitches)
    off = 2 * torch.rand(n, 4, generator=g, dtype=torch.float64) - 1
    begin = torch.rand(n, generator=g, dtype=torch.float64) * (not aligned)
    f0 = torch.tensor(pitches, dtype=torch.float64)[pitch] * 2 ** (detune * off[:, 0] / 1200)
    three = torch.tensor(list(VOWELS.values()), dtype=torch.float64)[vowel] * (
        1 + shift * off[:, 1:]
    )
    resonances = torch.cat([three, torch.full((n, 1), FOURTH, dtype=torch.float64)], 1)
    widths = torch.tensor(BANDWIDTHS, dtype=torch.float64).expand(n, -1)
    waves = synthesise(f0, resonances, widths, length, start=begin)
    factors = {"f0": f0, "F1": three[:, 0], "F2": three[:, 1], "F3": three[:, 2], "start": begin}
    factors |= {"vowel": vowel, "pitch": pitch}
    kinds = tuple(f"{name} {round(p)} Hz" for name in VOWELS for p in pitches)
    known = {name: values.float() for name, values in factors.items()}
    return SoundData(waves.float()[:, None], labels, "vowels", RATE, kinds, known)
