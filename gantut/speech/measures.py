"""How does a sound differ from another, how high is it, and which resonances does it have? In dB, Hz and cents.

All functions take frames (N, T) or (N, 1, T), compute in double precision, and return one value (or row) a frame.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def _checked(x: Tensor, shortest: int) -> Tensor:
    """Frames as (N, T) in double precision.

    Raises:
        ValueError: another shape, a frame shorter than ``shortest``, NaN or infinite values.
    """
    flat = x.squeeze(1) if x.ndim == 3 and x.shape[1] == 1 else x
    if flat.ndim != 2 or flat.shape[1] < shortest:
        raise ValueError(
            f"expected sounds (N, T) or (N, 1, T) with T ≥ {shortest}, got {tuple(x.shape)}"
        )
    if not torch.isfinite(flat).all():
        raise ValueError(
            f"the sounds hold {int((~torch.isfinite(flat)).sum())} NaN or infinite values"
        )
    return flat.double()


def _check_rate(rate: float) -> None:
    if not rate > 0:
        raise ValueError(f"rate must be positive, got {rate}")


def hann(length: int) -> Tensor:
    """The window ½ − ½cos(2π(t + ½)/T): zero at both ends, one in the middle, symmetric."""
    time = torch.arange(length, dtype=torch.float64) + 0.5
    return 0.5 - 0.5 * torch.cos(2 * math.pi * time / length)


def log_spectrum(x: Tensor, *, floor: float = 60.0) -> Tensor:
    """20·log₁₀|X| in dB, (N, T/2 + 1), of the frame under a Hann window; nothing lies more than ``floor`` dB below the frame's peak.

    Without a floor the logarithm would look mostly at what nobody hears. Silence is at −200 dB everywhere.

    Raises:
        ValueError: not frames of at least 8 samples, NaN or infinite values, or a floor that is not positive.
    """
    frames = _checked(x, 8)
    if not floor > 0:
        raise ValueError(f"floor must be positive, in dB below the peak, got {floor}")
    size = torch.fft.rfft(frames * hann(frames.shape[1])).abs()
    level = 20 * size.clamp(min=1e-10).log10()
    return torch.maximum(level, level.amax(1, keepdim=True) - floor)


def log_spectral_distance(x: Tensor, y: Tensor, *, floor: float = 60.0) -> Tensor:
    """The root of the mean over frequencies of the squared difference of two ``log_spectrum``, in dB, (N,). [gray1976]

    Raises:
        ValueError: frames of different shapes, or as ``log_spectrum``.
    """
    if x.shape != y.shape:
        raise ValueError(f"expected sounds of one shape, got {tuple(x.shape)} and {tuple(y.shape)}")
    return (log_spectrum(x, floor=floor) - log_spectrum(y, floor=floor)).square().mean(1).sqrt()


def linear_prediction(x: Tensor, order: int) -> Tensor:
    """The coefficients a (N, order) that make Σ_t (x_t − Σ_k a_k·x_{t−k})² least, with zeros taken before and after the frame.

    They solve Σ_k r(|j − k|)·a_k = r(j), where r is the frame's autocorrelation. If the frame is the whole impulse response of an all-pole
    filter of that order, they are the filter's. [makhoul1975]

    Raises:
        ValueError: an order below 1 or not shorter than the frame, or as ``log_spectrum``.
    """
    frames = _checked(x, 8)
    if not 1 <= order < frames.shape[1]:
        raise ValueError(
            f"the order must lie in 1 … {frames.shape[1] - 1} for {frames.shape[1]} samples, got {order}"
        )
    r = _autocorrelation(frames, order)
    place = (torch.arange(order)[:, None] - torch.arange(order)).abs()
    # The tiny addition keeps silence and pure tones, whose matrix is singular, solvable.
    matrix = r[:, place] + (1e-12 * r[:, 0] + 1e-30)[:, None, None] * torch.eye(
        order, dtype=torch.float64
    )
    return torch.linalg.solve(matrix, r[:, 1:])


def _autocorrelation(frames: Tensor, most: int) -> Tensor:
    """Σ_t x_t·x_{t+τ} for τ = 0 … most, (N, most + 1)."""
    size = 2 ** math.ceil(math.log2(frames.shape[1] + most + 1))
    return torch.fft.irfft(torch.fft.rfft(frames, size).abs().square(), size)[:, : most + 1]


def formants(
    x: Tensor,
    rate: float,
    *,
    count: int = 3,
    order: int = 10,
    widest: float = 500.0,
    emphasis: float = 0.9,
) -> Tensor:
    """The ``count`` lowest resonances in Hz, (N, count), by linear prediction; NaN where there are fewer.

    The frame x_t − ``emphasis``·x_{t−1}, which makes up for the source's fall, is put under a Hann window. A pair of poles
    r·e^(±iθ) of the prediction filter is a resonance at θ·rate/2π with the bandwidth −ln(r)·rate/π; those wider than ``widest`` Hz, or
    within 90 Hz of 0 or rate/2, are none. It errs by a fraction of f0, since the spectrum is only known at the harmonics. [makhoul1975]

    Raises:
        ValueError: a rate or a width that is not positive, a count below 1, or as ``linear_prediction``.
    """
    frames = _checked(x, 8)
    _check_rate(rate)
    if count < 1 or not widest > 0:
        raise ValueError(f"expected count ≥ 1 and widest > 0, got {count} and {widest}")
    sharp = frames[:, 1:] - emphasis * frames[:, :-1]
    return _resonances(linear_prediction(sharp * hann(sharp.shape[1]), order), rate, count, widest)


def _resonances(a: Tensor, rate: float, count: int, widest: float) -> Tensor:
    """The lowest ``count`` resonances of filters 1 / (1 − Σ a_k z^(−k)), from the eigenvalues of their companion matrices."""
    n, order = a.shape
    companion = torch.zeros(n, order, order, dtype=torch.float64)
    companion[:, 0] = a
    companion[:, 1:, :-1] = torch.eye(order - 1, dtype=torch.float64)
    poles = torch.linalg.eigvals(companion)
    frequency = poles.angle() * rate / (2 * math.pi)
    width = -poles.abs().clamp(min=1e-12).log() * rate / math.pi
    good = (frequency > 90) & (frequency < rate / 2 - 90) & (width < widest)
    found = torch.where(good, frequency, math.inf).sort(1).values
    if order < count:
        found = torch.cat([found, torch.full((n, count - order), math.inf, dtype=torch.float64)], 1)
    return torch.where(found.isfinite(), found, math.nan)[:, :count]


def pitch(x: Tensor, rate: float, *, low: float = 75.0, high: float = 400.0) -> Tensor:
    """The number of periods a second, (N,) in Hz, from the highest peak of the autocorrelation; NaN for silence.

    The frame's mean is taken away; the autocorrelation under a Hann window is divided by the window's own, so that a periodic sound
    reaches 1 at each period. Between the lags it is interpolated, by zeros above its spectrum and by a parabola. A period twice as long
    costs 0.02 of height, since each multiple of a period is one as well. [boersma1993]

    Raises:
        ValueError: not 0 < low < high ≤ rate/2, a frame shorter than three periods of ``low``, NaN or infinite values.
    """
    _check_rate(rate)
    if not 0 < low < high <= rate / 2:
        raise ValueError(f"expected 0 < low < high ≤ {rate / 2:g} Hz, got {low:g} and {high:g}")
    frames = _checked(x, math.ceil(3 * rate / low))
    return torch.cat([_pitch(some, rate, low, high) for some in frames.split(256)])


def _pitch(frames: Tensor, rate: float, low: float, high: float) -> Tensor:
    fine, window = 4, hann(frames.shape[1])
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
    """1200·log₂(frequency / reference), elementwise: 100 is a semitone, 1200 an octave.

    Raises:
        ValueError: a frequency that is zero or negative (NaN stays NaN).
    """
    if bool((frequency <= 0).any()) or bool((reference <= 0).any()):
        raise ValueError("expected positive frequencies in Hz")
    return 1200 * (frequency / reference).log2()
