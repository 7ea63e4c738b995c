"""The one convolutional stack: levels, folding, and no checkerboard at the start."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gantut import networks
from gantut.networks.initialisation import initialise, output, seeded
from gantut.networks.ladder import IMAGES, WAVES, Fold, RepeatConv2d


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def fastest_wave(x, factor=2):
    """Power at the period of ``factor`` places over that at the two slower waves, all axes alike.

    Chapter 11's measure: below 1 the spectrum is smooth, above it has a peak.
    """
    lines = []
    for axis in range(2, x.ndim):
        line = x.movedim(axis, -1).flatten(0, -2)
        power = torch.fft.rfft(line - line.mean(-1, keepdim=True)).abs().square().mean(0)
        k = line.shape[-1] // factor
        lines.append((power[k] / power[k - 2 : k].mean()).item())
    return sum(lines) / len(lines)


class Shuffled(nn.Module):
    """What the ladder must not be: each level ends in PixelShuffle, with weights as drawn."""

    def __init__(self, seed):
        super().__init__()
        with seeded(seed):
            self.layers = nn.Sequential(
                *(nn.Linear(8, 512), nn.Unflatten(1, (32, 4, 4)), nn.LeakyReLU(0.2)),
                *(nn.Conv2d(32, 64, 3, padding=1), nn.PixelShuffle(2), nn.LeakyReLU(0.2)),
                *(output(nn.Conv2d(16, 4, 3, padding=1)), nn.PixelShuffle(2)),
            )
            initialise(self)

    def forward(self, z):
        return self.layers(z)


MAKERS = {
    "ConvDecoder": lambda seed: networks.ConvDecoder(8, (1, 16, 16), width=16, seed=seed),
    "ConvGenerator": lambda seed: networks.ConvGenerator(8, (1, 16, 16), width=16, seed=seed),
    "GridDecoder": lambda seed: networks.GridDecoder(8, (1, 16, 16), width=16, seed=seed),
    "ResidualGenerator": lambda seed: networks.ResidualGenerator(8, (1, 16, 16), seed=seed),
}


def start(make, seed):
    network = make(seed)
    z = noise(64, *getattr(network, "grid", (8,)), seed=seed)
    with torch.no_grad():
        return fastest_wave(network(z))


@pytest.mark.parametrize("name", MAKERS)
def test_no_network_begins_with_a_checkerboard(name):
    """No more power at the fastest wave than repeating and convolving by hand makes, roughly."""

    def by_hand(seed):
        with seeded(seed):
            return nn.Sequential(
                *(nn.Linear(8, 512), nn.Unflatten(1, (32, 4, 4)), nn.LeakyReLU(0.2)),
                *(nn.Upsample(scale_factor=2), nn.Conv2d(32, 16, 3, padding=1), nn.LeakyReLU(0.2)),
                *(nn.Upsample(scale_factor=2), nn.Conv2d(16, 1, 3, padding=1)),
            )

    found = [start(MAKERS[name], seed) for seed in range(5)]
    assert max(found) < 1
    assert sum(found) < 2.5 * sum(start(by_hand, seed) for seed in range(5))
    assert sum(start(Shuffled, seed) for seed in range(5)) > 5 * sum(found)


def test_repeating_and_convolving_at_once_is_the_same():
    """Values and all gradients; with a kernel that is not turned round they would differ by 1."""
    layer, x = RepeatConv2d(3, 5).double(), noise(2, 3, 4, 6).double().requires_grad_()
    weights = (x, layer.weight, layer.bias)

    def by_hand(weight):
        return F.conv2d(nn.Upsample(scale_factor=2)(x), weight, layer.bias, padding=1)

    pull = noise(2, 5, 8, 12).double()
    for a, b in zip(
        torch.autograd.grad((layer(x).sin() * pull).sum(), weights),
        torch.autograd.grad((by_hand(layer.weight).sin() * pull).sum(), weights),
        strict=True,
    ):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(layer(x), by_hand(layer.weight))
    assert (layer(x) - by_hand(layer.weight.flip(2, 3))).abs().max() > 0.5


def test_waves_begin_without_a_buzz():
    """At four samples, where the level below ends, and at two; a mean over five seeds."""
    waves = []
    for seed in range(5):
        with torch.no_grad():
            G = networks.Conv1dGenerator(8, (1, 256), width=16, seed=seed)
            waves.append(G(noise(64, 8, seed=seed)))
    for factor in (4, 2):
        assert sum(fastest_wave(x, factor) for x in waves) / 5 < 1


def test_no_checkerboard_after_some_training_either():
    """Sixty steps towards smooth pictures."""
    x, y = torch.meshgrid(torch.linspace(-1, 1, 16), torch.linspace(-1, 1, 16), indexing="ij")
    centres = noise(10, 2, 1, 1, seed=1) / 3
    targets = (-8 * ((x - centres[:, :1]) ** 2 + (y - centres[:, 1:]) ** 2)).exp()
    decoder = networks.ConvDecoder(10, (1, 16, 16), width=16)
    optimizer = torch.optim.Adam(decoder.parameters(), 3e-3)
    for _ in range(60):
        loss = (decoder(torch.eye(10)) - targets).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1 * targets.var() and fastest_wave(decoder(torch.eye(10)).detach()) < 0.5


def test_levels():
    assert IMAGES.levels((3, 64, 32)) == [(32, 16), (16, 8), (8, 4), (4, 2)]
    assert IMAGES.levels((1, 2, 2)) == [(1, 1)] and IMAGES.levels((1, 8, 8)) == [(4, 4)]
    lowest = [
        (n, len(WAVES.levels((1, n))), WAVES.levels((1, n))[-1]) for n in (16, 192, 512, 1024)
    ]
    assert lowest == [(16, 1, (4,)), (192, 2, (12,)), (512, 3, (8,)), (1024, 3, (16,))]


def test_folding_moves_numbers_and_changes_none():
    x = torch.arange(24.0).view(1, 2, 12)
    folded = Fold(4)(x)
    assert folded.shape == (1, 8, 3)
    for c, t, k in torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(4)):
        assert folded[0, 4 * c + k, t] == x[0, c, 4 * t + k]


@torch.no_grad()
@pytest.mark.parametrize("shape", [(1, 64), (2, 192), (1, 512)])
def test_shapes_and_ranges_of_waves(shape):
    waves = networks.Conv1dGenerator(6, shape, width=4)(noise(4, 6))
    assert waves.shape == (4, *shape) and waves.min() < 0 and waves.abs().max() <= 1
    assert networks.Conv1dDiscriminator(shape, width=4)(waves).shape == (4,)
    mean, log_variance = networks.Conv1dEncoder(shape, 5, width=4)(waves)
    assert mean.shape == log_variance.shape == (4, 5)
    assert networks.Conv1dDecoder(5, shape, width=4)(mean).shape == (4, *shape)


@torch.no_grad()
def test_a_grid_keeps_the_place():
    """A vector answers for its part of the image: far pixels do not change it."""
    encoder, x = networks.GridEncoder((1, 56, 56), 3, width=4), noise(1, 1, 56, 56).sigmoid()
    changed = x.clone()
    changed[..., 40:, 40:] = 0
    difference = (encoder(x) - encoder(changed)).abs().amax(1)[0]
    assert encoder.grid == (3, 7, 7) and not difference[:3, :3].any() and difference[-1, -1] > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: networks.ConvGenerator(4, (1, 29, 29)),
            "divisible by 2 until none is above 7, got 29×29",
        ),
        (
            lambda: networks.Conv1dDecoder(4, (1, 500)),
            "divisible by 4 until none is above 16, got 500",
        ),
        (
            lambda: networks.Conv1dDecoder(4, (1, 8, 8)),
            r"waves needs a shape \(C, T\), got \(1, 8, 8\)",
        ),
        (lambda: networks.ConvEncoder((64,), 4), r"images needs a shape \(C, H, W\), got \(64,\)"),
        (lambda: networks.ConvDiscriminator((1, 8, 8), width=0), "width must be at least 1, got 0"),
        (lambda: networks.GridEncoder((1, 8, 8), 0), "must be at least 1, got 0"),
        (
            lambda: networks.GridDecoder(4, (1, 8, 8))(torch.zeros(2, 4, 2, 2)),
            r"codes z of shape \(N, 4, 4, 4\), got \(2, 4, 2, 2\)",
        ),
        (
            lambda: networks.Conv1dEncoder((1, 64), 4)(torch.zeros(2, 64)),
            r"examples of shape \(N, 1, 64\), got \(2, 64\)",
        ),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
