"""AC-GAN's classification term."""

import math

import pytest
import torch

from gantut.losses import auxiliary


def test_values_by_hand():
    logits = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]], dtype=torch.float64)
    value = auxiliary(logits, torch.tensor([1, 0]))
    assert value.tolist() == pytest.approx([math.log(3), math.log(1 + 2 * math.exp(-2))])
    swapped = auxiliary(logits.flip(0), torch.tensor([0, 1]))
    assert torch.equal(swapped, value.flip(0))
    assert torch.autograd.gradcheck(
        lambda v: auxiliary(v, torch.tensor([1, 0])), (logits.requires_grad_(),)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_extremes(dtype):
    logits = torch.tensor([[100.0, -100.0]], dtype=dtype, requires_grad=True)
    for label, value in ((0, 0.0), (1, 200.0)):
        loss = auxiliary(logits, torch.tensor([label]))
        assert loss.item() == pytest.approx(value, rel=0.01)
        (slope,) = torch.autograd.grad(loss.sum(), logits)
        assert torch.isfinite(slope).all()


@pytest.mark.parametrize(
    ("logits", "labels", "error", "message"),
    [
        ((2, 3), [0], ValueError, r"got \(2, 3\) and \(1,\)"),
        ((2,), [0, 1], ValueError, r"got \(2,\) and \(2,\)"),
        ((2, 3), [0, 3], ValueError, "labels must lie in 0 … 2, got 0 … 3"),
        ((2, 3), [0, -1], ValueError, "labels must lie in 0 … 2, got -1 … 0"),
        ((2, 3), [0, -100], ValueError, "labels must lie in 0 … 2, got -100 … 0"),
        ((2, 3), [0.0, 1.0], TypeError, "labels must be integers, in a tensor, got torch.float32"),
    ],
)
def test_bad_input(logits, labels, error, message):
    with pytest.raises(error, match=message):
        auxiliary(torch.zeros(logits), torch.tensor(labels))
