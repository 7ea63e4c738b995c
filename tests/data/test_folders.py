"""torchvision's real loading code on raw files written here, and a folder of images."""

import pickle
import struct

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

from gantut import data


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
        assert np.array_equal(read.images[:, 0].numpy(), raw[theirs][0])
        assert read.labels.tolist() == raw[theirs][1].tolist()
    # Files that are there are not downloaded again.
    assert len(load(tmp_path, download=True)) == 7


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


@pytest.mark.parametrize("load", [data.mnist, data.fashion_mnist, data.cifar10])
def test_a_missing_set_says_how_to_get_it_and_what_else_there_is(load, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"download=True.*gantut.data.digits\(\) and gantut.data.glyphs\(\)"
    ):
        load(tmp_path)


def test_unknown_split(tmp_path):
    with pytest.raises(ValueError, match="unknown split 'all'; known: train, test"):
        data.mnist(tmp_path, split="all")


def picture(path, size, color):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)


def test_a_folder_of_images(tmp_path):
    picture(tmp_path / "dog" / "a.png", (10, 10), (255, 0, 0))
    picture(tmp_path / "cat" / "b.PNG", (20, 10), (0, 255, 0))
    picture(tmp_path / "cat" / "deep" / "c.bmp", (4, 4), (0, 0, 255))
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    read = data.folder(tmp_path, size=6)
    assert read.shape == (3, 6, 6) and read.classes == 2
    assert read.labels.tolist() == [0, 0, 1]  # cat before dog
    assert [tuple(image[:, 3, 3].tolist()) for image in read.images] == [
        (0, 255, 0),
        (0, 0, 255),
        (255, 0, 0),
    ]
    grey = data.folder(tmp_path, size=6, channels=1)
    assert grey.images[2, 0, 3, 3] == 76  # 0.299 of 255


def test_the_crop_is_the_centre(tmp_path):
    wide = np.zeros((4, 12, 3), np.uint8)
    wide[:, 4:8] = 200
    Image.fromarray(wide).save(tmp_path / "wide.png")
    read = data.folder(tmp_path, size=4)
    assert read.labels is None and (read.images == 200).all()


def test_an_unreadable_image_is_named(tmp_path):
    picture(tmp_path / "good.png", (4, 4), (1, 2, 3))
    (tmp_path / "broken.png").write_bytes(b"not an image")
    with pytest.raises(ValueError, match=r"cannot read the image .*broken\.png"):
        data.folder(tmp_path, size=4)


def test_unreadable_images_are_skipped_when_asked_and_all_are_named(tmp_path):
    picture(tmp_path / "cat" / "good.png", (40, 40), (1, 2, 3))
    picture(tmp_path / "dog" / "good.png", (40, 40), (7, 8, 9))
    whole = (tmp_path / "dog" / "good.png").read_bytes()
    (tmp_path / "cat" / "cut.png").write_bytes(
        whole[: len(whole) // 2]
    )  # opens, and breaks while it is read
    (tmp_path / "ant" / "no.jpg").parent.mkdir()
    (tmp_path / "ant" / "no.jpg").write_bytes(b"not an image")
    with pytest.warns(
        UserWarning, match=r"left out 2 of 4 images, unreadable: ant.no\.jpg, cat.cut\.png"
    ):
        read = data.folder(tmp_path, size=4, unreadable="skip")
    # A folder without a readable image is no class.
    assert (
        read.classes == 2
        and read.labels.tolist() == [0, 1]
        and read.images[:, 0, 0, 0].tolist() == [1, 7]
    )
    with pytest.raises(
        ValueError, match=r"cannot read the image .*no\.jpg.*unreadable='skip' leaves it out"
    ):
        data.folder(tmp_path, size=4)
    with pytest.raises(ValueError, match="unreadable must be refuse or skip, got 'ignore'"):
        data.folder(tmp_path, size=4, unreadable="ignore")


def test_nothing_readable_is_no_data(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with (
        pytest.warns(UserWarning, match=r"left out 1 of 1 images, unreadable: a\.png"),
        pytest.raises(FileNotFoundError, match="no image in .* that can be read"),
    ):
        data.folder(tmp_path, size=4, unreadable="skip")


def test_a_photograph_is_turned_as_the_camera_was_held(tmp_path):
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[0] = 255  # a white line on top
    exif = Image.Exif()
    exif[0x0112] = 6  # held so that the picture has to be turned right by a quarter
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    read = data.folder(tmp_path, size=4, channels=1)
    assert read.images[0, 0, :, 3].tolist() == [255] * 4 and read.images[0, 0, :, :3].max() == 0


def test_no_images(tmp_path):
    with pytest.raises(FileNotFoundError, match="no image in .*expected files that end in"):
        data.folder(tmp_path, size=4)
    with pytest.raises(ValueError, match="channels must be 1 or 3, got 2"):
        data.folder(tmp_path, size=4, channels=2)
