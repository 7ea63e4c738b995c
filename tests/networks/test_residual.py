"""Residual networks: shapes, blocks that begin as their skip, gradients everywhere, bad input."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gantut.networks import (
    ResidualBlock,
    ResidualDiscriminator,
    ResidualGenerator,
)

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (2, 16, 24)]


def noise(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def perturbed(network, seed=0):
    """The network after a small random step: no weight is exactly zero any more."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=g))
    return network


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("classes", [0, 10])
def test_shapes_and_range(shape, classes):
    G = ResidualGenerator(6, shape, width=4, classes=classes)
    D = ResidualDiscriminator(shape, width=4, classes=classes, seed=1)
    labels = torch.arange(4) if classes else None
    images = G(noise(4, 6), labels)
    assert images.shape == (4, *shape)
    assert images.min().item() >= 0 and images.max().item() <= 1 and images.std().item() > 1e-2
    logits = D(images, labels)
    assert logits.shape == (4,) and logits.std().item() > 1e-4
    if classes:
        assert not torch.equal(logits, D(images, (labels + 1) % 10))
        assert not torch.equal(images, G(noise(4, 6), (labels + 1) % 10))


@pytest.mark.parametrize("resize", ["none", "up", "down"])
@pytest.mark.parametrize(("planes", "out"), [(3, 3), (3, 5)])
def test_a_block_begins_as_its_skip(resize, planes, out):
    """The branch is exactly 0, and the skip is what plain indexing gives."""
    block, x = ResidualBlock(planes, out, resize=resize), noise(2, planes, 6, 8)
    assert block.branch(x).abs().max().item() > 0
    block.start_at_skip()
    assert torch.equal(block.branch(x), torch.zeros_like(block.skip(x)))
    by_hand = {
        "none": x,
        "up": x.repeat_interleave(2, 2).repeat_interleave(2, 3),
        "down": (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4,
    }[resize]
    if planes != out:
        by_hand = torch.einsum("oi,nihw->nohw", block.match.weight[:, :, 0, 0], by_hand)
    assert torch.allclose(block(x), by_hand, atol=1e-6)


def test_the_block_by_hand():
    """Activation, convolution, doubling, activation, convolution, and the skip."""
    block, x = ResidualBlock(3, 4, resize="up").double(), noise(2, 3, 5, 5).double()
    h = F.conv2d(F.leaky_relu(x, 0.2), block.first.weight, block.first.bias, padding=1)
    h = F.leaky_relu(h.repeat_interleave(2, 2).repeat_interleave(2, 3), 0.2)
    h = F.conv2d(h, block.last.weight, block.last.bias, padding=1)
    skip = F.conv2d(x, block.match.weight).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.allclose(block(x), skip + h, atol=1e-12)


def test_averaging_undoes_doubling():
    up, down = ResidualBlock(2, 2, resize="up"), ResidualBlock(2, 2, resize="down")
    x = noise(1, 2, 4, 4)
    assert torch.allclose(down.resize(up.resize(x)), x, atol=1e-6)


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_all_branches_of_a_new_network_are_silent(network):
    made = (
        ResidualGenerator(4, (1, 16, 16), width=4)
        if network == "generator"
        else ResidualDiscriminator((1, 16, 16), width=4)
    )
    blocks = [m for m in made.modules() if isinstance(m, ResidualBlock)]
    assert len(blocks) == 2
    for block in blocks:
        x = noise(2, block.first.in_channels, 8, 8)
        assert torch.equal(block(x), block.skip(x)) and block.first.weight.abs().max().item() > 0


@pytest.mark.parametrize(
    "options", [{}, {"spectral_norm": True}, {"minibatch_stddev": True}, {"classes": 3}]
)
def test_the_gradient_reaches_all_weights(options):
    """After a first step: while the last convolutions are zero, the first ones wait for them."""
    classes = options.get("classes", 0)
    G = perturbed(ResidualGenerator(4, (1, 16, 16), width=4, classes=classes))
    D = perturbed(ResidualDiscriminator((1, 16, 16), width=4, **options))
    labels = torch.arange(8) % 3 if classes else None
    D(G(noise(8, 4), labels), labels).square().sum().backward()
    for net in (G, D):
        for name, p in net.named_parameters():
            assert (
                p.grad is not None
                and torch.isfinite(p.grad).all()
                and p.grad.abs().max().item() > 0
            ), name


def test_the_first_step_moves_the_last_convolutions():
    G = ResidualGenerator(4, (1, 16, 16), width=4)
    G(noise(8, 4)).sum().backward()
    for block in (m for m in G.modules() if isinstance(m, ResidualBlock)):
        assert block.last.weight.grad.abs().max().item() > 0
        assert block.first.weight.grad.abs().max().item() == 0


def test_spectral_norm_holds_every_matrix():
    D = ResidualDiscriminator((1, 16, 16), width=4, spectral_norm=True)
    for _ in range(50):
        logits = D(noise(2, 1, 16, 16).sigmoid())
    assert torch.isfinite(logits).all()
    D.eval()
    normed = [m for m in D.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(normed) == 8
    for module in normed:
        assert torch.linalg.matrix_norm(module.weight.flatten(1), 2).item() == pytest.approx(
            1, abs=0.02
        )


def test_each_logit_depends_on_its_image_alone():
    D, x = perturbed(ResidualDiscriminator((1, 8, 8), width=4)), noise(4, 1, 8, 8).sigmoid()
    alone = torch.cat([D(one[None]) for one in x])
    assert torch.allclose(D(x), alone, atol=1e-5)


def test_planes_double_as_the_side_halves():
    """32 → 16 → 8 → 4: 4, 8, 16, 32 planes; at most eight times as many as at full size."""
    planes = [
        b.first.out_channels
        for b in ResidualDiscriminator((3, 32, 32), width=4).body
        if hasattr(b, "first")
    ]
    assert planes == [8, 16, 32]
    planes = [
        b.first.out_channels
        for b in ResidualDiscriminator((3, 128, 128), width=2).body
        if hasattr(b, "first")
    ]
    assert planes == [4, 8, 16, 16, 16]
    planes = [
        b.first.out_channels
        for b in ResidualGenerator(4, (3, 32, 32), width=4).body
        if hasattr(b, "first")
    ]
    assert planes == [16, 8, 4]


def test_bad_input():
    with pytest.raises(ValueError, match="unknown resize 'half'; known: none, up, down"):
        ResidualBlock(2, 2, resize="half")
    with pytest.raises(ValueError, match="width must be at least 1, got 0"):
        ResidualDiscriminator((1, 8, 8), width=0)
    with pytest.raises(ValueError, match="latent_dim must be at least 1, got 0"):
        ResidualGenerator(0, (1, 8, 8))
    with pytest.raises(ValueError, match="divisible by 2 until none is above 7"):
        ResidualDiscriminator((1, 29, 29))
    G, D = ResidualGenerator(4, (1, 8, 8), width=2), ResidualDiscriminator((1, 8, 8), width=2)
    with pytest.raises(ValueError, match=r"expected codes z of shape \(N, 4\), got \(2, 5\)"):
        G(noise(2, 5))
    with pytest.raises(
        ValueError, match=r"expected images of shape \(N, 1, 8, 8\), got \(2, 3, 8, 8\)"
    ):
        D(noise(2, 3, 8, 8))
    with pytest.raises(ValueError, match="unconditional"):
        D(noise(2, 1, 8, 8), torch.tensor([0, 1]))
