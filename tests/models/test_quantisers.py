"""The codebook: nearest vectors by brute force, the straight-through copy, and the moving average against an independent implementation."""

import pytest
import torch
from vector_quantize_pytorch import VectorQuantize

from gantut.models import VectorQuantiser


def vectors(n=32, d=3, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_the_nearest_code_by_brute_force():
    quantiser, h = VectorQuantiser(7, 3, seed=1), vectors()
    out = quantiser(h)
    for row, code, vector in zip(h, out.codes, out.vectors, strict=True):
        distances = [(row - c).square().sum().item() for c in quantiser.codebook]
        assert code.item() == distances.index(min(distances))
        assert torch.equal(vector, quantiser.codebook[code])
    images = vectors(2 * 4 * 5).view(2, 4, 5, 3).permute(0, 3, 1, 2)
    out = quantiser(images)
    assert out.codes.shape == (2, 4, 5) and out.vectors.shape == images.shape
    assert torch.equal(out.vectors.permute(0, 2, 3, 1), quantiser.codebook[out.codes])


def test_straight_through_has_the_code_s_value_and_a_slope_of_one():
    quantiser, h = VectorQuantiser(5, 3), vectors().requires_grad_()
    out = quantiser(h)
    assert torch.allclose(out.straight_through, out.vectors, atol=1e-6)
    weights = vectors(seed=3)
    (slope,) = torch.autograd.grad((out.straight_through * weights).sum(), h)
    assert torch.equal(slope, weights)


def test_the_average_by_hand():
    quantiser, decay = VectorQuantiser(2, 1, decay=0.9), 0.9
    start = quantiser.codebook.detach().clone()
    counts, sums = torch.ones(2), start.flatten().clone()
    for k in range(4):
        h = vectors(6, 1, seed=k)
        nearest = (h - start.T).abs().argmin(1)
        chosen = torch.nn.functional.one_hot(nearest, 2).float()
        counts = decay * counts + (1 - decay) * chosen.sum(0)
        sums = decay * sums + (1 - decay) * (chosen.T @ h).flatten()
        quantiser(h)
        start = quantiser.codebook.detach().clone()
        assert torch.allclose(start.flatten(), sums / counts, atol=1e-6)
    assert not quantiser.codebook.requires_grad


def test_against_an_independent_implementation():
    """The same codebook and the same vectors: the same codes, and the same codebook after a step of the moving average."""
    h = vectors(64, 4)
    theirs = VectorQuantize(
        dim=4, codebook_size=6, decay=0.8, eps=1e-12, threshold_ema_dead_code=0, kmeans_init=False
    )
    ours = VectorQuantiser(6, 4, decay=0.8, seed=2)
    book = theirs._codebook
    with torch.no_grad():
        book.embed.copy_(ours.codebook[None])
        book.embed_avg.copy_(ours.codebook[None])
        book.cluster_size.copy_(torch.ones(1, 6))
    theirs.train()
    quantised, codes, _ = theirs(h[None])
    out = ours(h)
    assert torch.equal(out.codes, codes[0])
    assert torch.allclose(out.vectors, quantised[0], atol=1e-5)
    assert torch.allclose(ours.codebook, book.embed[0], atol=1e-4)


def test_unused_codes_stay_and_evaluation_changes_nothing():
    quantiser = VectorQuantiser(3, 2, decay=0.5)
    with torch.no_grad():
        quantiser.codebook.copy_(torch.tensor([[0.0, 0.0], [1.0, 1.0], [100.0, 100.0]]))
        quantiser.sums.copy_(quantiser.codebook)
    for k in range(300):  # the count of the third falls below the smallest number
        quantiser(vectors(8, 2, seed=k))
    assert torch.allclose(quantiser.codebook[2], torch.tensor([100.0, 100.0]), rtol=1e-4)
    assert torch.isfinite(quantiser.codebook).all()
    before = quantiser.codebook.clone()
    quantiser.eval()(vectors(8, 2))
    assert torch.equal(before, quantiser.codebook)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: VectorQuantiser(0, 2), "at least one vector of one dimension, got 0 of 2"),
        (lambda: VectorQuantiser(2, 2, decay=1.0), r"decay must lie in \(0, 1\), got 1.0"),
        (
            lambda: VectorQuantiser(2, 2)(torch.zeros(3, 4)),
            r"vectors of dimension 2, \(N, 2, …\), got \(3, 4\)",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
