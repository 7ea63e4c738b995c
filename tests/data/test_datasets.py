"""Data sets: what they give, what a DataLoader makes of them, and what is refused."""

import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, default_collate

from gantut import data
from gantut.data import ImageData, TensorData


def images(n=4, **options):
    return ImageData(torch.arange(n * 4, dtype=torch.uint8).view(n, 1, 2, 2), **options)


def test_bytes_become_floats_by_the_maximum():
    assert images().floats()[1].flatten().tolist() == pytest.approx(
        [4 / 255, 5 / 255, 6 / 255, 7 / 255]
    )
    assert images(maximum=16).floats(torch.tensor([3])).flatten().tolist() == [
        12 / 16,
        13 / 16,
        14 / 16,
        15 / 16,
    ]
    assert images().images.dtype == torch.uint8  # the data itself stays small


SETS = {
    "digits": lambda: data.digits("test"),
    "glyphs": lambda: data.glyphs(40, cache=False),
    "vowels": lambda: data.vowels(40),
    "stacked": lambda: data.stacked(data.digits(), 40),
    "unlabelled": lambda: TensorData(torch.rand(40, 3)),
    "unlabelled images": lambda: images(40),
}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("name", SETS)
def test_a_data_loader_takes_every_set(name, workers):
    some = SETS[name]().subset(slice(0, 40))
    loader = DataLoader(some, 32, num_workers=workers)
    whole = default_collate([some[i] for i in range(40)])
    for k, batch in enumerate(loader):
        part = slice(32 * k, 32 * k + 32)
        if some.labels is None:
            assert torch.equal(batch, some.floats()[part]) and torch.equal(batch, whole[part])
        else:
            x, y = batch
            assert torch.equal(x, some.floats()[part]) and torch.equal(y, some.labels[part])
            assert y.dtype == torch.int64
    assert k == 1


@pytest.mark.parametrize("name", SETS)
def test_examples_are_found_by_number_slice_mask_and_places(name):
    some = SETS[name]()
    x = some.floats()
    assert x.dtype == torch.float32 and x.shape == (len(some), *some.shape)
    mask = torch.arange(len(some)) % 3 == 1
    for index in (3, -1, slice(2, 9), mask, torch.tensor([5, 0]), [5, 0]):
        found = some[index]
        if some.labels is not None:
            found, labels = found
            assert torch.equal(labels, some.labels[index])
        assert torch.equal(found, x[index]) and torch.equal(some.floats(index), x[index])
    with pytest.raises(IndexError):
        some[len(some)]
    assert len(list(iter(some))) == len(some)


@pytest.mark.parametrize("index", [[2, 0], slice(2, 0, -1), torch.tensor([2, 0])])
def test_a_subset_keeps_all_that_is_known_in_step(index):
    index = [2, 0] if isinstance(index, slice) else index
    whole = images(
        labels=torch.tensor([7, 8, 9, 7]),
        factors={"slant": torch.tensor([0.0, 0.1, 0.2, 0.3])},
        files=("a", "b", "c", "d"),
        maximum=16,
        classes=10,
    )
    part = whole.subset(index)
    assert part.labels.tolist() == [9, 7] and part.files == ("c", "a")
    assert part.factors["slant"].tolist() == pytest.approx([0.2, 0.0])
    assert torch.equal(part.images, whole.images[[2, 0]])
    assert (part.classes, part.maximum, part.name) == (10, 16, "images")
    assert whole.subset(torch.tensor([False, False, True, False])).files == ("c",)
    assert len(whole) == len(whole.files) == 4  # the whole is as it was


def test_a_set_survives_the_way_to_another_process():
    copy = pickle.loads(pickle.dumps(data.digits("test")))
    assert torch.equal(copy.images, data.digits("test").images) and copy.maximum == 16


@pytest.mark.parametrize(
    "kind", ["uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "bool"]
)
def test_labels_of_any_integer_type_become_int64(kind):
    labels = np.array([0, 1, 1, 0]).astype(kind)
    for given in (labels, torch.from_numpy(labels)):
        some = TensorData(np.zeros((4, 2)), given)
        assert some.labels.dtype == torch.int64 and some.labels.tolist() == [0, 1, 1, 0]
        assert some.classes == 2


def test_the_number_of_classes_is_known_or_counted():
    assert TensorData(torch.zeros(3, 2)).classes == 0
    assert TensorData(torch.zeros(3, 2), [0, 2, 0]).classes == 3
    assert TensorData(torch.zeros(3, 2), [1, 2, 1], classes=5).classes == 5
    assert TensorData(torch.zeros(3, 2), [0, 1, 0], class_names=("a", "b", "c")).classes == 3


def test_nan_and_infinite_values_are_counted_and_placed():
    values = torch.zeros(5, 2, 3)
    values[3, 1, 0], values[4, 0, 1] = float("nan"), float("inf")
    with pytest.raises(ValueError, match="2 values are NaN or infinite, the first in example 3"):
        TensorData(values)


def labelled(labels, **options):
    return lambda: TensorData(torch.zeros(4, 2), torch.tensor(labels), **options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: ImageData(torch.zeros(2, 1, 4, 4)),
            r"expected uint8 images \(N, C, H, W\), got torch.float32.*TensorData holds floats",
        ),
        (
            lambda: ImageData(torch.zeros(2, 4, 4, dtype=torch.uint8)),
            r"got torch.uint8 \(2, 4, 4\)",
        ),
        (
            lambda: ImageData(np.zeros((5, 28, 20, 3), np.uint8)),
            r"\(5, 28, 20, 3\) looks like NHWC.*x.movedim\(-1, 1\)",
        ),
        (lambda: TensorData(torch.rand(5, 16, 16, 1)), r"looks like NHWC.*x.movedim\(-1, 1\)"),
        (lambda: images(maximum=14), "between the largest pixel, 15, and 255, got 14"),
        (lambda: images(maximum=256), "and 255, got 256"),
        (lambda: images(factors={"font": torch.zeros(2)}), r"expected 4 font.*got \(2,\)"),
        (lambda: TensorData(torch.zeros(3, 2, dtype=torch.long)), "expected float values"),
        (lambda: TensorData(torch.zeros(3)), r"expected float values \(N, …\).*\(3,\)"),
        (labelled([0, 1, 2]), r"expected 4 labels of an integer type, shape \(4,\).*\(3,\)"),
        (labelled([0.0, 1, 2, 3]), r"of an integer type.*got torch.float32 \(4,\)"),
        (labelled([[0], [1], [1], [0]]), r"shape \(4,\), got torch.int64 \(4, 1\)"),
        (labelled([1, 2, 3, 4]), "expected labels in 0 … 3, got 1 … 4; state classes="),
        (labelled([1, 2, 3, 4], classes=4), "expected labels in 0 … 3, got 1 … 4$"),
        (labelled([0, 1, 2, -1]), "got -1 … 2"),
        (labelled([0, 1, 2, 1], class_names=("a", "b")), "expected labels in 0 … 1, got 0 … 2"),
        (lambda: images().batches(5), "batch_size must lie in 1 … 4"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_feature_maps_that_only_look_a_little_like_nhwc_are_taken():
    assert TensorData(torch.zeros(2, 32, 1, 1)).shape == (32, 1, 1)
    assert TensorData(torch.zeros(2, 3, 8, 3)).shape == (3, 8, 3)
