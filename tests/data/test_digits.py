"""The real digits are scikit-learn's, and their split is fixed."""

import pytest
import torch
from sklearn.datasets import load_digits

from gantut.data import digits, load


def test_all_of_them_are_scikit_learns():
    theirs, labels = load_digits(return_X_y=True)
    ours = digits("all")
    assert torch.equal(ours.images.flatten(1), torch.from_numpy(theirs).to(torch.uint8))
    assert ours.labels.tolist() == labels.tolist()
    assert ours.floats().max() == 1 and ours.floats().min() == 0 and ours.shape == (1, 8, 8)


def test_the_split_is_disjoint_complete_stratified_and_fixed():
    train, test, everything = digits("train"), digits("test"), digits("all")
    assert (len(train), len(test), len(everything)) == (1437, 360, 1797)
    rows = sorted(x.tobytes() for x in torch.cat([train.images, test.images]).numpy())
    assert rows == sorted(x.tobytes() for x in everything.images.numpy())
    shares = [torch.bincount(part.labels, minlength=10) / len(part) for part in (train, test)]
    assert (shares[0] - shares[1]).abs().max() < 0.003
    # A checksum that any change of the split would change.
    weights = torch.arange(1, 361)
    assert int((test.labels * weights).sum()) == 297540


def test_unknown_split():
    with pytest.raises(ValueError, match="unknown split 'valid'; known: train, test, all"):
        load("digits", split="valid")
