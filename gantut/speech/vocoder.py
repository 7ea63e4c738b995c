"""A vocoder: a network that makes the sound of a log-mel image in one pass, and what it learns by.

Griffin and Lim's iteration seeks a phase that fits the magnitudes of one word, and starts from
nothing each time. A vocoder has learned from many words which magnitudes and phases go together.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantut.networks import seeded
from gantut.networks.initialisation import LEAK, initialise, output, start_near_zero
from gantut.numerics import at_least, expect, full
from gantut.speech.spectrogram import LogMel, istft, stft

PERIODS = (2, 3, 5, 7, 11)  # primes, so that no two see the same samples side by side
WINDOWS = (64, 256, 1024)  # samples: pulses of the voice, its formants, its harmonics
LEAST = 1e-3  # below the magnitudes of the faintest grey


class Vocoder(nn.Module):
    """Makes sounds (N, 1, T) of their log-mel images (N, 1, bands, T/hop).

    Residual convolutions along time look at some columns and say a correction c and a phase φ for
    each point of the spectrum. The sound is istft(A·e^{c + iφ}), where A are the magnitudes from
    which Griffin and Lim's search would start, and φ is counted from the middle of the window. So
    no layer works at the sound's own rate, which makes it cheap. [kaneko2022, siuzdak2024]

    Args:
        front: what made the images.
        width: the number of planes.
        dilations: how far apart the three columns are that each block looks at.
        seed: decides the first weights.

    Raises:
        ValueError: a width below 1; in a pass, images of another number of bands.

    Example:
        >>> import torch
        >>> front = LogMel(8000)
        >>> Vocoder(front, width=8)(torch.zeros(2, 1, 64, 10)).shape
        torch.Size([2, 1, 800])
    """

    def __init__(
        self,
        front: LogMel,
        *,
        width: int = 128,
        dilations: Sequence[int] = (1, 2, 4, 8, 16),
        seed: int = 0,
    ) -> None:
        super().__init__()
        at_least(1, width=width)
        self.front = front
        bins = front.magnitudes(torch.zeros(1, 1, front.bands, 1)).shape[1]
        with seeded(seed):
            self.first = output(nn.Conv1d(front.bands, width, 7, padding=3))
            blocks = [_block(width, apart) for apart in dilations]
            self.blocks = nn.ModuleList(blocks)
            self.last = output(nn.Conv1d(width, 2 * bins, 1))
            initialise(self)
            for block in blocks:  # every block begins as its skip
                for weight in block[-1].parameters():
                    nn.init.zeros_(weight)
            start_near_zero(self.last)

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            size = self.front.magnitudes(full(images)).clamp(min=LEAST)
        h = self.first(2 * images[:, 0] - 1)
        for block in self.blocks:
            h = h + block(h)
        correction, phase = full(self.last(F.leaky_relu(h, LEAK))).chunk(2, dim=1)
        # A pulse in the middle of the window has the phase −π·k·window/K in bin k.
        k = torch.arange(size.shape[1], device=size.device, dtype=size.dtype)[:, None]
        phase = phase - k * (math.pi * self.front.window / (2 * (size.shape[1] - 1)))
        spectra = torch.polar(size * correction.clamp(-9, 3).exp(), phase)
        return istft(spectra, self.front.window, self.front.hop)


def _block(width: int, apart: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LeakyReLU(LEAK),
        nn.Conv1d(width, width, 3, padding=apart, dilation=apart),
        nn.LeakyReLU(LEAK),
        output(nn.Conv1d(width, width, 1)),
    )


class PeriodDiscriminators(nn.Module):
    """Judges sounds (N, 1, T) by their regularities: one discriminator for each of some periods.

    The one with the period p reads every p-th sample, from each of p starts, as a sound of its own.
    So what repeats every p samples stands side by side. [kong2020]

    Args:
        periods: in samples.
        width: planes of the first layer; they double from layer to layer, three times.
        seed: decides the first weights.

    Returns:
        In a pass, for each period the logits (N, places), one a place, large where the sound is
        real, and the outputs of its inner layers.

    Raises:
        ValueError: no period, one below 1, or a width below 1.

    Example:
        >>> import torch
        >>> D = PeriodDiscriminators((2, 3), width=2)
        >>> [(logits.shape, len(inner)) for logits, inner in D(torch.zeros(4, 1, 640))]
        [(torch.Size([4, 8]), 5), (torch.Size([4, 9]), 5)]
    """

    def __init__(self, periods: Sequence[int] = PERIODS, *, width: int = 16, seed: int = 0) -> None:
        super().__init__()
        expect(len(periods), "at least one period", tuple(periods))
        at_least(1, width=width, period=min(periods))
        self.periods = tuple(periods)
        with seeded(seed):
            self.judges = nn.ModuleList(_judge(width) for _ in periods)
            initialise(self)

    def forward(self, x: Tensor) -> list[tuple[Tensor, list[Tensor]]]:
        return [
            _seen(judge, x, period) for judge, period in zip(self.judges, self.periods, strict=True)
        ]


def _judge(width: int) -> nn.ModuleList:
    planes = [1, width, 2 * width, 4 * width, 8 * width]
    steps = [
        nn.Conv1d(before, after, 5, stride=3, padding=2)
        for before, after in zip(planes, planes[1:], strict=False)
    ]
    same = nn.Conv1d(planes[-1], planes[-1], 3, padding=1)
    return nn.ModuleList([*steps, same, output(nn.Conv1d(planes[-1], 1, 3, padding=1))])


def _seen(layers: Any, x: Tensor, period: int) -> tuple[Tensor, list[Tensor]]:
    n, _, length = x.shape
    h = F.pad(x, (0, -length % period)).reshape(n, -1, period).transpose(1, 2)
    h = h.reshape(n * period, 1, -1)  # the starts stand in the batch: they share all weights
    inner = []
    for layer in layers[:-1]:
        h = F.leaky_relu(layer(h), LEAK)
        inner.append(h)
    return layers[-1](h).reshape(n, -1), inner


def spectral_loss(x: Tensor, y: Tensor, *, floor: float = 60.0) -> Tensor:
    """How different the spectra of two sounds are, through three windows. [yamamoto2020]

    The mean, over the windows, of ‖|X| − |Y|‖ / ‖X‖, which looks at what is loud, and of the mean
    of |log|X| − log|Y||, which looks at all that is above ``floor``.

    Args:
        x: the true sounds (N, 1, T), T a multiple of 256.
        y: others of the same shape, which the gradient goes to.
        floor: in dB below the loudest point of x; what is fainter counts as silence.

    Returns:
        One number a sound, (N,), in nats and shares.

    Raises:
        ValueError: sounds of different or other shapes, or a floor that is not positive.

    Example:
        >>> import torch
        >>> x = torch.randn(1, 1, 512, generator=torch.Generator().manual_seed(0))
        >>> round(spectral_loss(x, 2 * x, floor=200).item(), 3)  # 1 + log 2
        1.693
    """
    expect(x.shape == y.shape, "sounds of one shape", x, y)
    expect(floor > 0, "a floor > 0, in dB below the peak", floor)
    parts = []
    for window in WINDOWS:
        # A square root has no slope at 0, where both sounds are silent.
        wanted, found = (
            torch.view_as_real(stft(s, window, window // 4)).square().sum(3).clamp(min=1e-10).sqrt()
            for s in (x, y)
        )
        least = wanted.amax((1, 2), keepdim=True) * 10 ** (-floor / 20)
        apart = (wanted - found).square().sum((1, 2)).sqrt() / wanted.square().sum((1, 2)).sqrt()
        levels = torch.maximum(wanted, least).log() - torch.maximum(found, least).log()
        parts.append(apart + levels.abs().mean((1, 2)))
    return torch.stack(parts).mean(0)
