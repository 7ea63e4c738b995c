"""Stacked images: channels and labels belong together, kinds are equally frequent, bad input."""

import pytest
import torch

from gantut import data


def tagged():
    """Four images of classes 0, 1, 2, 2 whose pixels are the class."""
    labels = torch.tensor([0, 1, 2, 2])
    return data.ImageData(
        labels.view(-1, 1, 1, 1).expand(-1, 1, 2, 2).to(torch.uint8), labels, maximum=2, classes=3
    )


def test_the_label_is_the_number_that_the_channels_spell():
    stack = data.stacked(tagged(), 2000, channels=3, seed=4)
    assert (
        stack.shape == (3, 2, 2)
        and len(stack) == 2000
        and stack.classes == 27
        and stack.maximum == 2
    )
    first, second, third = stack.images[:, :, 0, 0].long().unbind(1)
    assert torch.equal(stack.labels, 9 * first + 3 * second + third)
    assert set(stack.labels.tolist()) == set(range(27))


def test_channels_are_independent_draws():
    stack = data.stacked(tagged(), 60_000, channels=2)
    shares = torch.bincount(stack.labels, minlength=9) / 60_000
    once = torch.tensor([0.25, 0.25, 0.5])
    assert torch.allclose(shares, torch.outer(once, once).flatten(), atol=0.01)


def test_digits_make_a_thousand_kinds_and_the_seed_decides():
    digits = data.digits()
    one, same, other = (data.stacked(digits, 20_000, seed=seed) for seed in (0, 0, 1))
    assert one.shape == (3, 8, 8) and len(one.labels.unique()) == 1000
    assert torch.equal(one.images, same.images) and not torch.equal(one.images, other.images)


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (tagged(), {"n": 0}, "got n=0, channels=3"),
        (tagged(), {"n": 5, "channels": 0}, "channels=0"),
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
