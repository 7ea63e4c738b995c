"""The codebook's and the encoder's terms: values, and who moves."""

import pytest
import torch

from gantut.losses import codebook, commitment, vector_quantisation


def test_values_and_gradients_by_hand():
    h = torch.tensor([[[1.0, 2.0]], [[0.0, 0.0]]], dtype=torch.float64, requires_grad=True)
    e = torch.tensor([[[0.0, 0.0]], [[3.0, 0.0]]], dtype=torch.float64, requires_grad=True)
    assert codebook(h, e).tolist() == commitment(h, e).tolist() == [5.0, 9.0]
    assert vector_quantisation(h, e, 0.5).tolist() == [7.5, 13.5]
    gap = (h - e).detach()
    slopes = torch.autograd.grad(vector_quantisation(h, e, 0.5).sum(), (h, e))
    assert torch.equal(slopes[0], 0.5 * 2 * gap) and torch.equal(slopes[1], -2 * gap)
    assert torch.autograd.grad(codebook(h, e).sum(), h, allow_unused=True) == (None,)
    assert torch.autograd.grad(commitment(h, e).sum(), e, allow_unused=True) == (None,)


def test_bad_input():
    with pytest.raises(ValueError, match=r"one shape \(N, …\), got \(2, 3\) and \(2, 4\)"):
        codebook(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match="beta must be a finite number ≥ 0, got -1"):
        vector_quantisation(torch.zeros(2, 3), torch.zeros(2, 3), -1)
