"""Sounds to listen to in a page: a short frame made long, and players that hold their sound."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence

import torch
from scipy.io import wavfile
from torch import Tensor

from gantut.speech.measures import pitch

FADE = 0.01  # seconds in which a sound comes and goes, so that it does not click


def sustain(frame: Tensor, rate: int, *, seconds: float = 0.4, low: float = 95.0) -> Tensor:
    """A steady voice's frame made longer, by overlapping it with copies of itself.

    The copies lie a whole number of periods apart, as many as fit, and fade into one another over
    one period.

    Args:
        frame: (T,), at least three periods of ``low`` long.
        rate: samples a second.
        seconds: the length wanted.
        low: in Hz; ``pitch`` looks for the period above it. Where there is none, half a frame
            serves as one.

    Returns:
        A sound, (round(seconds · rate),), in double precision.

    Raises:
        ValueError: a frame that is not (T,), a length that is not positive, or a frame that
            ``pitch`` would refuse.

    Example:
        >>> import torch
        >>> frame = torch.sin(2 * torch.pi * 100 * torch.arange(256) / 8000)
        >>> sustain(frame, 8000, seconds=0.5).shape
        torch.Size([4000])
    """
    if frame.ndim != 1 or not seconds > 0:
        found = f"{tuple(frame.shape)} and {seconds}"
        raise ValueError(f"expected a frame (T,) and seconds > 0, got {found}")
    f0 = float(pitch(frame[None], rate, low=low)[0])
    period = rate / f0 if f0 == f0 else len(frame) / 2
    fade = min(round(period), len(frame) // 2)
    hop = round(max(1, (len(frame) - fade) // period) * period)
    hop = min(hop, len(frame) - fade)
    piece = frame[: hop + fade].double().clone()
    ramp = (torch.arange(fade, dtype=torch.float64) + 0.5) / fade
    piece[:fade] *= ramp
    piece[hop:] *= 1 - ramp
    wanted = round(seconds * rate)
    sound = torch.zeros(wanted + 2 * len(piece), dtype=torch.float64)
    for start in range(0, wanted + fade, hop):
        sound[start : start + len(piece)] += piece
    return sound[fade : fade + wanted]  # the first copy fades in from nothing


def sequence(frames: Tensor | Sequence[Tensor], rate: int, *, seconds: float = 0.4) -> Tensor:
    """Short frames made long enough to be heard, one after the other as one sound.

    Args:
        frames: (N, 1, T), or a list of frames; each is made longer as a steady voice is.
        rate: samples a second.
        seconds: the length of each.

    Returns:
        A sound (N · round(seconds · rate),), each part with its peak at 0.9 and soft edges.

    Raises:
        ValueError: no frame, frames shorter than three periods of 95 Hz, NaN or infinite values,
            or a length that is not positive.

    Example:
        >>> from gantut import data
        >>> sequence(data.vowels(2).values, 8000, seconds=0.25).shape
        torch.Size([4000])
    """
    if not len(frames):
        raise ValueError("expected at least one frame, got none")
    sounds = [sustain(frame.reshape(-1), rate, seconds=seconds) for frame in frames]
    edge = round(FADE * rate)
    shape = torch.ones_like(sounds[0])
    shape[:edge] = torch.linspace(0, 1, edge, dtype=torch.float64)
    shape *= shape.flip(0)
    return torch.cat([0.9 * shape * sound / sound.abs().max().clamp(min=1e-9) for sound in sounds])


class Players:
    """Labelled players in a page, each with its sound inside; they need no network.

    Put one at the end of a notebook's cell. Nothing plays before the reader asks for it. Each sound
    becomes a WAV file of one byte a sample; ``size`` is how many bytes they take in the page.

    Args:
        sounds: each label with its sound (T,) in [−1, 1].
        rate: samples a second.

    Raises:
        ValueError: no sounds, or one that is not (T,), not finite, or outside [−1, 1].

    Example:
        >>> import torch
        >>> players = Players({"a tone": torch.sin(torch.arange(800) / 2)}, 8000)
        >>> players.size
        1128
    """

    def __init__(self, sounds: Mapping[str, Tensor], rate: int) -> None:
        if not sounds:
            raise ValueError("expected at least one sound with its label, got none")
        for label, sound in sounds.items():
            if sound.ndim != 1 or not float(sound.abs().max()) <= 1:  # false for NaN as well
                wanted = f"the sound {label!r} as (T,) in [-1, 1]"
                raise ValueError(f"expected {wanted}, got shape {tuple(sound.shape)}")
        self.files = {label: _wav(sound, rate) for label, sound in sounds.items()}
        self.size = sum(4 * -(-len(content) // 3) for content in self.files.values())

    def _repr_html_(self) -> str:
        players = "".join(_player(*item) for item in self.files.items())
        return f'<div class="sounds">{players}</div>'


def _player(label: str, content: bytes) -> str:
    name, code = html.escape(label, quote=True), base64.b64encode(content).decode()
    row = "display:flex;flex-wrap:wrap;align-items:center;gap:0.2rem 0.8rem;margin:0.35rem 0"
    return (
        f'<div style="{row}"><span style="flex:1 1 12rem">{name}</span>'
        f'<audio controls preload="none" aria-label="{name}" '
        'style="flex:1 1 15rem;max-width:24rem;height:2.4rem" '
        f'src="data:audio/wav;base64,{code}"></audio></div>'
    )


def _wav(sound: Tensor, rate: int) -> bytes:
    out = io.BytesIO()
    wavfile.write(out, rate, (128 + 127 * sound).round().to(torch.uint8).numpy())
    return out.getvalue()
