"""The hyperprior codec: the round trip from bytes alone, Shannon's length, and what is refused."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats

from gantut.applications import hyperprior
from gantut.applications.compression import normal_bits, normal_masses
from gantut.applications.hyperprior import DivisiveNorm, HyperpriorCodec, HyperpriorTrainer

pytest.importorskip("constriction")


@pytest.fixture(scope="module")
def codec():
    """An untrained codec whose small code is not all zeros and whose tables differ."""
    made = HyperpriorCodec(widths=(16, 16, 16), latents=8, hyper=4, seed=3)
    with torch.no_grad():
        made.hyper_decoder[-1].weight *= 3
        made.mean += torch.linspace(-1, 1, 4)
        made.log_std += torch.linspace(0, 1, 4)[:, None]
    return made.eval()


def picture(height, width, seed=0):
    g = torch.Generator().manual_seed(seed)
    rough = torch.rand(1, 3, 5, 7, generator=g)
    smooth = F.interpolate(rough, (height, width), mode="bilinear")[0]
    return (smooth + 0.1 * torch.randn(3, height, width, generator=g)).clamp(0, 1)


def by_hand(codec, x, step):
    """Means, deviations, whole numbers and the image, straight from the networks."""
    height, width = x.shape[1:]
    rows = torch.arange(-(-height // 64) * 64).clamp(max=height - 1)
    columns = torch.arange(-(-width // 64) * 64).clamp(max=width - 1)
    at = step / 255 * 3
    low = min(int(at), 2)

    def knot(table):
        row = (low + 1 - at) * table[low] + (at - low) * table[low + 1]
        return row[None, :, None, None]

    with torch.no_grad():
        y = codec.encoder(x[None][:, :, rows][..., columns] - 0.5) * knot(codec.gain).exp()
        z = codec.hyper_encoder(y).round()
        wide = copy.deepcopy(codec.hyper_decoder).double()
        mean, raw = wide(z.double()).chunk(2, 1)
        k = (y - mean.float()).round()
        image = codec.decoder((k + mean.float()) * knot(codec.regain).exp()) + 0.5
    std = 0.11 + F.softplus(raw)
    small = (z.double() - knot(codec.mean.double())), knot(codec.log_std.double()).exp()
    return image[0, :, :height, :width], k, std, small


@pytest.mark.parametrize(
    ("height", "width", "step"), [(64, 64, 255), (70, 90, 130), (129, 65, 0), (1, 1, 77)]
)
def test_the_bytes_alone_give_what_the_networks_give(codec, height, width, step):
    x = picture(height, width)
    code = codec.compress(x, step / 255)
    other = HyperpriorCodec(widths=(16, 16, 16), latents=8, hyper=4, seed=9)
    other.load_state_dict(codec.state_dict())
    found = other.decompress(code)
    wanted = by_hand(codec, x, step)[0]
    assert torch.equal((255 * found).round(), 255 * found)
    assert found.shape == x.shape
    # In float32 a value may round to the next of the 255 steps.
    assert (255 * (found - wanted.clamp(0, 1))).abs().max() < 0.51
    assert torch.equal(found, codec.decompress(code))
    assert codec.compress(x, step / 255) == code


def test_a_code_is_as_long_as_shannon_says(codec):
    def bits(v, s):
        v, s = np.broadcast_arrays(v.detach().numpy(), s.detach().numpy())
        mass = stats.norm.cdf((0.5 - abs(v)) / s) - stats.norm.cdf((-0.5 - abs(v)) / s)
        return np.minimum(-np.log2(mass), 24).sum()  # the coder's longest symbol

    x, table = picture(192, 256), torch.linspace(np.log(0.11), np.log(64), 64).double()
    for step in (20, 240):
        _, k, std, (z, spread) = by_hand(codec, x, step)
        coded = table[(std.log()[..., None] - table).abs().argmin(-1)].exp()
        information = bits(k, coded) + bits(z, spread)
        length = 8 * (len(codec.compress(x, step / 255)) - 5)
        # The coder ends with a whole word.
        assert information - 1 < length < 1.002 * information + 64, step


def test_training_counts_about_the_bits_of_the_file(codec):
    x, dial = picture(256, 256), torch.tensor([0.8])
    counted = [
        codec(x[None], dial, generator=torch.Generator().manual_seed(k)).bits.item()
        for k in range(4)
    ]
    length = 8 * len(codec.compress(x, 0.8))
    assert np.mean(counted) == pytest.approx(length, rel=0.03)


def test_the_dial_turns_the_bits(codec):
    sizes = [len(codec.compress(picture(128, 128), dial)) for dial in (0, 0.25, 0.5, 0.75, 1)]
    assert sizes == sorted(sizes) and sizes[-1] > 1.5 * sizes[0]


def test_another_rounding_of_the_hyper_decoder_reads_the_same(codec):
    """What another processor may do: the last digits of the float64 values differ."""
    code = codec.compress(picture(128, 192), 0.6)
    wanted, other = codec.decompress(code), copy.deepcopy(codec)
    read = type(other)._normal

    def nudged(self, raw):
        g = torch.Generator().manual_seed(0)
        noise = torch.randn(raw.shape, generator=g, dtype=torch.float64)
        return read(self, raw * (1 + 1e-14 * noise) if raw.dtype == torch.float64 else raw)

    other._normal = nudged.__get__(other)
    assert torch.equal(other.decompress(code), wanted)


def test_the_nearest_deviation_of_the_table_is_taken():
    scales, borders = hyperprior._scales(0.0), hyperprior._scales(0.5)[:-1]
    assert scales[0].item() == pytest.approx(0.11) and scales[-1].item() == pytest.approx(64)
    std = torch.linspace(0.12, 63, 999, dtype=torch.float64)
    nearest = (std.log()[:, None] - scales.log()).abs().argmin(1)
    assert torch.equal(torch.bucketize(std, borders), nearest)


def test_numbers_out_of_reach_are_cut():
    made = HyperpriorCodec(widths=(8, 8, 8), latents=4, hyper=4)
    with torch.no_grad():
        made.gain += 12
    x = picture(64, 64)
    assert made.decompress(made.compress(x, 1.0)).shape == x.shape


@pytest.mark.parametrize(
    "damage",
    [
        lambda code: code[:-4],
        lambda code: code[:3],
        lambda code: b"\xff\xff\xff\xff" + code[4:],
        lambda code: b"\0\0" + code[2:],
        lambda code: code[:6],
        lambda code: code[:4] + bytes([code[4] ^ 128]) + code[5:],
    ],
)
def test_damaged_bytes_are_refused(codec, damage):
    code = codec.compress(picture(70, 90), 0.5)
    with pytest.raises(ValueError, match="code"):
        codec.decompress(damage(code))


@pytest.mark.parametrize(
    ("x", "dial", "message"),
    [
        (torch.zeros(1, 3, 8, 8), 0.5, r"photograph \(3, H, W\) .* got \(1, 3, 8, 8\)"),
        (torch.zeros(1, 8, 8), 0.5, r"got \(1, 8, 8\)"),
        (torch.zeros(3, 0, 8), 0.5, r"got \(3, 0, 8\)"),
        (torch.zeros(3, 8, 8), 1.5, "a dial from 0 to 1, got 1.5"),
    ],
)
def test_bad_input(codec, x, dial, message):
    with pytest.raises(ValueError, match=message):
        codec.compress(x, dial)


def test_training_needs_whole_blocks(codec):
    with pytest.raises(ValueError, match=r"multiples of 64, got \(1, 3, 64, 70\)"):
        codec(torch.zeros(1, 3, 64, 70), torch.tensor([0.5]))


def test_divisive_normalisation_by_hand():
    layer, inverse = DivisiveNorm(3), DivisiveNorm(3, inverse=True)
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(3, 3, generator=g))
        layer.bias.copy_(torch.randn(3, generator=g))
    inverse.load_state_dict(layer.state_dict())
    x = torch.randn(2, 3, 4, 5, generator=g)
    size = torch.einsum("ij,njhw->nihw", layer.weight.abs(), x.abs())
    size = size + layer.bias.abs().view(1, 3, 1, 1)
    assert torch.allclose(layer(x), x / size, rtol=0.02, atol=1e-3)
    assert torch.allclose(inverse(x), x * size, rtol=0.02, atol=0.01)


@pytest.mark.parametrize("std", [0.11, 1.0, 7.0])
def test_bits_and_masses_against_scipy(std):
    whole = torch.arange(-3, 4).double()
    mass = stats.norm.cdf((whole + 0.8) / std) - stats.norm.cdf((whole - 0.2) / std)
    far = mass > 1e-12  # scipy's difference has no digits further out
    found = normal_bits(whole + 0.3, torch.tensor(std, dtype=torch.float64)).numpy()
    assert found[far] == pytest.approx(-np.log2(mass[far]), rel=1e-6)
    mean, one = torch.tensor([[-0.3], [std]], dtype=torch.float64)
    row = normal_masses(mean, one, 40)[0].numpy()
    assert row[37:44][far] == pytest.approx(mass[far], rel=1e-9)
    assert row.sum() == pytest.approx(1)


def test_every_weight_learns_and_the_objective_falls():
    made = HyperpriorCodec(widths=(8, 8, 8), latents=8, hyper=4)
    start = copy.deepcopy(made.state_dict())
    x = torch.stack([picture(64, 64, seed) for seed in range(4)])
    history = HyperpriorTrainer(made, device="cpu", lr=3e-3).fit([x], steps=40)
    for name, value in made.named_parameters():
        assert not torch.equal(value, start[name]), name
    assert np.mean(history["psnr"][-5:]) > np.mean(history["psnr"][:5]) + 2


@pytest.mark.parametrize("dial", [0.0, 0.25, 1.0])
def test_a_step_weighs_the_error_by_the_dial(monkeypatch, dial):
    """The gradient of one step is that of bits a pixel + λ · 255² · error, worked out apart."""
    made = HyperpriorCodec(widths=(8, 8, 8), latents=4, hyper=4)
    twin, x = copy.deepcopy(made), picture(64, 64)[None]
    monkeypatch.setattr(torch, "rand", lambda *size, **_: torch.full(_size(size), dial))
    HyperpriorTrainer(made, weights=(0.01, 0.16), device="cpu").fit([x], steps=1)
    out = twin(x, torch.tensor([dial]))
    weight = {0.0: 0.01, 0.25: 0.02, 1.0: 0.16}[dial]
    loss = out.bits / 64**2 + weight * (255 * (out.images - x)).square().mean()
    loss.sum().backward()
    for (name, a), b in zip(made.named_parameters(), twin.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, rtol=1e-3, atol=1e-5 + 1e-4 * b.grad.abs().max()), (
            name
        )


def _size(size):
    return size[0] if size and not isinstance(size[0], int) else size
