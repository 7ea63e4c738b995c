"""The real 8×8 digits that ship with scikit-learn."""

from __future__ import annotations

import torch

from gantut.data.images import ImageData

TEST_SIZE = 360
SPLITS = ("train", "test", "all")


def check_split(split: str, known: tuple[str, ...] = SPLITS) -> None:
    """Raise ``ValueError`` for an unknown split."""
    if split not in known:
        raise ValueError(f"unknown split {split!r}; known: {', '.join(known)}")


def digits(split: str = "train") -> ImageData:
    """1,797 digits written by hand, 8×8 pixels with values 0 … 16, from 43 people. [alpaydin1998]

    The split into 1,437 for training and 360 for testing is fixed, and every class has the same share in both.
    """
    check_split(split)
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    index = list(range(len(labels)))
    if split != "all":
        train, test = train_test_split(index, test_size=TEST_SIZE, stratify=labels, random_state=0)
        index = sorted(train if split == "train" else test)
    images = torch.from_numpy(pixels[index]).to(torch.uint8).view(-1, 1, 8, 8)
    return ImageData(
        images, torch.from_numpy(labels[index]).long(), maximum=16, name="digits", classes=10
    )
