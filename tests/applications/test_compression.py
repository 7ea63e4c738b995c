"""The entropy coder against Shannon's length, the codec's round trip, and what is refused."""

import sys

import pytest
import torch
from scipy import stats

from gantut import networks
from gantut.applications.compression import Codec, Stack, code_length, decode, encode

pytest.importorskip("constriction")


def message(m, k, seed=0, sharpness=1.0):
    g = torch.Generator().manual_seed(seed)
    table = (sharpness * torch.randn(m, k, generator=g, dtype=torch.float64)).softmax(1)
    return torch.multinomial(table, 1, generator=g).squeeze(1), table


def test_the_length_of_a_symbol():
    table = torch.tensor([[0.5, 0.25, 0.25], [8.0, 1.0, 7.0]])  # rows are divided by their sums
    assert code_length(torch.tensor([1, 1]), table).tolist() == [2.0, 4.0]
    assert code_length(torch.tensor([0, 2, 1]), table[0]).tolist() == [1.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("m", "k", "sharpness"), [(1, 2, 1.0), (300, 2, 4.0), (2000, 17, 1.0), (2000, 256, 3.0)]
)
def test_symbols_come_back_and_cost_their_information(m, k, sharpness):
    symbols, table = message(m, k, seed=k, sharpness=sharpness)
    code = encode(symbols, table)
    assert torch.equal(decode(code, table), symbols)
    assert (
        abs(8 * len(code) - code_length(symbols, table).sum().item()) <= 0.01 * 8 * len(code) + 64
    )


def test_one_row_serves_all_symbols():
    symbols, _ = message(500, 7)
    row = torch.arange(1.0, 8.0)
    code = encode(symbols, row)
    assert torch.equal(decode(code, row, 500), symbols)
    assert torch.equal(decode(encode(symbols, row.expand(500, -1)), row.expand(500, -1)), symbols)


def test_the_stack_gives_back_the_last_first_and_ends_empty():
    first, p = message(20, 3, seed=1)
    second, q = message(30, 5, seed=2)
    stack = Stack()
    stack.push(first, p)
    between = stack.bits
    stack.push(second, q)
    assert torch.equal(stack.pop(q), second) and stack.bits == between
    assert torch.equal(stack.pop(p), first) and stack.bits == 0 and stack.content == b""


def test_random_bits_become_a_draw_and_the_draw_gives_the_bits_back():
    g = torch.Generator().manual_seed(0)
    bits = bytes(torch.randint(1, 256, (4000,), generator=g).tolist())
    stack, p = Stack(bits), torch.tensor([0.7, 0.2, 0.1])
    drawn = stack.pop(p, 5000)
    shares = torch.bincount(drawn, minlength=3) / 5000
    assert (shares - p).abs().max() < 0.03  # four standard errors
    stack.push(drawn, p)
    assert stack.content == bits


def test_an_impossible_symbol_still_goes_through():
    symbols, row = torch.tensor([2, 0, 2]), torch.tensor([1.0, 1.0, 0.0])
    assert torch.equal(decode(encode(symbols, row), row, 3), symbols)
    assert code_length(symbols, row).tolist() == [float("inf"), 1.0, float("inf")]


def test_a_code_that_does_not_fit_is_refused():
    symbols, table = message(400, 6)
    code = encode(symbols, table)
    with pytest.raises(ValueError, match="damaged, or was written with other probabilities"):
        decode(code[:-4], table)
    with pytest.raises(ValueError, match="damaged, or was written with other probabilities"):
        decode(code, table.flip(1))
    with pytest.raises(ValueError, match="whole 32-bit words, got 5 bytes"):
        Stack(b"12345")


@pytest.mark.parametrize(
    ("symbols", "table", "error"),
    [
        (torch.zeros(3), torch.ones(2), "symbols must be integers, in a tensor, got torch.float32"),
        (torch.tensor([0, 2]), torch.ones(2), "symbols must lie in 0 … 1, got 0 … 2"),
        (
            torch.tensor([0, 1]),
            torch.ones(3, 2),
            "probabilities for each of 2 symbols, got 3 rows",
        ),
        (torch.tensor([0, 1]), torch.tensor([1.0, float("nan")]), "finite, not negative"),
        (torch.tensor([0, 1]), torch.zeros(2, 2), "not all zero"),
        (torch.tensor([0]), torch.ones(1), "K ≥ 2, got"),
    ],
)
def test_what_does_not_fit_is_named(symbols, table, error):
    with pytest.raises((ValueError, TypeError), match=error):
        encode(symbols, table)


def test_a_count_belongs_to_one_row():
    for table, count in ((torch.ones(2), None), (torch.ones(3, 2), 3)):
        with pytest.raises(ValueError, match="a count belongs to one row"):
            Stack().pop(table, count)


def codec(seed=0, **options):
    encoder = networks.MLPEncoder((1, 4, 4), 3, hidden=(16,), seed=seed)
    return Codec(encoder, networks.MLPDecoder(3, (1, 4, 4), hidden=(16,), seed=seed + 1), **options)


def spread(one):
    """Codes that use many numbers."""
    with torch.no_grad():
        one.encoder.head.weight.normal_(0, 5, generator=torch.Generator().manual_seed(0))
        one.log_std.fill_(1.5)
        one.mean.copy_(torch.tensor([0.0, 1.3, -2.0]))
    return one


IMAGES = torch.rand(50, 1, 4, 4, generator=torch.Generator().manual_seed(3))


def test_what_is_decompressed_is_what_the_decoder_draws_from_the_rounded_codes():
    one = spread(codec())
    code = one.compress(IMAGES)
    quantised = one.quantise(IMAGES)
    assert quantised.unique().numel() > 10
    with torch.no_grad():
        assert torch.equal(one.decompress(code), one.draw(quantised.float()))
    numbers, prior = quantised + one.reach, one.prior()
    information = sum(code_length(numbers[:, j], prior[j]).sum() for j in range(3))
    assert 8 * (len(code) - 4) == pytest.approx(information.item(), abs=64)


def test_codes_beyond_the_reach_are_clamped():
    one = spread(codec(reach=2))
    assert (
        one.quantise(IMAGES).abs().max() == 2
        and one.decompress(one.compress(IMAGES)).shape == IMAGES.shape
    )


def test_the_prior_is_the_mass_of_a_normal():
    one = codec(reach=3)
    with torch.no_grad():
        one.mean.copy_(torch.tensor([0.0, 0.3, -4.0]))
        one.log_std.copy_(torch.tensor([1.0, 0.2, 2.0]).log())
    masses = one.prior()
    assert masses.shape == (3, 7)
    assert (masses.sum(1) - 1).abs().max() < 1e-14
    exact = stats.norm(0.3, 0.2)
    assert masses[1, 3].item() == pytest.approx(exact.cdf(0.5) - exact.cdf(-0.5), rel=1e-6)
    tail = stats.norm(-4, 2).cdf(-2.5)  # it goes to the end
    assert masses[2, 0].item() == pytest.approx(tail, rel=1e-6)


class Means(torch.nn.Module):
    """An encoder and a decoder in one: a code is the image itself."""

    def forward(self, x):
        return x, torch.zeros_like(x)


class Logits(torch.nn.Module):
    def forward(self, y):
        return y


@pytest.mark.parametrize("std", [0.01, 0.05, 0.3, 1.0, 4.5, 100.0])
def test_the_rate_is_the_mass_around_the_noisy_code(std):
    """For wide and narrow priors, near codes and far ones; slopes included. 60 digits decide."""
    mp = pytest.importorskip("mpmath").mp.clone()
    mp.dps = 60
    codes = torch.tensor([0.3, 0.0, 0.8, -1.7, 6.0, -40.0])
    one = Codec(Means(), Logits(), latent_dim=6)
    with torch.no_grad():
        one.mean.fill_(0.3)
        one.log_std.fill_(std).log_()
    bits = one(codes[None], generator=torch.Generator().manual_seed(5)).bits
    bits.sum().backward()
    noise = torch.rand(1, 6, generator=torch.Generator().manual_seed(5)) - 0.5
    y, m, s = codes + noise[0], mp.mpf(0.3), mp.mpf(std)

    def mass(v, m, s):  # both edges in the upper tail, where erfc keeps its digits
        away, root = abs(v - m), s * mp.sqrt(2)
        return (mp.erfc((away - 0.5) / root) - mp.erfc((away + 0.5) / root)) / 2

    def rate(m, s):
        return sum(-mp.log(mass(v, m, s), 2) for v in y.tolist())

    found = bits.item(), one.mean.grad.sum().item(), one.log_std.grad.sum().item()
    step = mp.mpf(10) ** -9
    slopes = (
        (rate(m + step, s) - rate(m - step, s)) / (2 * step),
        (rate(m, s + step * s) - rate(m, s - step * s)) / (2 * step),
    )
    expected = [float(v) for v in (rate(m, s), *slopes)]
    assert found == pytest.approx(expected, rel=2e-4, abs=1e-4)


def test_a_narrow_prior_costs_nothing_at_its_mean():
    """Prior of deviation 0.02 around the code: the unit interval holds nearly all of the mass."""
    one = Codec(Means(), Logits(), latent_dim=500)
    with torch.no_grad():
        one.log_std.fill_(0.02).log_()
    bits = one(torch.zeros(1, 500), generator=torch.Generator().manual_seed(0)).bits.item() / 500
    assert bits == pytest.approx(0.028, abs=0.02)


def test_far_codes_have_finite_slopes():
    one = codec()
    with torch.no_grad():
        one.encoder.head.bias.fill_(1000.0)
    one(IMAGES).bits.sum().backward()
    assert torch.isfinite(one.mean.grad).all() and (one.mean.grad < 0).all()  # towards the codes


def test_damaged_codes_are_refused():
    one = spread(codec())
    code = one.compress(IMAGES)
    with pytest.raises(ValueError, match="hold no -1 images"):
        one.decompress(b"\1")
    with pytest.raises(ValueError, match="hold no 4294967295 images"):
        one.decompress(b"\xff" * 4 + code[4:])
    with pytest.raises(ValueError, match="the code is damaged, or another codec wrote it"):
        one.decompress(code[:-4])
    with pytest.raises(ValueError, match="the code is damaged, or another codec wrote it"):
        codec().decompress(code)


def test_plain_networks_and_evaluation_mode():
    """Batch norm and dropout: what comes back is what the decoder draws in evaluation mode."""
    nn = torch.nn
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Linear(8, 6))
    decoder = nn.Sequential(
        nn.Linear(3, 8),
        nn.BatchNorm1d(8),
        nn.Dropout(),
        nn.Linear(8, 16),
        nn.Unflatten(1, (1, 4, 4)),
    )

    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = encoder

        def forward(self, x):
            return (4 * self.body(x)).chunk(2, 1)

    one = Codec(Halves(), decoder, latent_dim=3)
    one(IMAGES).bits.mean().backward()
    assert torch.equal(one.decompress(one.compress(IMAGES)), one.decompress(one.compress(IMAGES)))
    single = torch.cat([one.decompress(one.compress(x[None])) for x in IMAGES[:5]])
    assert torch.allclose(single, one.decompress(one.compress(IMAGES))[:5], atol=1e-6)
    assert one.training
    assert decoder[2].training


def test_networks_that_do_not_fit():
    encoder = networks.MLPEncoder((1, 4, 4), 3)
    with pytest.raises(ValueError, match="disagree on latent_dim: 3 and 2"):
        Codec(encoder, networks.MLPDecoder(2, (1, 4, 4)))
    with pytest.raises(ValueError, match="disagree on shape"):
        Codec(encoder, networks.MLPDecoder(3, (1, 4, 5)))
    with pytest.raises(ValueError, match="neither network says its latent_dim"):
        Codec(Means(), Logits())


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(ImportError, match="pip install constriction"):
        Stack()
