"""Data sets that lie on the reader's disk: torchvision's MNIST, Fashion-MNIST and CIFAR-10, and a folder of images."""

from __future__ import annotations

import warnings
from os import PathLike
from pathlib import Path

import torch

from gantut.data.cache import cache_folder
from gantut.data.digits import check_split
from gantut.data.images import ImageData

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}


def _torchvision(name: str, root: str | PathLike | None, split: str, download: bool) -> ImageData:
    check_split(split, ("train", "test"))
    from torchvision import datasets

    folder = Path(root) if root is not None else cache_folder() / "torchvision"
    try:
        data = getattr(datasets, name)(folder, train=split == "train", download=download)
    except RuntimeError as error:
        raise FileNotFoundError(
            f"{name} is not in {folder}. Get it once with download=True, or name its folder with root=…; "
            "gantut.data.digits() and gantut.data.glyphs() need no download"
        ) from error
    images = torch.as_tensor(data.data)
    # MNIST gives (N, H, W), CIFAR (N, H, W, C).
    images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
    return ImageData(images, torch.as_tensor(data.targets).long(), name=name, classes=10)


def mnist(
    root: str | PathLike | None = None, split: str = "train", download: bool = False
) -> ImageData:
    """Handwritten digits, 28×28 grey. [lecun1998]

    Raises:
        FileNotFoundError: the set is not in ``root`` and was not to be downloaded.
    """
    return _torchvision("MNIST", root, split, download)


def fashion_mnist(
    root: str | PathLike | None = None, split: str = "train", download: bool = False
) -> ImageData:
    """Pieces of clothing, 28×28 grey. Raises as ``mnist``. [xiao2017]"""
    return _torchvision("FashionMNIST", root, split, download)


def cifar10(
    root: str | PathLike | None = None, split: str = "train", download: bool = False
) -> ImageData:
    """Small photographs of ten kinds of things, 32×32 in colour. Raises as ``mnist``. [krizhevsky2009]"""
    return _torchvision("CIFAR10", root, split, download)


def folder(
    path: str | PathLike, *, size: int, channels: int = 3, unreadable: str = "refuse"
) -> ImageData:
    """All images below a folder, turned as the camera was held, scaled and cropped at their centre to ``size``×``size``.

    Where each image lies in a sub-folder, the sub-folders' names in alphabetical order are the classes. A file that ends like an image and
    cannot be read is refused, or left out with a warning that names it: ``unreadable`` is ``"refuse"`` or ``"skip"``.

    Raises:
        FileNotFoundError: there is no such folder, or no image in it that can be read.
        ValueError: an image cannot be read (it is named), channels is neither 1 nor 3, or ``unreadable`` is unknown.
    """
    from PIL import Image, ImageOps

    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 or 3, got {channels}")
    if unreadable not in ("refuse", "skip"):
        raise ValueError(f"unreadable must be refuse or skip, got {unreadable!r}")
    root = Path(path)
    files = (
        sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES) if root.is_dir() else []
    )
    images, names, skipped = [], [], []
    for file in files:
        name = file.relative_to(root)
        try:
            with Image.open(file) as picture:
                upright = ImageOps.exif_transpose(picture).convert("L" if channels == 1 else "RGB")
                fitted = ImageOps.fit(upright, (size, size))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            if unreadable == "refuse":
                raise ValueError(
                    f"cannot read the image {file}: {error}; unreadable='skip' leaves it out"
                ) from error
            skipped.append(str(name))
            continue
        pixels = torch.frombuffer(bytearray(fitted.tobytes()), dtype=torch.uint8)
        images.append(pixels.view(size, size, channels).permute(2, 0, 1))
        names.append(name.parts)
    if skipped:
        warnings.warn(
            f"left out {len(skipped)} of {len(files)} images, unreadable: {', '.join(skipped)}",
            stacklevel=2,
        )
    if not images:
        raise FileNotFoundError(
            f"no image in {root} that can be read; expected files that end in {', '.join(sorted(SUFFIXES))}"
        )
    kinds = sorted({parts[0] for parts in names}) if all(len(parts) > 1 for parts in names) else []
    labels = torch.tensor([kinds.index(parts[0]) for parts in names]) if kinds else None
    return ImageData(torch.stack(images), labels, name=root.name, classes=len(kinds))
