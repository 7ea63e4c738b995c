"""How far apart are two sounds, how high is a voice, and which resonances does it have?

In dB, Hz and cents. All functions take frames (N, T) or (N, 1, T), compute in double precision, and
return one value (or row) a frame.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

EMPHASIS = 0.9  # of high frequencies before formants are sought; makes up for the source's fall
ORDER = 10  # of the prediction: two for each resonance and a few more for the source
WIDEST = 500.0  # Hz, the bandwidth up to which a pair of poles counts as a resonance


def _checked(x: Tensor, shortest: int) -> Tensor:
    """Frames as (N, T) in double precision, or ``ValueError``."""
    flat = x.squeeze(1) if x.ndim == 3 and x.shape[1] == 1 else x
    if flat.ndim != 2 or flat.shape[1] < shortest:
        wanted = f"sounds (N, T) or (N, 1, T) with T ≥ {shortest}"
        raise ValueError(f"expected {wanted}, got {tuple(x.shape)}")
    if bad := int((~torch.isfinite(flat)).sum()):
        raise ValueError(f"the sounds hold {bad} NaN or infinite values")
    return flat.double()


def _hann(length: int) -> Tensor:
    """½ − ½cos(2π(t + ½)/T): zero at both ends, one in the middle, symmetric."""
    time = torch.arange(length, dtype=torch.float64) + 0.5
    return 0.5 - 0.5 * torch.cos(2 * math.pi * time / length)


def log_spectrum(x: Tensor, *, floor: float = 60.0) -> Tensor:
    """The spectrum of a frame in decibels: 20·log₁₀|X| under a Hann window.

    Args:
        x: frames (N, T) or (N, 1, T), T ≥ 8.
        floor: nothing is taken to lie more than so many dB below the frame's peak. Without a floor
            the logarithm would look mostly at what nobody hears.

    Returns:
        (N, T/2 + 1), from 0 Hz to half the sampling rate, in dB. Silence is at −200 dB everywhere.

    Raises:
        ValueError: not frames of at least 8 samples, NaN or infinite values, or a floor that is not
            positive.

    Example:
        >>> import torch
        >>> tone = torch.cos(2 * torch.pi * 5 * torch.arange(64) / 64)  # five periods
        >>> log_spectrum(tone[None])[0].argmax().item()
        5
    """
    frames = _checked(x, 8)
    if not floor > 0:
        raise ValueError(f"floor must be positive, in dB below the peak, got {floor}")
    size = torch.fft.rfft(frames * _hann(frames.shape[1])).abs()
    level = 20 * size.clamp(min=1e-10).log10()
    return torch.maximum(level, level.amax(1, keepdim=True) - floor)


def log_spectral_distance(x: Tensor, y: Tensor, *, floor: float = 60.0) -> Tensor:
    """How different two sounds are, in decibels. [gray1976]

    The root of the mean, over frequencies, of the squared difference of their ``log_spectrum``.

    Args:
        x: frames (N, T) or (N, 1, T), T ≥ 8.
        y: frames of the same shape. Swapping the two changes nothing.
        floor: in dB below each frame's peak, as ``log_spectrum`` explains.

    Returns:
        One distance a pair, (N,), in dB. A sound twice as loud is 6 dB away.

    Raises:
        ValueError: frames of different shapes, or frames that ``log_spectrum`` would refuse.

    Example:
        >>> import torch
        >>> x = torch.randn(1, 64, generator=torch.Generator().manual_seed(0))
        >>> round(log_spectral_distance(x, 2 * x).item(), 2)
        6.02
    """
    if x.shape != y.shape:
        raise ValueError(f"expected sounds of one shape, got {tuple(x.shape)} and {tuple(y.shape)}")
    return (log_spectrum(x, floor=floor) - log_spectrum(y, floor=floor)).square().mean(1).sqrt()


def _linear_prediction(frames: Tensor, order: int) -> Tensor:
    """The coefficients a (N, order) that make Σ_t (x_t − Σ_k a_k·x_{t−k})² least. [makhoul1975]

    They solve Σ_k r(|j − k|)·a_k = r(j), where r is the autocorrelation of the frame with zeros
    around it. If the frame is the whole impulse response of an all-pole filter of that order, they
    are the filter's.
    """
    size = 2 ** math.ceil(math.log2(frames.shape[1] + order + 1))
    r = torch.fft.irfft(torch.fft.rfft(frames, size).abs().square(), size)[:, : order + 1]
    place = (torch.arange(order)[:, None] - torch.arange(order)).abs()
    # The tiny addition keeps silence and pure tones, whose matrix is singular, solvable.
    ridge = (1e-12 * r[:, 0] + 1e-30)[:, None, None] * torch.eye(order, dtype=torch.float64)
    return torch.linalg.solve(r[:, place] + ridge, r[:, 1:])


def formants(x: Tensor, rate: float) -> Tensor:
    """The three lowest resonances of a voice, by linear prediction. [makhoul1975]

    The frame x_t − 0.9·x_{t−1}, which makes up for the fall of the source, is put under a Hann
    window. A pair of poles r·e^(±iθ) of the prediction filter is a resonance at θ·rate/2π with the
    bandwidth −ln(r)·rate/π; those wider than 500 Hz, or within 90 Hz of 0 or rate/2, are none.

    Args:
        x: frames (N, T) or (N, 1, T).
        rate: samples a second.

    Returns:
        (N, 3) in Hz, from low to high; NaN where there are fewer. It errs by a fraction of the
        pitch, since the spectrum is only known at the harmonics.

    Raises:
        ValueError: not frames of at least 12 samples, or NaN or infinite values.

    Example:
        >>> from gantut import data
        >>> vowel = data.vowels(1)
        >>> found = formants(vowel.values, 8000)
        >>> bool((found[0, 0] - vowel.factors["F1"]).abs() < 30)
        True
    """
    frames = _checked(x, ORDER + 2)
    sharp = frames[:, 1:] - EMPHASIS * frames[:, :-1]
    companion = torch.zeros(len(frames), ORDER, ORDER, dtype=torch.float64)
    companion[:, 0] = _linear_prediction(sharp * _hann(sharp.shape[1]), ORDER)
    companion[:, 1:, :-1] = torch.eye(ORDER - 1, dtype=torch.float64)
    poles = torch.linalg.eigvals(companion)  # of the filter 1 / (1 − Σ a_k z^(−k))
    frequency = poles.angle() * rate / (2 * math.pi)
    width = -poles.abs().clamp(min=1e-12).log() * rate / math.pi
    good = (frequency > 90) & (frequency < rate / 2 - 90) & (width < WIDEST)
    # NaN is sorted behind every number.
    return torch.where(good, frequency, math.nan).sort(1).values[:, :3]


def pitch(x: Tensor, rate: float, *, low: float = 75.0, high: float = 400.0) -> Tensor:
    """How high a voice is: periods a second, by the peak of the autocorrelation. [boersma1993]

    The autocorrelation of the centred frame under a Hann window is divided by the window's own, so
    that a periodic sound reaches 1 at each period. Between the lags it is interpolated, by zeros
    above its spectrum and by a parabola. A period twice as long costs 0.02 of height, since each
    multiple of a period is one as well.

    Args:
        x: frames (N, T) or (N, 1, T), at least three periods of ``low`` long.
        rate: samples a second.
        low: the lowest pitch looked for, in Hz.
        high: the highest, at most rate/2.

    Returns:
        (N,) in Hz; NaN for silence.

    Raises:
        ValueError: not 0 < low < high ≤ rate/2, a frame that is too short, NaN or infinite values.

    Example:
        >>> import torch
        >>> tone = torch.sin(2 * torch.pi * 220 * torch.arange(512) / 8000)
        >>> round(pitch(tone[None], 8000).item())
        220
    """
    if not 0 < low < high <= rate / 2:
        raise ValueError(f"expected 0 < low < high ≤ {rate / 2:g} Hz, got {low:g} and {high:g}")
    frames = _checked(x, math.ceil(3 * rate / low))
    return torch.cat([_pitch(some, rate, low, high) for some in frames.split(256)])


def _pitch(frames: Tensor, rate: float, low: float, high: float) -> Tensor:
    fine, window = 4, _hann(frames.shape[1])
    centred = (frames - frames.mean(1, keepdim=True)) * window
    size = 2 ** math.ceil(math.log2(2 * frames.shape[1]))
    power = torch.fft.rfft(torch.stack([*centred, window]), size).abs().square()
    lags = torch.arange(math.floor(fine * rate / high) - 1, math.ceil(fine * rate / low) + 2)
    r = torch.fft.irfft(power, fine * size)
    r = r[:, lags] / r[:, :1].clamp(min=1e-30)
    height = r[:-1] / r[-1]
    before, inner, after = height[:, :-2], height[:, 1:-1], height[:, 2:]
    bend = (2 * inner - before - after).clamp(min=1e-30)
    off = (after - before) / (2 * bend)
    peak = (inner >= before) & (inner >= after)
    top = torch.where(peak, inner + (after - before) * off / 4, -math.inf)
    best = (top - 0.02 * (lags[1:-1] * low / (fine * rate)).log2()).argmax(1, keepdim=True)
    lag = lags[1:-1][best] + off.gather(1, best).clamp(-0.5, 0.5)
    heard = peak.any(1) & (centred.abs().amax(1) > 1e-9)
    return torch.where(heard, fine * rate / lag[:, 0], math.nan)


def cents(frequency: Tensor, reference: Tensor) -> Tensor:
    """The interval between two pitches: 1200·log₂(frequency / reference).

    Args:
        frequency: in Hz, of any shape.
        reference: in Hz, of a shape that fits.

    Returns:
        Cents, elementwise: 100 is a semitone, 1200 an octave. NaN stays NaN.

    Raises:
        ValueError: a frequency that is zero or negative.

    Example:
        >>> import torch
        >>> cents(torch.tensor(440.0), torch.tensor(220.0)).item()
        1200.0
    """
    if bool((frequency <= 0).any()) or bool((reference <= 0).any()):
        raise ValueError("expected positive frequencies in Hz")
    return 1200 * (frequency / reference).log2()
