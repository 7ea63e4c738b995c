"""Stacked images: some grey images as the channels of one, which turns ten classes into a thousand kinds."""

from __future__ import annotations

import torch

from gantut.data.batches import generator
from gantut.data.images import ImageData


def stacked(data: ImageData, n: int, *, channels: int = 3, seed: int = 0) -> ImageData:
    """``n`` images (n, channels, H, W), each channel an independent draw from ``data``; the kinds are counted by the labels.

    The label of an image is the number whose digits are its channels' labels: Σ_c y_c·K^(channels − 1 − c) for K classes. So three channels
    of handwritten digits make 1,000 kinds, about equally frequent, that a model has to find. [srivastava2017]

    Raises:
        ValueError: n or channels below 1, images of more than one channel, no labels.
    """
    if n < 1 or channels < 1:
        raise ValueError(f"n and channels must be at least 1, got n={n}, channels={channels}")
    if data.shape[0] != 1 or data.labels is None or data.classes < 1:
        raise ValueError(
            f"stacking needs labelled images of one channel; {data.name!r} has {data.shape[0]} channels and {data.classes} classes"
        )
    index = torch.randint(len(data), (n, channels), generator=generator(seed))
    labels = torch.zeros(n, dtype=torch.int64)
    for column in data.labels[index].T:
        labels = labels * data.classes + column
    return ImageData(
        data.images[index, 0],
        labels,
        data.maximum,
        f"stacked {data.name}",
        classes=data.classes**channels,
    )
