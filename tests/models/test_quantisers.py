"""Quantisers: nearest vectors by brute force, gradients, independent implementations."""

import copy
import itertools
import math

import pytest
import torch
from vector_quantize_pytorch import FSQ, ResidualVQ, VectorQuantize

from gantut.models import FiniteScalarQuantiser, ResidualQuantiser, VectorQuantiser

KINDS = {
    "codebook": lambda: VectorQuantiser(7, 3, seed=1),
    "moving codebook": lambda: VectorQuantiser(7, 3, decay=0.9, seed=1),
    "residual": lambda: ResidualQuantiser(3, 4, 3, seed=1),
    "moving residual": lambda: ResidualQuantiser(3, 4, 3, decay=0.9, seed=1),
    "rounding": lambda: FiniteScalarQuantiser((3, 4, 5)),
}


def vectors(n=32, d=3, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def fitted(quantiser, h, passes=40):
    for _ in range(passes):
        quantiser(h)
    return quantiser.eval()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("places", [(), (5,), (4, 5)])
def test_codes_stand_for_the_vectors_and_looking_moves_nothing(kind, places):
    quantiser = KINDS[kind]().double().eval()
    h = vectors(6 * math.prod(places)).double().view(6, *places, 3).movedim(-1, 1)
    before = copy.deepcopy(quantiser.state_dict())
    out = quantiser(h)
    assert out.codes.shape == (6, *quantiser.layers, *places)
    assert out.codes.min() >= 0 and out.codes.max() < quantiser.size
    assert len(out.codes.unique()) > 1
    assert torch.equal(quantiser.nearest(h), out.codes)
    assert out.vectors.shape == h.shape and out.vectors.dtype == h.dtype
    assert torch.allclose(quantiser.look_up(out.codes), out.vectors)
    assert torch.allclose(out.straight_through, out.vectors)
    # Each example on its own: another order of examples, another order of codes.
    assert torch.equal(quantiser.nearest(h.flip(0)), out.codes.flip(0))
    after = quantiser.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_passes_the_rounding(kind):
    quantiser, h = KINDS[kind](), vectors().requires_grad_()
    out, weights = quantiser(h), vectors(seed=3)
    (slope,) = torch.autograd.grad((out.straight_through * weights).sum(), h)
    inner = 1 - h.detach().tanh().square() if kind == "rounding" else torch.ones(32, 3)
    assert torch.allclose(slope, weights * inner, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_no_other_code_is_nearer(kind):
    """Brute force over the codes of the last layer, whose input is what the others left over."""
    quantiser, h = KINDS[kind]().eval(), vectors()
    out, target = quantiser(h), h.tanh() if kind == "rounding" else h
    others = torch.arange(quantiser.size)
    for n, codes in enumerate(out.codes):
        tried = others if not quantiser.layers else codes.repeat(len(others), 1)
        if quantiser.layers:
            tried[:, -1] = others
        distances = (quantiser.look_up(tried) - target[n]).square().sum(1)
        assert distances.argmin() == codes.flatten()[-1]


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


def same_books(theirs, ours):
    with torch.no_grad():
        theirs.embed.copy_(ours.codebook[None])
        theirs.embed_avg.copy_(ours.codebook[None])
        theirs.cluster_size.copy_(torch.ones(1, ours.size))


def test_against_an_independent_implementation():
    """From the same codebook: the same codes, and the same codebook after a step."""
    h = vectors(64, 4)
    theirs = VectorQuantize(
        dim=4, codebook_size=6, decay=0.8, eps=1e-12, threshold_ema_dead_code=0, kmeans_init=False
    )
    ours = VectorQuantiser(6, 4, decay=0.8, seed=2)
    same_books(theirs._codebook, ours)
    theirs.train()
    quantised, codes, _ = theirs(h[None])
    out = ours(h)
    assert torch.equal(out.codes, codes[0])
    assert torch.allclose(out.vectors, quantised[0], atol=1e-5)
    assert torch.allclose(ours.codebook, theirs._codebook.embed[0], atol=1e-4)


def test_the_residual_against_an_independent_implementation():
    h = vectors(64, 4)
    theirs = ResidualVQ(
        dim=4, num_quantizers=3, codebook_size=6, decay=0.8, eps=1e-12, threshold_ema_dead_code=0
    )
    ours = ResidualQuantiser(3, 6, 4, decay=0.8, seed=2)
    assert not torch.equal(ours.books[0].codebook, ours.books[1].codebook)
    for layer, book in zip(theirs.layers, ours.books, strict=True):
        same_books(layer._codebook, book)
    theirs.train()
    quantised, codes, _ = theirs(h[None])
    out = ours(h)
    assert torch.equal(out.codes, codes[0])
    assert torch.allclose(out.vectors, quantised[0], atol=1e-5)
    for layer, book in zip(theirs.layers, ours.books, strict=True):
        assert torch.allclose(book.codebook, layer._codebook.embed[0], atol=1e-4)


def test_one_layer_is_a_codebook():
    one, plain = (
        ResidualQuantiser(1, 6, 3, decay=0.9, seed=4),
        VectorQuantiser(6, 3, decay=0.9, seed=4),
    )
    for k in range(3):
        ours, theirs = one(vectors(seed=k)), plain(vectors(seed=k))
        assert torch.equal(ours.codes[:, 0], theirs.codes)
        assert torch.equal(ours.vectors, theirs.vectors)
    assert torch.equal(one.books[0].codebook, plain.codebook)
    moved = one.restart(vectors(), torch.zeros(32, 1, dtype=torch.int64))
    assert moved == plain.restart(vectors(), torch.zeros(32, dtype=torch.int64)) == 5


def test_each_layer_takes_a_share_of_the_error():
    """Of four layers of 8 codes, each leaves less, and together far less than 32 codes at once."""
    h = vectors(2000, 2)
    quantiser = fitted(ResidualQuantiser(4, 8, 2, decay=0.5, seed=1), h)
    codes = quantiser.nearest(h)
    errors = [
        (quantiser.look_up(codes[:, :depth]) - h).square().sum(1).mean().item()
        for depth in range(1, 5)
    ]
    assert all(deeper < 0.5 * shallow for shallow, deeper in itertools.pairwise(errors))
    plain = fitted(VectorQuantiser(32, 2, decay=0.5, seed=1), h)
    assert errors[-1] < 0.2 * (plain(h).vectors - h).square().sum(1).mean()


def test_dead_codes_of_each_layer_restart_on_what_was_left_for_it():
    quantiser, h = ResidualQuantiser(2, 5, 2, seed=1), vectors(40, 2)
    with torch.no_grad():
        for book in quantiser.books:
            book.codebook[3:] += 1e3
    codes = quantiser.nearest(h)
    rest = h - quantiser.books[0].look_up(codes[:, 0]).detach()
    dead = [5 - len(layer.unique()) for layer in codes.unbind(1)]
    assert quantiser.restart(h, codes, torch.Generator().manual_seed(0)) == sum(dead)
    for book, left in zip(quantiser.books, (h, rest), strict=True):
        assert (book.codebook[4] == left).all(1).any()


@pytest.mark.parametrize("levels", [(2, 2), (3, 5), (8, 5, 5), (4, 3, 6, 7)])
def test_rounding_against_an_independent_implementation(levels):
    ours, theirs = FiniteScalarQuantiser(levels), FSQ(list(levels), preserve_symmetry=True)
    h = 2 * vectors(500, len(levels))
    quantised, codes = theirs(h[None])
    out = ours(h)
    assert torch.equal(out.codes, codes[0].long())
    assert torch.allclose(out.vectors, quantised[0], atol=1e-6)
    if all(level % 2 for level in levels):  # the paper's own form, which differs where L is even
        quantised, codes = FSQ(list(levels))(h[None])
        agree = (out.codes == codes[0]).float().mean()
        assert agree > 0.99  # its squashing reaches 0.1 % further out


@pytest.mark.parametrize("levels", [(2,), (3, 4), (5, 2, 3)])
def test_rounding_s_codes_are_numbers_of_all_combinations(levels):
    quantiser = FiniteScalarQuantiser(levels).double()
    codes = torch.arange(math.prod(levels))
    assert quantiser.size == len(codes) and quantiser.dimension == len(levels)
    grid = quantiser.look_up(codes)
    # All combinations of evenly spaced levels from −1 to 1, the first dimension counting fastest.
    axes = [torch.linspace(-1, 1, level).tolist() for level in reversed(levels)]
    expected = torch.tensor(list(itertools.product(*axes)), dtype=torch.float64).flip(1)
    assert torch.allclose(grid, expected, atol=1e-6)
    assert torch.equal(quantiser.nearest((0.999 * grid).atanh()), codes)
    assert not list(quantiser.parameters())


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
        (lambda: VectorQuantiser(0, 2), "size must be at least 1, got 0"),
        (lambda: VectorQuantiser(2, 2, decay=1.0), r"a decay in \(0, 1\), got 1.0"),
        (
            lambda: VectorQuantiser(2, 2)(torch.zeros(3, 4)),
            r"vectors of dimension 2, \(N, 2, …\), got \(3, 4\)",
        ),
        (lambda: ResidualQuantiser(0, 2, 2), "depth must be at least 1, got 0"),
        (lambda: ResidualQuantiser(2, 2, 2)(torch.zeros(3, 4)), r"got \(3, 4\)"),
        (lambda: FiniteScalarQuantiser(()), r"at least 2 levels for each dimension, got \(\)"),
        (lambda: FiniteScalarQuantiser((3, 1)), r"got \(3, 1\)"),
        (lambda: FiniteScalarQuantiser((3, 3))(torch.zeros(3)), r"\(N, 2, …\), got \(3,\)"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
