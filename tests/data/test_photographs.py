"""Photographs: the files as they are, patches where the factors say, and a split by photograph."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from gantut import data
from gantut.data.photos import PHOTOGRAPHS

SIZES = {
    "china": (427, 640),
    "flower": (427, 640),
    "coffee": (400, 600),
    "rocket": (427, 640),
    "hopper": (600, 512),
    "astronaut": (512, 512),
    "cat": (300, 451),
}
CHEAP = {"split": "test", "size": 32}


@pytest.fixture(scope="module")
def whole():
    return {split: data.photographs(split) for split in ("train", "test")}


def test_whole_photographs_are_floats_by_name(whole):
    found = whole["train"] | whole["test"]
    assert {name: tuple(picture.shape) for name, picture in found.items()} == {
        name: (3, *size) for name, size in SIZES.items()
    }
    for picture in found.values():
        assert picture.dtype == torch.float32 and picture.min() >= 0 and picture.max() > 0.9
        # In colour: the three channels differ.
        assert (picture[0] - picture[2]).abs().mean() > 0.03


def test_photographs_are_those_of_scikit_learn_and_scikit_image(whole):
    theirs = {name: load_sample_image(f"{name}.jpg") for name in ("china", "flower")}
    skimage = pytest.importorskip("skimage.data")
    for ours, name in {"astronaut": "astronaut", "cat": "chelsea", "coffee": "coffee"}.items():
        theirs[ours] = getattr(skimage, name)()
    for name, pixels in theirs.items():
        ours = (whole["train"] | whole["test"])[name]
        assert torch.equal(ours, torch.tensor(pixels).permute(2, 0, 1) / 255)


def test_no_photograph_is_on_both_sides_and_the_test_ones_were_never_compressed_with_a_loss():
    train, test = (PHOTOGRAPHS[split] for split in ("train", "test"))
    files = [folder(file) for part in (train, test) for folder, file in part.values()]
    assert len({file.read_bytes() for file in files}) == 7
    for folder, file in test.values():
        with Image.open(folder(file)) as picture:
            assert picture.format == "PNG"
            y = np.asarray(picture.convert("L")).astype(float)
        for steps in (np.abs(np.diff(y, axis=1)).mean(0), np.abs(np.diff(y, axis=0)).mean(1)):
            # JPEG's blocks show as a larger step at every eighth pixel.
            phases = [steps[k::8].mean() for k in range(8)]
            assert max(phases) < 1.06 * np.median(phases)


@pytest.mark.parametrize(("split", "size"), [("train", 64), ("test", 128)])
def test_a_patch_lies_where_its_factors_say(split, size, whole):
    patches = data.photographs(split, size=size, n=200, seed=3)
    assert patches.shape == (3, size, size) and len(patches) == 200 and patches.labels is None
    pictures = [*whole[split].values()]
    places = zip(*(patches.factors[name] for name in ("photograph", "top", "left")), strict=True)
    for x, (k, top, left) in zip(patches.floats(), places, strict=True):
        there = pictures[k][:, top : top + size, left : left + size]
        assert torch.allclose(x, there, atol=1e-6)


def test_patches_come_from_everywhere_with_equal_probability():
    n = 40_000
    patches = data.photographs("test", size=4, n=n)
    shares = torch.bincount(patches.factors["photograph"]) / n
    assert (shares - 0.5).abs().max() < 0.0125  # five standard errors
    for k, (down, across) in enumerate([(509, 509), (297, 448)]):
        here = patches.factors["photograph"] == k
        for name, end in (("top", down), ("left", across)):
            found = patches.factors[name][here]
            counts = torch.histc(found.double(), 4, 0, end) / len(found)
            assert found.max() == end - 1 and (counts - 0.25).abs().max() < 0.016


def test_a_patch_may_fill_the_shortest_side():
    patches = data.photographs("test", size=300, n=50)
    cat = patches.factors["photograph"] == 1
    assert cat.any() and (patches.factors["top"][cat] == 0).all()
    with pytest.raises(ValueError, match=r"at most 300, the shortest side, got size=301"):
        data.photographs("test", size=301)


def test_the_seed_decides_the_patches():
    one, same, other = (data.photographs(**CHEAP, n=50, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.images, same.images) and not torch.equal(one.images, other.images)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "validation"}, "unknown split 'validation'; known: train, test"),
        ({**CHEAP, "size": 0}, "size must be at least 1, got 0"),
        ({**CHEAP, "n": 0}, "n must be at least 1, got 0"),
        ({"size": 401}, "at most 400, the shortest side, got size=401"),
        ({**CHEAP, "size": 32.0}, "a whole number of pixels, .* got size=32.0"),
    ],
)
def test_what_photographs_refuse(options, message):
    with pytest.raises(ValueError, match=message):
        data.photographs(**options)


def test_without_scikit_image_photographs_say_how_to_get_it(monkeypatch):
    monkeypatch.setattr("gantut.data.shipped.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"astronaut\.png .* pip install scikit-image"):
        data.photographs("test")


def test_by_name_photographs_are_patches():
    assert data.load("photographs", split="test", n=10).shape == (3, 64, 64)
