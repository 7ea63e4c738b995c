"""Networks for waves: shapes, ranges, the resizing, labels, bounds, and what is refused."""

import pytest
import torch

from gantut import networks
from gantut.networks.waves import Deinterleave, Interleave, quarterings

SHAPES = [(1, 64), (1, 512), (2, 192), (1, 1024)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("classes", [0, 3])
def test_shapes_and_ranges(shape, classes):
    labels = torch.tensor([0, 2, 1, 0]) if classes else None
    options = {"classes": classes, "width": 4}
    z = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    waves = networks.Conv1dGenerator(6, shape, **options)(z, labels)
    assert (
        waves.shape == (4, *shape) and waves.abs().max().item() <= 1 and waves.std().item() > 1e-2
    )
    D = networks.Conv1dDiscriminator(shape, minibatch_stddev=True, **options)
    assert D(waves, labels).shape == (4,)
    mean, log_variance = networks.Conv1dEncoder(shape, 5, **options)(waves, labels)
    assert mean.shape == log_variance.shape == (4, 5)
    assert networks.Conv1dDecoder(5, shape, **options)(mean, labels).shape == (4, *shape)


def test_quarterings():
    assert [quarterings((1, n)) for n in (4, 16, 64, 192, 512, 1024)] == [
        (1, 1),
        (1, 4),
        (1, 16),
        (2, 12),
        (3, 8),
        (3, 16),
    ]


def test_the_resizing_moves_numbers_and_changes_none():
    x = torch.arange(24.0).view(1, 8, 3)
    longer = Interleave()(x)
    assert longer.shape == (1, 2, 12)
    assert all(
        longer[0, c, 4 * t + k] == x[0, 4 * c + k, t]
        for c in range(2)
        for t in range(3)
        for k in range(4)
    )
    assert torch.equal(Deinterleave()(longer), x)


def test_a_label_changes_the_output_and_nothing_else_does():
    decoder, encoder = (
        networks.Conv1dDecoder(3, (1, 64), classes=2),
        networks.Conv1dEncoder((1, 64), 3, classes=2),
    )
    z, x = torch.zeros(2, 3), torch.ones(2, 1, 64)
    labels = torch.tensor([0, 1])
    assert not torch.allclose(*decoder(z, labels)) and not torch.allclose(*encoder(x, labels)[0])
    assert torch.allclose(*decoder(z, torch.tensor([1, 1]))) and torch.allclose(
        *encoder(x, torch.tensor([1, 1]))[0]
    )


@pytest.mark.parametrize("shape", [(1, 64), (1, 256)])
def test_minibatch_stddev_sees_whether_waves_repeat(shape):
    D = networks.Conv1dDiscriminator(shape, width=4, minibatch_stddev=True)
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    assert not torch.allclose(D(x)[:1], D(x[:1].expand(4, -1, -1))[:1])


def test_each_logit_depends_on_its_wave_alone():
    D = networks.Conv1dDiscriminator((1, 64), width=8)
    x = torch.randn(5, 1, 64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(D(x)[:2], D(x[:2]), atol=1e-5)


def test_spectral_norm_bounds_the_kernels():
    D = networks.Conv1dDiscriminator((1, 256), width=8, spectral_norm=True)
    for _ in range(50):
        D(torch.randn(2, 1, 256))
    D.eval()
    normed = [m for m in D.modules() if hasattr(m, "parametrizations")]
    assert len(normed) == 3
    for module in normed:
        assert torch.linalg.matrix_norm(module.weight.flatten(1), 2).item() == pytest.approx(
            1, abs=0.05
        )


def test_initialisation_keeps_the_scale():
    D = networks.Conv1dDiscriminator((1, 512), width=32)
    x = torch.randn(64, 1, 512, generator=torch.Generator().manual_seed(0))
    assert 0.3 < D.features(x).square().mean().item() < 2.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: networks.Conv1dDecoder(4, (1, 500)),
            "divisible by 4 down to 16 or less .* got 500",
        ),
        (
            lambda: networks.Conv1dDecoder(4, (1, 8, 8)),
            r"a network for waves needs a shape \(C, T\), got \(1, 8, 8\)",
        ),
        (
            lambda: networks.Conv1dEncoder((1, 64), 4, kernel=4),
            "kernel must be odd and at least 1, got 4",
        ),
        (lambda: networks.Conv1dDiscriminator((1, 64), width=0), "width must be at least 1, got 0"),
        (
            lambda: networks.Conv1dEncoder((1, 64), 4)(torch.zeros(2, 64)),
            r"waves of shape \(N, 1, 64\), got \(2, 64\)",
        ),
        (lambda: networks.Conv1dGenerator(0, (1, 64)), "latent_dim must be at least 1, got 0"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
