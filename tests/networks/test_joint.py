"""Discriminators that judge several things at once: pairs with codes, and packs."""

import copy

import pytest
import torch
from torch import nn

from gantut.networks import (
    ConvDiscriminator,
    DCGANDiscriminator,
    MLPDiscriminator,
    Packed,
    PairDiscriminator,
)

SHAPE = (1, 8, 8)


def some(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


class Foreign(nn.Module):
    """Somebody's network: no attribute of ours, BatchNorm inside, another name for its end."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.BatchNorm1d(10), nn.ReLU())
        self.classifier = nn.Linear(10, 1)

    def features(self, x):
        return self.trunk(x)

    def forward(self, x):
        return self.classifier(self.features(x)).squeeze(1)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lambda: MLPDiscriminator(SHAPE, hidden=(16,), spectral_norm=True), {}),
        (lambda: ConvDiscriminator(SHAPE, width=4, minibatch_stddev=True), {}),
        (Foreign, {"shape": SHAPE}),
        (lambda: Foreign().double().eval(), {"shape": SHAPE}),
    ],
)
def test_a_pair_leaves_the_given_network_as_it_is(make, options):
    given = make()
    before, mode = copy.deepcopy(given.state_dict()), given.training
    logit = copy.deepcopy(given).eval()(some(4, *SHAPE).to(next(given.parameters())))
    pair = PairDiscriminator(given, 3, hidden=(12,), **options).to(next(given.parameters()))
    x, z = (part.to(next(given.parameters())) for part in (some(4, *SHAPE), some(4, 3)))
    pair(x, z).sum().backward()
    after = given.state_dict()
    assert before.keys() == after.keys() and given.training == mode
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(p.grad is None for p in given.parameters())
    assert torch.equal(given.eval()(x), logit)


def test_every_weight_of_a_pair_learns():
    for classes in (0, 3):
        inner = ConvDiscriminator(SHAPE, width=4, classes=classes)
        pair = PairDiscriminator(inner, 3, hidden=(12, 12))
        pair(some(6, *SHAPE), some(6, 3), torch.arange(6) % 3 if classes else None).sum().backward()
        assert all(p.grad is not None and p.grad.any() for p in pair.parameters())


def test_a_pair_reads_both_and_the_pairing():
    pair = PairDiscriminator(MLPDiscriminator(SHAPE, hidden=(16,)), 3)
    x, z = some(4, *SHAPE), some(4, 3)
    logits = pair(x, z)
    assert torch.allclose(pair(x.flip(0), z.flip(0)), logits.flip(0), atol=1e-6)
    for other in (pair(x, z.flip(0)), pair(x.flip(0), z)):
        assert (other - logits).abs().min() > 1e-4


def test_what_a_pair_refuses():
    with pytest.raises(ValueError, match=r"DCGANDiscriminator has no features\(x\)"):
        PairDiscriminator(DCGANDiscriminator(SHAPE), 2)
    with pytest.raises(ValueError, match="Foreign does not know the shape .* pass shape="):
        PairDiscriminator(Foreign(), 2)
    pair = PairDiscriminator(Foreign(), 2, shape=SHAPE)
    with pytest.raises(ValueError, match=r"codes z of shape \(N, 2\), got \(4, 3\)"):
        pair(some(4, *SHAPE), some(4, 3))
    with pytest.raises(ValueError, match="as many codes as examples, got 3 and 4"):
        pair(some(4, *SHAPE), some(3, 2))


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_pack_is_judged_as_one_example(size):
    """Neighbours are joined along the channels: each logit sees its own pack, in order, alone."""
    inner = ConvDiscriminator((2 * size, 8, 8), width=4)
    D, x = Packed(inner, size), some(6, 2, 8, 8)
    by_hand = torch.stack([torch.cat(list(pack)) for pack in x.split(size)])
    assert torch.equal(D(x), inner(by_hand)) and D(x).shape == (6 // size,)
    assert D.shape == (2, 8, 8) and D.classes == 0
    x.requires_grad_()
    (slope,) = torch.autograd.grad(D(x)[0], x)
    assert slope[:size].flatten(1).any(1).all() and not slope[size:].any()


def test_packs_of_points_by_a_plain_module():
    inner = nn.Sequential(nn.Linear(6, 1), nn.Flatten(0))
    D, x = Packed(inner, 3), some(6, 2)
    assert D.shape is None and torch.equal(D(x), inner(x.view(2, 6)))


def test_what_packs_refuse():
    D = Packed(MLPDiscriminator((4,)), 2)
    with pytest.raises(ValueError, match="packs of 2 need a batch that 2 divides, got 5 examples"):
        D(some(5, 2))
    with pytest.raises(ValueError, match="no one label, but labels were given"):
        D(some(4, 2), torch.zeros(4, dtype=torch.long))
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        Packed(MLPDiscriminator((4,)), 0)
    with pytest.raises(ValueError, match="expected a D without classes"):
        Packed(MLPDiscriminator((4,), classes=3), 2)
    with pytest.raises(ValueError, match=r"of 3, 6, … channels, got shape \(4,\)"):
        Packed(MLPDiscriminator((4,)), 3)
