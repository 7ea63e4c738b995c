"""Sounds that one can hear in a page: a short frame made long, and players that hold their sound and need no network."""

from __future__ import annotations

import base64
import html
import io
import wave
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gantut.speech.measures import pitch

FADE = 0.01  # seconds in which a sound comes and goes, so that it does not click


def sustain(frame: Tensor, rate: int, *, seconds: float = 0.4, low: float = 95.0) -> Tensor:
    """A frame (T,) of a steady voice made ``seconds`` long, (round(seconds·rate),), by overlapping it with itself.

    The copies lie a whole number of periods apart, as many as fit, and fade into one another over one period. The period comes from
    ``pitch``, which looks above ``low`` Hz; where there is none, half a frame serves as one.

    Raises:
        ValueError: a frame that is not (T,), a length that is not positive, or as ``pitch``.
    """
    if frame.ndim != 1 or not seconds > 0:
        raise ValueError(
            f"expected a frame (T,) and seconds > 0, got {tuple(frame.shape)} and {seconds}"
        )
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
    """Frames (N, 1, T), each made ``seconds`` long, one after the other as one sound with its peak at 0.9."""
    sounds = [sustain(frame.reshape(-1), rate, seconds=seconds) for frame in frames]
    edge = round(FADE * rate)
    shape = torch.ones_like(sounds[0])
    shape[:edge] = torch.linspace(0, 1, edge, dtype=torch.float64)
    shape *= shape.flip(0)
    return torch.cat([0.9 * shape * sound / sound.abs().max().clamp(min=1e-9) for sound in sounds])


class Players:
    """Labelled players that a notebook and the book show; ``size`` is the number of bytes of the sounds in the page.

    Each sound (T,) in [−1, 1] becomes a WAV file of one byte a sample inside the page. Nothing plays before the reader asks for it.

    Raises:
        ValueError: no sounds, or one that is not (T,), not finite, or outside [−1, 1].
    """

    def __init__(self, sounds: Mapping[str, Tensor], rate: int) -> None:
        if not sounds:
            raise ValueError("expected at least one sound with its label, got none")
        for label, sound in sounds.items():
            if sound.ndim != 1 or not float(sound.abs().max()) <= 1:  # false for NaN as well
                raise ValueError(
                    f"expected the sound {label!r} as (T,) in [-1, 1], got shape {tuple(sound.shape)}"
                )
        self.files = {label: _wav(sound, rate) for label, sound in sounds.items()}
        self.size = sum(4 * -(-len(content) // 3) for content in self.files.values())

    def _repr_html_(self) -> str:
        return (
            '<div class="sounds">'
            + "".join(self._one(*item) for item in self.files.items())
            + "</div>"
        )

    def _one(self, label: str, content: bytes) -> str:
        name, code = html.escape(label, quote=True), base64.b64encode(content).decode()
        return (
            '<div style="display:flex;flex-wrap:wrap;align-items:center;gap:0.2rem 0.8rem;margin:0.35rem 0">'
            f'<span style="flex:1 1 12rem">{name}</span>'
            f'<audio controls preload="none" aria-label="{name}" style="flex:1 1 15rem;max-width:24rem;height:2.4rem" '
            f'src="data:audio/wav;base64,{code}"></audio></div>'
        )


def _wav(sound: Tensor, rate: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(rate)
        file.writeframes((128 + 127 * sound).round().to(torch.uint8).numpy().tobytes())
    return out.getvalue()
