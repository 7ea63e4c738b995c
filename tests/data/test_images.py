"""Image and tensor data: scaling, subsets, and what is refused."""

import pytest
import torch

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


def test_shape_and_length():
    assert images(5).shape == (1, 2, 2) and len(images(5)) == 5


def test_a_subset_keeps_labels_and_factors_in_step():
    data = images(
        labels=torch.tensor([7, 8, 9, 7]),
        factors={"slant": torch.tensor([0.0, 0.1, 0.2, 0.3])},
        classes=10,
    )
    part = data.subset(torch.tensor([2, 0]))
    assert part.labels.tolist() == [9, 7] and part.factors["slant"].tolist() == pytest.approx(
        [0.2, 0.0]
    )
    assert torch.equal(part.images, data.images[[2, 0]]) and part.classes == 10


def test_nan_and_infinite_values_are_counted_and_placed():
    values = torch.zeros(5, 2)
    values[3, 1], values[4, 0] = float("nan"), float("inf")
    with pytest.raises(ValueError, match="2 values are NaN or infinite, the first in example 3"):
        TensorData(values)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: ImageData(torch.zeros(2, 1, 4, 4)),
            r"expected uint8 images \(N, C, H, W\), got torch.float32",
        ),
        (
            lambda: ImageData(torch.zeros(2, 4, 4, dtype=torch.uint8)),
            r"got torch.uint8 \(2, 4, 4\)",
        ),
        (
            lambda: images(labels=torch.zeros(3, dtype=torch.long)),
            r"expected 4 labels, shape \(4,\), got \(3,\)",
        ),
        (
            lambda: images(factors={"font": torch.zeros(2)}),
            r"expected 4 font, shape \(4,\), got \(2,\)",
        ),
        (lambda: TensorData(torch.zeros(3, 2, dtype=torch.long)), "expected float values"),
        (
            lambda: TensorData(torch.zeros(3)),
            r"expected float values \(N, …\), got torch.float32 \(3,\)",
        ),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
