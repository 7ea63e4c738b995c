"""Shapes, ranges, labels, seeds, initial scales and Lipschitz bounds of the networks."""

import pytest
import torch

from gantut import networks
from gantut.networks.shapes import halvings

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (2, 16, 24)]
KINDS = ["MLP", "Conv", "DCGAN"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [0, 10])
def test_generators_and_discriminators(kind, shape, classes):
    G = getattr(networks, f"{kind}Generator")(6, shape, classes=classes)
    D = getattr(networks, f"{kind}Discriminator")(shape, classes=classes, seed=1)
    labels = torch.arange(4) if classes else None
    images = G(torch.randn(4, 6, generator=torch.Generator().manual_seed(0)), labels)
    assert images.shape == (4, *shape)
    assert images.min().item() >= 0 and images.max().item() <= 1 and images.std().item() > 1e-4
    assert D(images, labels).shape == (4,)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["MLP", "Conv"])
def test_encoders_and_decoders(kind, shape):
    encoder = getattr(networks, f"{kind}Encoder")(shape, 3, classes=4)
    decoder = getattr(networks, f"{kind}Decoder")(3, shape, classes=4)
    labels = torch.tensor([0, 3])
    mean, log_variance = encoder(torch.rand(2, *shape), labels)
    assert mean.shape == log_variance.shape == (2, 3)
    assert decoder(mean, labels).shape == (2, *shape)


def test_the_dcgan_side_lengths():
    G = networks.DCGANGenerator(5, (3, 64, 64))
    x, sides = torch.randn(2, 5, 1, 1), []
    for layer in G.layers:
        x = layer(x)
        sides.append(x.shape[-1])
    assert sorted(set(sides)) == [4, 8, 16, 32, 64]


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in networks.__all__
        if n.endswith(("Generator", "Encoder", "Decoder", "Discriminator")) and "Pair" not in n
    ],
)
def test_the_seed_decides_and_the_global_generator_is_untouched(name):
    shape = (1, 64) if "Conv1d" in name else (1, 8, 8)
    takes_latent_first = "Generator" in name or "Decoder" in name
    arguments = (4, shape) if takes_latent_first else (shape, 4) if "Encoder" in name else (shape,)
    state = torch.get_rng_state()
    a, b, c = (getattr(networks, name)(*arguments, seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert any(not torch.equal(a[key], c[key]) for key in a)


@pytest.mark.parametrize("kind", ["MLP", "Conv"])
def test_spectral_norm_bounds_the_slope(kind):
    """Once the power iteration has settled, each matrix stretches by at most 1 (reshaped kernel for convolutions)."""
    D = getattr(networks, f"{kind}Discriminator")((1, 8, 8), spectral_norm=True)
    for _ in range(50):
        D(torch.rand(2, 1, 8, 8))
    D.eval()
    for module in D.modules():
        if hasattr(module, "parametrizations"):
            assert torch.linalg.matrix_norm(module.weight.flatten(1), 2).item() == pytest.approx(
                1, abs=0.02
            )
    if kind == "MLP":
        x = torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        slope = (D(x)[:100] - D(x)[100:]).abs() / (x[:100] - x[100:]).flatten(1).norm(dim=1)
        assert slope.max().item() <= 2 * 1.05  # the centring 2x - 1 stretches by 2


def test_initialisation_keeps_the_scale():
    D = networks.MLPDiscriminator((64,), hidden=(512, 512, 512))
    x = torch.randn(512, 64, generator=torch.Generator().manual_seed(0))
    assert 0.5 < D.body(x).square().mean().item() < 2.0
    assert all(
        m.bias.abs().max().item() == 0 for m in D.modules() if isinstance(m, torch.nn.Linear)
    )


def test_projection_changes_the_logit_by_the_inner_product():
    D = networks.MLPDiscriminator((2,), classes=3, hidden=(4,))
    x = torch.randn(5, 2)
    y = torch.tensor([0, 1, 2, 0, 1])
    h = D.body(x)
    expected = D.head.linear(h).squeeze(1) + (D.head.embedding.weight[y] * h).sum(1)
    assert torch.allclose(D(x, y), expected)


def test_bad_input():
    D = networks.ConvDiscriminator((1, 28, 28), classes=10)
    x, y = torch.rand(2, 1, 28, 28), torch.tensor([0, 1])
    cases = [
        (
            (torch.rand(2, 3, 28, 28), y),
            r"expected images of shape \(N, 1, 28, 28\), got \(2, 3, 28, 28\)",
        ),
        ((torch.rand(2, 1, 32, 32), y), r"got \(2, 1, 32, 32\)"),
        ((x, None), "conditional on 10 classes, but no labels"),
        ((x, torch.tensor([0, 10])), r"labels must lie in 0 … 9, got 0 … 10"),
        ((x, torch.tensor([0])), "expected 2 labels"),
    ]
    for arguments, message in cases:
        with pytest.raises(ValueError, match=message):
            D(*arguments)
    with pytest.raises(TypeError, match="labels must be integers"):
        D(x, y.float())
    with pytest.raises(ValueError, match="unconditional"):
        networks.MLPGenerator(2, (2,))(torch.rand(2, 2), y)
    with pytest.raises(ValueError, match="latent_dim must be at least 1, got 0"):
        networks.MLPGenerator(0, (2,))
    with pytest.raises(ValueError, match="halvable down to 7"):
        networks.ConvGenerator(4, (1, 29, 29))
    with pytest.raises(ValueError, match="unknown activation 'swish'"):
        networks.MLPGenerator(2, (2,), activation="swish")
    assert halvings((1, 28, 28)) == (2, 7, 7)
