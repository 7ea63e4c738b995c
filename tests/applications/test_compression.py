"""The entropy coder against Shannon's length, the codec's round trip, and what is refused."""

import sys

import pytest
import torch
from scipy import stats

from gantut import networks
from gantut.applications.compression import Codec, Stack, code_length, decode, encode, normal_masses

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
    with pytest.raises(ValueError, match="damaged, or was written with others"):
        decode(code[:-4], table)
    with pytest.raises(ValueError, match="damaged, or was written with others"):
        decode(code, table.flip(1))
    with pytest.raises(ValueError, match="whole 32-bit words, got 5 bytes"):
        Stack(b"12345")


@pytest.mark.parametrize(
    ("symbols", "table", "error"),
    [
        (torch.zeros(3), torch.ones(2), r"whole symbols \(M,\), got torch.float32"),
        (torch.tensor([0, 2]), torch.ones(2), "symbols must lie in 0 … 1, got 0 … 2"),
        (
            torch.tensor([0, 1]),
            torch.ones(3, 2),
            "a row of probabilities for each of 2 symbols, got 3",
        ),
        (torch.tensor([0, 1]), torch.tensor([1.0, float("nan")]), "finite, not negative"),
        (torch.tensor([0, 1]), torch.zeros(2, 2), "not all zero"),
        (torch.tensor([0]), torch.ones(1), "K ≥ 2, got"),
    ],
)
def test_what_does_not_fit_is_named(symbols, table, error):
    with pytest.raises(ValueError, match=error):
        encode(symbols, table)


def test_a_count_belongs_to_one_row():
    for table, count in ((torch.ones(2), None), (torch.ones(3, 2), 3)):
        with pytest.raises(ValueError, match="a count belongs to one row"):
            Stack().pop(table, count)


def test_masses_of_a_normal():
    mean, std = torch.tensor([0.0, 0.3, -4.0]), torch.tensor([1.0, 0.2, 2.0])
    masses = normal_masses(mean, std, 3)
    assert masses.shape == (3, 7) and (masses.sum(1) - 1).abs().max() < 1e-14
    exact = stats.norm(0.3, 0.2)
    assert masses[1, 3].item() == pytest.approx(exact.cdf(0.5) - exact.cdf(-0.5), rel=1e-6)
    assert masses[2, 0].item() == pytest.approx(
        stats.norm(-4, 2).cdf(-2.5), rel=1e-6
    )  # the tail goes to the end


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


def test_the_bits_of_training_are_the_masses_around_the_noisy_codes():
    one = spread(codec())
    with torch.no_grad():
        output = one(IMAGES, generator=torch.Generator().manual_seed(5))
        u = torch.rand(50, 3, generator=torch.Generator().manual_seed(5)) - 0.5
        y = one.encoder(IMAGES)[0] + u
    mass = stats.norm.cdf(
        (y + 0.5 - one.mean.detach()) / one.log_std.exp().detach()
    ) - stats.norm.cdf((y - 0.5 - one.mean.detach()) / one.log_std.exp().detach())
    near = torch.from_numpy(mass).amin(1) > 1e-6
    assert near.sum() > 20
    assert output.bits[near].tolist() == pytest.approx(
        (-torch.from_numpy(mass).log2().sum(1))[near].tolist(), rel=1e-3
    )


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
    with pytest.raises(ValueError, match="the code does not fit this codec"):
        one.decompress(code[:-4])
    with pytest.raises(ValueError, match="the code does not fit this codec"):
        codec().decompress(code)


def test_networks_that_do_not_fit():
    encoder = networks.MLPEncoder((1, 4, 4), 3)
    with pytest.raises(ValueError, match="disagree on latent_dim: 3 and 2"):
        Codec(encoder, networks.MLPDecoder(2, (1, 4, 4)))
    with pytest.raises(ValueError, match="reach of at least 1, got 0"):
        Codec(encoder, networks.MLPDecoder(3, (1, 4, 4)), reach=0)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(ImportError, match="pip install constriction"):
        Stack()
