"""The reader's own files: a folder of images, and a folder of recordings."""

import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gantut.data.datasets import ImageData, TensorData
from gantut.data.synthesis import scaled
from gantut.numerics import at_least, chosen

IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
SOUNDS = (".wav",)
QUIETEST = -35.0  # dB below the loudest frame of a file, where a pause begins
PHOTOMETRIC = 262  # the tag of a TIFF that says what 0 means
# What systems leave in folders; names that start with a dot are left out as well.
SYSTEM = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"}


def folder(
    path: str | PathLike,
    *,
    size: int,
    channels: int = 3,
    background: str = "white",
    unreadable: str = "refuse",
    memory: float = 2e9,
) -> ImageData:
    """All images below a folder, upright, scaled and cropped at their centre to size × size.

    Photographs are turned by the orientation that the camera noted. Transparent pixels show the
    background. Sixteen bits a pixel become eight. Grey is luminance, 0.299 R + 0.587 G + 0.114 B.
    Where each image lies in a sub-folder, the sub-folders are the classes, in alphabetical order.
    Hidden files and folders, and those that systems leave behind (``__MACOSX``, ``._a.png``,
    ``.ipynb_checkpoints``), are left out.

    Args:
        path: the folder.
        size: the side of the images in pixels; each is scaled until its shorter side fits.
        channels: 3 for colour or 1 for grey.
        background: what shows through transparent pixels: a colour's name or ``"#rrggbb"``.
        unreadable: ``"refuse"`` raises an error about files that end like an image and cannot be
            read; ``"skip"`` leaves them out with a warning, and names them in ``skipped``.
        memory: where the images would take more bytes than this, each is read from the disk again
            when it is asked for. That is slower, and everything else is the same.

    Returns:
        Images (N, channels, size, size); ``files`` names the file of each, below ``path``, and
        ``class_names`` the sub-folders.

    Raises:
        FileNotFoundError: there is no such folder, or no image in it.
        ValueError: images cannot be read (the message names the first and counts the others), or
            an option is out of its range.

    Example:
        >>> folder("my-pictures", size=64).class_names  # reads your pictures  # doctest: +SKIP
        ('cats', 'dogs')
    """
    from PIL import ImageColor

    if type(size) is not int or size < 1 or channels not in (1, 3):
        raise ValueError(
            f"expected a whole number of pixels and 1 or 3 channels, got {size=} and {channels=}"
        )
    ImageColor.getrgb(background)  # raises the error that names an unknown colour
    root, files = _files(path, IMAGES, "image")
    read = partial(_image, size=size, channels=channels, background=background)
    if len(files) * channels * size**2 <= memory:
        found, skipped = _read(root, files, read, unreadable, "image")
        return ImageData(torch.stack([*found.values()]), **_known(root, found, skipped))
    # A broken file is found now, and not in the middle of a training run.
    found, skipped = _read(root, files, lambda file: read(file).max(), unreadable, "image")
    shape = torch.empty(len(found), channels, size, size, dtype=torch.uint8, device="meta")
    return _OnDisk(shape, root=root, read=read, **_known(root, found, skipped))


@dataclass(eq=False, kw_only=True)
class _OnDisk(ImageData):
    """Images that are read when they are asked for; ``values`` has their shape and no memory."""

    root: Path
    read: Callable[[Path], Tensor]

    def _bytes(self, index: Any) -> Tensor:
        rows = torch.arange(len(self))[index]
        found = [self.read(self.root / self.files[row]) for row in rows.flatten()]
        return torch.stack(found).view(*rows.shape, *self.shape)


def _image(file: Path, *, size: int, channels: int, background: Any) -> Tensor:
    """One image as bytes (channels, size, size)."""
    from PIL import Image, ImageOps

    with Image.open(file) as picture:
        # A JPEG of many megapixels is decoded at an eighth of its size, five times as fast.
        picture.draft(None, (2 * size, 2 * size))
        upright = ImageOps.exif_transpose(picture)
        if picture.format == "PNG" and upright.mode == "I" or upright.mode.startswith("I;16"):
            # Sixteen bits: 65,535 is white, where a plain conversion would cut all above 255.
            values, clear = np.asarray(upright), picture.info.get("transparency")
            if getattr(picture, "tag_v2", {}).get(PHOTOMETRIC) == 0:  # a TIFF whose 0 is white
                values = 65535 - values
            upright = Image.fromarray((values / 257).round().astype(np.uint8))
            if clear is not None:  # one grey is meant to be transparent
                upright.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype("uint8")))
        elif upright.mode in ("I", "F"):
            raise ValueError("its pixels are 32-bit numbers, and nothing says which one is white")
        if upright.mode[-1] in "Aa" or "transparency" in picture.info:
            ground = Image.new("RGBA", upright.size, background)
            upright = Image.alpha_composite(ground, upright.convert("RGBA"))
        fitted = ImageOps.fit(upright.convert("L" if channels == 1 else "RGB"), (size, size))
    return torch.from_numpy(np.array(fitted)).view(size, size, channels).permute(2, 0, 1)


def recordings(
    path: str | PathLike,
    *,
    length: int = 512,
    rate: int = 8000,
    resample: bool = False,
    unreadable: str = "refuse",
) -> TensorData:
    """All WAV files below a folder, cut into frames that overlap by half.

    Channels are averaged. Frames that are 35 dB quieter than the loudest of their file are
    pauses and left out; each other is scaled to one peak, so that no model has to learn how loud a
    recording was. Where every file lies in a sub-folder, the sub-folders are the classes, in
    alphabetical order. Hidden files and folders are left out.

    Args:
        path: the folder.
        length: samples in a frame.
        rate: samples a second.
        resample: converts files of another rate, by a polyphase filter; without it they are
            refused.
        unreadable: ``"refuse"`` raises an error about files that cannot be used; ``"skip"`` leaves
            them out with a warning, and names them in ``skipped``.

    Returns:
        Frames (N, 1, length); ``files`` names the file of each, below ``path``, and
        ``class_names`` the sub-folders.

    Raises:
        FileNotFoundError: there is no such folder, or no WAV file in it.
        ValueError: files cannot be read, have another rate, are silent or shorter than a frame (the
            message names the first and counts the others), or an option is out of its range.

    Example:
        >>> recordings("my-voice", length=512).class_names  # reads your files  # doctest: +SKIP
        ('ah', 'oo')
    """
    at_least(2, length=length)
    at_least(1, rate=rate)
    root, files = _files(path, SOUNDS, "sound")
    read = partial(_frames, length=length, rate=rate, resample=resample)
    found, skipped = _read(root, files, read, unreadable, "sound")
    names = [file for file, frames in found.items() for _ in frames]
    return TensorData(torch.cat([*found.values()])[:, None], **_known(root, names, skipped))


def _frames(file: Path, *, length: int, rate: int, resample: bool) -> Tensor:
    """The frames (n, length) of one file that are no pause."""
    from scipy.io import wavfile
    from scipy.signal import resample_poly

    with warnings.catch_warnings():
        # Chunks that the reader does not know are harmless; an end that comes too early is not.
        warnings.simplefilter("ignore", wavfile.WavFileWarning)
        warnings.filterwarnings("error", "Reached EOF", wavfile.WavFileWarning)
        found, samples = wavfile.read(file)
    wave = samples.astype("float64")
    if samples.dtype.kind in "iu":  # whole numbers become [−1, 1]
        wave = (wave - np.iinfo(samples.dtype).min) / 2.0 ** (8 * samples.itemsize - 1) - 1
    if not np.isfinite(wave).all():
        raise ValueError("it holds NaN or infinite values")
    wave = wave.mean(1) if wave.ndim == 2 else wave
    if found != rate:
        if not resample:
            raise ValueError(f"it has {found} samples a second; expected {rate}, or resample=True")
        divisor = math.gcd(found, rate)
        wave = resample_poly(wave, rate // divisor, found // divisor)
    if len(wave) < length:
        raise ValueError(
            f"it has {len(wave)} samples at {rate} a second; expected a frame of {length} or more"
        )
    frames = torch.from_numpy(wave).float().unfold(0, length, length // 2)
    power = frames.square().mean(1)
    if not float(power.max()) > 0:
        raise ValueError("it is silent; expected a recording")
    return scaled(frames[power >= power.max() * 10 ** (QUIETEST / 10)])


def _files(path: str | PathLike, suffixes: tuple[str, ...], what: str) -> tuple[Path, list[str]]:
    """The folder, and the names below it of all files of a kind, in alphabetical order."""
    root = Path(path)
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}; expected one with {what}s in it")
    names = (file.relative_to(root) for file in sorted(root.rglob("*")) if file.is_file())
    files = [
        name.as_posix()
        for name in names
        if name.suffix.lower() in suffixes
        and not any(part.startswith(".") or part in SYSTEM for part in name.parts)
    ]
    if not files:
        raise FileNotFoundError(
            f"no {what} in {root}; expected files that end in {', '.join(suffixes)}"
        )
    return root, files


def _read(
    root: Path, files: list[str], read: Callable[[Path], Tensor], unreadable: str, what: str
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """What ``read`` makes of each file, and the names of those that it cannot read."""
    chosen("setting of unreadable", unreadable, ("refuse", "skip"))
    found: dict[str, Tensor] = {}
    reasons: dict[str, Exception] = {}
    for file in files:
        try:
            found[file] = read(root / file)
        except Exception as error:  # readers meet damage with many kinds of errors
            reasons[file] = error
    if reasons and (unreadable == "refuse" or not found):
        first, *others = reasons
        more = f" and {len(others)} more of {len(files)} {what}s" if others else ""
        raise ValueError(
            f"cannot read the {what} {root / first}{more}: {reasons[first]}; "
            + ("unreadable='skip' leaves out what cannot be read" if found else "none is left")
        ) from reasons[first]
    if reasons:
        warnings.warn(
            f"left out {len(reasons)} of {len(files)} {what}s, unreadable: {', '.join(reasons)}",
            stacklevel=3,
        )
    return found, tuple(reasons)


def _known(root: Path, files: Iterable[str], skipped: tuple[str, ...]) -> dict[str, Any]:
    """What a data set says of its files; the first folders are classes where all files have one."""
    known: dict[str, Any] = {"name": root.name, "files": tuple(files), "skipped": skipped}
    folders = [file.rpartition("/")[0].split("/")[0] for file in known["files"]]
    if all(folders):
        names = sorted(set(folders))
        known |= {"labels": [names.index(name) for name in folders], "class_names": tuple(names)}
    return known
