"""Sounds as images: the spectrum of each moment on the scale of the ear, and the way back.

The way back has two steps. Bands become frequencies again by the smallest spectrum that fits them,
and the phase, which an image does not hold, is sought by Griffin and Lim's iteration. A vocoder is
a network that does both at once.
"""

import math
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from gantut.data.batches import generator
from gantut.numerics import at_least, expect


def stft(x: Tensor, window: int, hop: int) -> Tensor:
    """The spectrum of every moment: Fourier transforms of overlapping frames under a Hann window.

    S_kf = Σ_t w_t·x_{f·hop + t − p}·e^(−2πikt/K), p = (window − hop)/2, with zeros around the sound
    and K the power of two from ``window`` on.

    Args:
        x: sounds (N, T) or (N, 1, T), T a multiple of hop.
        window: the length of a frame in samples.
        hop: samples from one frame to the next; window − hop is even and positive.

    Returns:
        (N, K/2 + 1, T/hop), complex.

    Raises:
        ValueError: other shapes, or a window that does not fit.

    Example:
        >>> import torch
        >>> stft(torch.zeros(2, 1, 640), 320, 80).shape
        torch.Size([2, 257, 8])
    """
    pad = _padding(window, hop)
    flat = x.squeeze(1) if x.ndim == 3 and x.shape[1] == 1 else x
    fits = flat.ndim == 2 and flat.shape[1] and flat.shape[1] % hop == 0
    expect(fits, f"sounds (N, T) or (N, 1, T) with T a multiple of {hop}", x)
    frames = F.pad(flat, (pad, pad)).unfold(1, window, hop) * _hann(window, x)
    return torch.fft.rfft(frames, _size(window)).transpose(1, 2)


def istft(spectra: Tensor, window: int, hop: int) -> Tensor:
    """The sound whose ``stft`` is nearest to some spectra, by least squares. [griffin1984]

    x_t = Σ_f w·y_f / Σ_f w², where y_f is the inverse transform of frame f at its place. It inverts
    ``stft`` exactly; and what no sound has as its ``stft`` goes to the nearest one that has.

    Args:
        spectra: (N, K/2 + 1, frames), complex.
        window: the one that ``stft`` was given.
        hop: the one that ``stft`` was given.

    Returns:
        Sounds (N, 1, hop·frames).

    Raises:
        ValueError: spectra of another size, or a window that does not fit.

    Example:
        >>> import torch
        >>> x = torch.randn(1, 1, 640, generator=torch.Generator().manual_seed(0)).double()
        >>> torch.allclose(istft(stft(x, 320, 80), 320, 80), x)
        True
    """
    pad, size = _padding(window, hop), _size(window)
    expect(
        spectra.ndim == 3 and spectra.shape[1] == size // 2 + 1, f"{size // 2 + 1} bins", spectra
    )
    frames = torch.fft.irfft(spectra.transpose(1, 2), size)[..., :window]
    w = _hann(window, frames)
    length = hop * (frames.shape[1] - 1) + window
    both = torch.cat([frames * w, (w**2).expand(1, *frames.shape[1:])]).transpose(1, 2)
    total = F.fold(both, (1, length), (1, window), stride=(1, hop))[:, 0, :, pad : length - pad]
    return total[:-1] / total[-1:]


def griffin_lim(
    magnitudes: Tensor,
    window: int,
    hop: int,
    *,
    steps: int = 60,
    momentum: float = 0.99,
    seed: int = 0,
) -> Tensor:
    """Sounds with given magnitudes of their ``stft``, by a search for the phase. [griffin1984]

    From random phases, x ← istft(A·S/|S|) and S ← stft(x) in turn, A the magnitudes wanted. Without
    momentum ‖|S| − A‖ never rises. With it, the phase is taken from S + momentum·(S − S_before),
    which comes nearer in fewer steps and may rise. [perraudin2013]

    Args:
        magnitudes: A (N, K/2 + 1, frames), at least 0.
        window: samples in a frame.
        hop: samples from one frame to the next.
        steps: how often.
        momentum: 0 is Griffin and Lim's own iteration.
        seed: decides the phases at the start.

    Returns:
        Sounds (N, 1, hop·frames).

    Raises:
        ValueError: no step, a momentum that is negative, or magnitudes that ``istft`` would refuse.

    Example:
        >>> import torch
        >>> x = torch.sin(torch.arange(1280) / 3)[None]
        >>> found = griffin_lim(stft(x, 320, 80).abs(), 320, 80)
        >>> wanted = stft(x, 320, 80).abs()
        >>> bool((stft(found, 320, 80).abs() - wanted).norm() < 0.2 * wanted.norm())
        True
    """
    at_least(1, steps=steps)
    at_least(0, momentum=momentum)
    turn = torch.rand(magnitudes.shape, generator=generator(seed)).to(magnitudes)
    phase = torch.polar(torch.ones_like(magnitudes), 2 * math.pi * turn)
    before = torch.zeros_like(phase)
    x = istft(magnitudes * phase, window, hop)
    for _ in range(steps):
        spectra = stft(x, window, hop)
        ahead = spectra + momentum * (spectra - before)
        phase, before = ahead / ahead.abs().clamp(min=1e-12), spectra
        x = istft(magnitudes * phase, window, hop)
    return x


def spectrogram_distance(x: Tensor, y: Tensor, *, floor: float = 60.0) -> Tensor:
    """How different two words are, in decibels: moment by moment. [gray1976]

    The mean, over frames, of the root of the mean, over frequencies, of the squared difference of
    their levels. Frames have 256 samples and begin every 64. What lies more than ``floor`` below
    the loudest point of x counts as silence, so that a pause of exact zeros is not infinitely far
    from one of faint noise.

    Args:
        x: the true sounds (N, T) or (N, 1, T), T a multiple of 64.
        y: others of the same shape.
        floor: in dB.

    Returns:
        One distance a pair, (N,), in dB. Pauses count, so that a longer one makes it smaller.

    Raises:
        ValueError: sounds of different or other shapes, or a floor that is not positive.

    Example:
        >>> import torch
        >>> x = torch.randn(1, 640, generator=torch.Generator().manual_seed(0))
        >>> round(spectrogram_distance(x, 2 * x, floor=200).item(), 2)
        6.02
    """
    expect(x.shape == y.shape, "sounds of one shape", x, y)
    expect(floor > 0, "a floor > 0, in dB below the peak", floor)
    level, other = (20 * stft(s, 256, 64).abs().clamp(min=1e-10).log10() for s in (x, y))
    least = level.amax((1, 2), keepdim=True) - floor
    apart = torch.maximum(level, least) - torch.maximum(other, least)
    return apart.square().mean(1).sqrt().mean(1)


@dataclass(frozen=True)
class LogMel:
    """Sounds as images in [0, 1]: how loud each band of the mel scale is at each moment.

    A band is a triangle on the scale m = 2595·log₁₀(1 + f/700), on which equal steps sound equal
    [stevens1937]. Its level in dB, where a sine of amplitude 1 has about 0, becomes a grey:
    ``floor`` is black and 0 dB white.

    Args:
        rate: samples a second.
        bands: the height of the images; the lowest band is row 0.
        floor: the level of black, in dB.

    Raises:
        ValueError: a rate that is no multiple of 200, less than one band, a floor not below 0.

    Example:
        >>> import torch
        >>> front = LogMel(8000)
        >>> images = front(torch.zeros(2, 1, 5120))
        >>> images.shape, front.sounds(images).shape
        (torch.Size([2, 1, 64, 64]), torch.Size([2, 1, 5120]))
    """

    rate: int = 8000
    bands: int = 64
    floor: float = -80.0

    def __post_init__(self) -> None:
        at_least(1, bands=self.bands)
        expect(self.rate > 0 and self.rate % 200 == 0, "a rate that 200 divides", self.rate)
        expect(self.floor < 0, "a floor below 0 dB", self.floor)

    @property
    def hop(self) -> int:
        """How many samples lie from one column to the next, 10 ms."""
        return self.rate // 100

    @property
    def window(self) -> int:
        """How many samples a column looks at, 40 ms, at least three periods of most voices."""
        return 4 * self.hop

    def __call__(self, x: Tensor) -> Tensor:
        """Sounds (N, 1, T), T a multiple of ``hop``, as images (N, 1, bands, T/hop)."""
        size = stft(x, self.window, self.hop).abs() * (4 / self.window)
        level = 20 * (_filters(self.rate, self.bands).to(size) @ size).clamp(min=1e-10).log10()
        return (1 - level / self.floor).clamp(0, 1)[:, None]

    def magnitudes(self, images: Tensor) -> Tensor:
        """The least magnitudes (N, bins, frames) of the ``stft`` that fit some images.

        Black is silence. By the pseudo-inverse of the bands; what would be negative is 0.
        """
        expect(
            images.ndim == 4 and images.shape[1:3] == (1, self.bands),
            f"images of {self.bands} bands",
            images,
        )
        size = 10 ** (self.floor * (1 - images[:, 0]) / 20) * (images[:, 0] > 0)
        inverse = torch.linalg.pinv(_filters(self.rate, self.bands)).to(size)
        return (inverse @ size).clamp(min=0) * (self.window / 4)

    def sounds(self, images: Tensor, *, steps: int = 32) -> Tensor:
        """Sounds (N, 1, T) for some images, with phases found by ``griffin_lim``."""
        return griffin_lim(self.magnitudes(images), self.window, self.hop, steps=steps)


def _padding(window: int, hop: int) -> int:
    expect(
        window > hop > 0 and (window - hop) % 2 == 0,
        "window > hop > 0, both even or odd",
        window,
        hop,
    )
    return (window - hop) // 2


def _size(window: int) -> int:
    return 2 ** math.ceil(math.log2(window))


def _hann(window: int, like: Tensor) -> Tensor:
    return torch.hann_window(window, dtype=like.dtype, device=like.device)


@cache
def _filters(rate: int, bands: int) -> Tensor:
    """The bands' weights (bands, bins), triangles whose weights sum to 1."""
    bins = _size(rate // 25) // 2 + 1
    mel = 2595 * (1 + torch.linspace(0, rate / 2, bins, dtype=torch.float64) / 700).log10()
    step = mel[-1] / (bands + 1)
    middle = step * torch.arange(1, bands + 1, dtype=torch.float64)
    weights = (1 - (mel - middle[:, None]).abs() / step).clamp(min=0)
    return weights / weights.sum(1, keepdim=True).clamp(min=1e-12)
