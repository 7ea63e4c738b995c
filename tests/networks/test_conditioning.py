"""The ends of discriminators: heads with classes, and the spread over a group."""

import pytest
import torch

from gantut import networks
from gantut.networks import ConvDiscriminator, MinibatchStddev, MLPDiscriminator, ProjectionHead


def test_minibatch_stddev_by_hand():
    h = torch.tensor([[0.0, 0.0], [2.0, 4.0], [1.0, 1.0], [1.0, 1.0]])
    out = MinibatchStddev(2)(h)
    # Group one: deviations 1 and 2, mean 1.5. Group two: equal, √1e-8.
    assert torch.equal(out[:, :2], h)
    assert out[:, 2].tolist() == pytest.approx([1.5, 1.5, 1e-4, 1e-4], rel=1e-3)
    images = h.view(4, 1, 1, 2).expand(4, 3, 5, 2)
    out = MinibatchStddev(2)(images)
    assert out.shape == (4, 4, 5, 2)
    assert out[:, 3].flatten(1).std(1).max() < 1e-6 and out[0, 3, 0, 0].item() == pytest.approx(
        1.5, rel=1e-3
    )


def test_groups_do_not_see_one_another():
    h = torch.randn(8, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    (slope,) = torch.autograd.grad(MinibatchStddev(4)(h)[:4, 3].sum(), h)
    assert slope[:4].abs().min() > 0 and not slope[4:].any()
    flat = torch.ones(4, 3, requires_grad=True)
    (slope,) = torch.autograd.grad(MinibatchStddev(4)(flat)[:, 3].sum(), flat)
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize(
    "make",
    [lambda **o: MLPDiscriminator((1, 8, 8), **o), lambda **o: ConvDiscriminator((1, 8, 8), **o)],
)
@pytest.mark.parametrize("options", [{}, {"spectral_norm": True}, {"minibatch_stddev": True}])
@pytest.mark.parametrize("classes", [{}, {"classes": 3}])
def test_all_options_together(make, options, classes):
    D = make(
        **options, **classes
    ).eval()  # in training mode spectral norm changes a little at each pass
    x = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(8) % 3 if classes else None
    logits = D(x, labels)
    assert logits.shape == (8,) and torch.isfinite(logits).all()
    if classes:
        assert not torch.equal(logits, D(x, (labels + 1) % 3))


@pytest.mark.parametrize("name", ["MLP", "Conv", "Conv1d", "Residual"])
def test_the_spread_reaches_the_logit(name):
    """The same first example in other company: only minibatch stddev tells the two apart."""
    make, shape = getattr(networks, f"{name}Discriminator"), (1, 64) if "1d" in name else (1, 8, 8)
    x = torch.rand(4, *shape, generator=torch.Generator().manual_seed(0))
    alone = x[:1].repeat(4, *[1] * len(shape))
    D = make(shape, minibatch_stddev=True)
    assert abs((D(x)[0] - D(alone)[0]).item()) > 1e-4
    D = make(shape)
    assert torch.allclose(D(x)[0], D(alone)[0], atol=1e-6)


def test_projection_changes_the_logit_by_the_inner_product():
    D = MLPDiscriminator((2,), classes=3, hidden=(4,))
    x, y = torch.randn(5, 2), torch.tensor([0, 1, 2, 0, 1])
    h = D.body(x)
    expected = D.head.linear(h).squeeze(1) + (D.head.embedding.weight[y] * h).sum(1)
    assert torch.allclose(D(x, y), expected)


def test_bad_input():
    with pytest.raises(ValueError, match="groups of 4: the batch of 6 is no multiple"):
        MinibatchStddev()(torch.zeros(6, 2))
    with pytest.raises(ValueError, match="group must be at least 2, got 1"):
        MinibatchStddev(1)
    with pytest.raises(ValueError, match="labels must lie in 0 … 2, got 0 … 3"):
        ProjectionHead(4, 3)(torch.zeros(2, 4), torch.tensor([0, 3]))
