"""Sounds held in memory as float frames, and a folder of the reader's own recordings."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gantut.data.images import TensorData, _check_lengths

PEAK = 0.9  # every frame is scaled to it, so that no model has to learn how loud a recording was


@dataclass(frozen=True)
class SoundData(TensorData):
    """Frames of sound (N, 1, T) in [−1, 1] at ``rate`` samples a second, with labels (N,) and known factors (N,) where there are any.

    ``kinds`` names the classes, and ``skipped`` the files that were left out.

    Raises:
        ValueError: not (N, 1, T), values that are not finite or outside [−1, 1], a rate below 1, labels or factors of another length.
    """

    name: str = "sounds"
    rate: int = 8000
    kinds: tuple[str, ...] = ()
    factors: dict[str, Tensor] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.values.ndim != 3 or self.values.shape[1] != 1 or self.rate < 1:
            raise ValueError(
                f"expected frames (N, 1, T) at a rate ≥ 1, got {tuple(self.values.shape)} at {self.rate}"
            )
        if len(self.values) and float(self.values.abs().max()) > 1:
            raise ValueError(
                f"expected sound in [-1, 1], got values up to {float(self.values.abs().max()):g}"
            )
        _check_lengths(len(self.values), {**self.factors})

    @property
    def shape(self) -> tuple[int, int]:
        """(1, T)"""
        return 1, self.values.shape[2]

    @property
    def classes(self) -> int:
        return len(self.kinds)

    def subset(self, index: Any) -> SoundData:
        """The frames at ``index`` with their labels and factors."""
        labels = None if self.labels is None else self.labels[index]
        factors = {name: values[index] for name, values in self.factors.items()}
        return SoundData(
            self.values[index], labels, self.name, self.rate, self.kinds, factors, self.skipped
        )


def scaled(frames: Tensor) -> Tensor:
    """Frames (…, T) with their largest magnitude at ``PEAK``; silence stays silence."""
    return PEAK * frames / frames.abs().amax(-1, keepdim=True).clamp(min=1e-9)


def emphasise(x: Tensor, amount: float = 0.9) -> Tensor:
    """y_t = x_t − ``amount``·x_{t−1} for sounds (…, T), with x_{−1} = 0: it lifts the high frequencies, where a voice is weak.

    Raises:
        ValueError: an amount outside [0, 1).
    """
    _check_amount(amount)
    return torch.cat([x[..., :1], x[..., 1:] - amount * x[..., :-1]], -1)


def deemphasise(y: Tensor, amount: float = 0.9) -> Tensor:
    """The inverse of ``emphasise``: x_t = Σ_k amount^k · y_{t−k}, (…, T).

    Raises:
        ValueError: an amount outside [0, 1).
    """
    _check_amount(amount)
    place = torch.arange(y.shape[-1], device=y.device)
    lag = place[:, None] - place
    weights = torch.where(lag >= 0, torch.tensor(amount, dtype=y.dtype) ** lag.clamp(min=0), 0.0)
    return y @ weights.to(y.dtype).T


def _check_amount(amount: float) -> None:
    if not 0 <= amount < 1:
        raise ValueError(f"the amount of emphasis must lie in [0, 1), got {amount}")


def recordings(
    path: str | PathLike,
    *,
    length: int = 512,
    rate: int = 8000,
    resample: bool = False,
    faulty: str = "refuse",
    quietest: float = -35.0,
) -> SoundData:
    """All WAV files below a folder, cut into frames of ``length`` samples that overlap by half.

    Channels are averaged. Frames that are more than ``quietest`` dB below the loudest of their file are pauses and left out; each other is
    scaled to one peak. Where every file lies in a sub-folder, the sub-folders' names in alphabetical order are the classes. The factor
    ``file`` numbers the files that were read, in alphabetical order. With ``resample`` files of another rate are converted by a polyphase
    filter. With ``faulty="skip"`` a file that cannot be used is left out, named in ``skipped`` and in a warning.

    Raises:
        FileNotFoundError: there is no such folder, or no WAV file in it.
        ValueError: a file cannot be read, has another rate, or is shorter than a frame (it is named); or no file is left; or an option is
            out of its range.
    """
    if length < 2 or rate < 1 or faulty not in ("refuse", "skip") or not quietest < 0:
        raise ValueError(
            "expected length ≥ 2, rate ≥ 1, faulty refuse or skip, quietest < 0 dB, "
            f"got {length}, {rate}, {faulty!r}, {quietest}"
        )
    root = Path(path)
    files = (
        sorted(p for p in root.rglob("*") if p.suffix.lower() == ".wav") if root.is_dir() else []
    )
    if not files:
        raise FileNotFoundError(f"no sound in {root}; expected files that end in .wav")
    read: dict[Path, Tensor] = {}
    reasons: list[str] = []
    for file in files:
        try:
            read[file] = _frames(file, length, rate, resample, quietest)
        except ValueError as error:
            if faulty == "refuse":
                raise
            reasons.append(str(error))
    if not read:
        raise ValueError(
            f"none of the {len(files)} sounds in {root} can be used; the first: {reasons[0]}"
        )
    if reasons:
        warnings.warn(
            f"{len(reasons)} of {len(files)} sounds were left out: {'; '.join(reasons)}",
            stacklevel=2,
        )
    parts = [file.relative_to(root).parts for file in read]
    kinds = sorted({p[0] for p in parts}) if all(len(p) > 1 for p in parts) else []
    counts = torch.tensor([len(frames) for frames in read.values()])
    labels = (
        torch.tensor([kinds.index(p[0]) for p in parts]).repeat_interleave(counts)
        if kinds
        else None
    )
    return SoundData(
        torch.cat(list(read.values()))[:, None],
        labels,
        root.name,
        rate,
        tuple(kinds),
        {"file": torch.arange(len(read)).repeat_interleave(counts).float()},
        tuple(str(file.relative_to(root)) for file in files if file not in read),
    )


def _frames(file: Path, length: int, rate: int, resample: bool, quietest: float) -> Tensor:
    """The frames (n, length) of one file that are no pause."""
    found, wave = _read(file)
    if found != rate:
        if not resample:
            raise ValueError(
                f"{file} has {found} samples a second; expected {rate}, or resample=True to convert what differs"
            )
        from scipy.signal import resample_poly

        divisor = math.gcd(found, rate)
        wave = torch.from_numpy(resample_poly(wave.numpy(), rate // divisor, found // divisor))
    if len(wave) < length:
        raise ValueError(
            f"{file} has {len(wave)} samples at {rate} a second; expected at least one frame of {length}"
        )
    frames = wave.float().unfold(0, length, max(1, length // 2))
    power = frames.square().mean(1)
    if not float(power.max()) > 0:
        raise ValueError(f"{file} is silent; expected a recording")
    return scaled(frames[power >= power.max() * 10 ** (quietest / 10)])


def _read(file: Path) -> tuple[int, Tensor]:
    """The rate and the samples (T,) of a WAV file, in double precision; whole numbers become [−1, 1]."""
    from scipy.io import wavfile

    with warnings.catch_warnings():
        # Chunks that the reader does not know are harmless; an end that comes too early is not.
        warnings.simplefilter("ignore", wavfile.WavFileWarning)
        warnings.filterwarnings("error", "Reached EOF", wavfile.WavFileWarning)
        try:
            rate, samples = wavfile.read(file)
        except Exception as error:  # the reader meets damage with many kinds of errors
            raise ValueError(f"cannot read the sound {file}: {error}") from error
    values = torch.from_numpy(samples.astype("float64"))
    if samples.dtype == "uint8":
        values = (values - 128) / 128
    elif samples.dtype.kind == "i":
        values = values / 2.0 ** (8 * samples.dtype.itemsize - 1)
    if not torch.isfinite(values).all():
        raise ValueError(f"cannot read the sound {file}: it holds NaN or infinite values")
    return rate, values.mean(1) if values.ndim == 2 else values
