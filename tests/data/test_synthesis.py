"""The vowels against a simulation, their factors, their seeds, emphasis, and what is refused."""

import math

import pytest
import torch
from scipy.signal import lfilter

from gantut import data
from gantut.data import PITCHES, response

RATE = 8000
# What the data set promises, in Hz, written down a second time: the published formants, and the
# settings of our own that stand in chapter 14.
FORMANTS = [(270, 2290, 3010), (530, 1840, 2480), (730, 1090, 2440), (570, 840, 2410)]
FORMANTS += [(300, 870, 2240)]
FOURTH, BANDWIDTHS, CORNER = 3500.0, (80.0, 100.0, 140.0, 250.0), 100.0


def simulated(period, formants, bandwidths, length):
    """Pulses through the filters one after the other, in time, until the sound is steady."""
    pulses = torch.zeros(60 * period + length, dtype=torch.float64)
    pulses[::period] = 1.0
    g = math.exp(-2 * math.pi * CORNER / RATE)
    y = lfilter([1.0], [1.0, -g], pulses.numpy())
    for F, B in zip(formants, bandwidths, strict=True):
        r, angle = math.exp(-math.pi * B / RATE), 2 * math.pi * F / RATE
        y = lfilter([1.0], [1.0, -2 * r * math.cos(angle), r * r], y)
    steady = torch.from_numpy(y[60 * period :])
    return steady - steady[:period].mean()  # the pulses' mean is no harmonic


@pytest.mark.parametrize("period", [73, 41])  # odd, so that no harmonic lies at half the rate
def test_the_frames_are_the_steady_state_of_the_filters(period):
    """Measured on the data: another formant, bandwidth or corner is another sound."""
    sounds = data.vowels(60, pitches=(RATE / period,), detune=0, shift=0)
    assert sounds.labels.unique().tolist() == [0, 1, 2, 3, 4]
    for vowel, three in enumerate(FORMANTS):
        expected = simulated(period, [*three, FOURTH], BANDWIDTHS, 512)
        expected = 0.9 * expected / expected.abs().max()
        found = sounds.values[sounds.labels == vowel, 0].double()
        assert (found - expected).abs().max().item() < 1e-6
        # The test can fail: doubled bandwidths are far away.
        wrong = simulated(period, [*three, FOURTH], [2 * width for width in BANDWIDTHS], 512)
        assert (found - 0.9 * wrong / wrong.abs().max()).abs().max().item() > 0.05


@pytest.mark.parametrize("period", [73, 41])
@pytest.mark.parametrize("vowel", [0, 2])
def test_the_sum_of_harmonics_is_exact(vowel, period):
    formants = [*FORMANTS[vowel], FOURTH]
    expected = simulated(period, formants, BANDWIDTHS, 512)
    f0 = torch.tensor([RATE / period], dtype=torch.float64)
    ours = data.synthesise(f0, torch.tensor([formants]), torch.tensor([BANDWIDTHS]), 512)[0]
    assert (ours - 0.9 * expected / expected.abs().max()).abs().max().item() < 1e-10


def test_a_start_in_periods_moves_the_sound():
    f0 = torch.tensor([RATE / 80.0] * 2)
    formants = torch.tensor([[500.0, 1500.0]]).repeat(2, 1)
    x = data.synthesise(
        f0, formants, torch.full((2, 2), 90.0), 320, start=torch.tensor([0.0, 0.25])
    )
    assert torch.allclose(x[0, 20:], x[1, :-20], atol=1e-9)  # a quarter of 80 samples
    assert torch.allclose(x[0, :-80], x[0, 80:], atol=1e-9)


def test_the_frames_and_their_factors():
    sounds = data.vowels(200)
    assert sounds.shape == (1, 512) and len(sounds) == 200 and sounds.classes == 20
    assert sounds.values.dtype == torch.float32
    assert torch.allclose(sounds.values.abs().amax(2), torch.tensor(0.9), atol=1e-6)
    names = sounds.class_names
    assert names[:2] == ("i 110 Hz", "i 147 Hz") and names[-1] == "u 261 Hz"
    known = sounds.factors
    assert torch.equal(sounds.labels, (4 * known["vowel"] + known["pitch"]).long())
    assert set(sounds.labels.tolist()) == set(range(20))
    off = 1200 * (known["f0"] / torch.tensor(PITCHES)[known["pitch"].long()]).log2()
    assert 45 < off.abs().max().item() < 50.01 and abs(off.mean().item()) < 8
    average = torch.tensor(FORMANTS, dtype=torch.float32)[known["vowel"].long()]
    for k in range(3):
        share = known[f"F{k + 1}"] / average[:, k] - 1
        assert 0.045 < share.abs().max().item() < 0.0501
    assert known["start"].abs().max().item() == 0


def test_unaligned_frames_begin_anywhere_and_are_otherwise_the_same():
    aligned, others = data.vowels(100), data.vowels(100, aligned=False)
    assert torch.equal(aligned.labels, others.labels) and torch.equal(
        aligned.factors["f0"], others.factors["f0"]
    )
    start = others.factors["start"]
    assert start.min().item() < 0.1 and start.max().item() > 0.9
    assert (aligned.values - others.values).abs().amax().item() > 0.5


def test_seeds_and_splits():
    first = data.vowels(20, seed=3)
    assert torch.equal(first.values, data.load("vowels", n=20, seed=3).values)
    assert not torch.equal(first.values, data.vowels(20, seed=4).values)
    assert not torch.equal(first.values, data.vowels(20, seed=3, split="test").values)


def test_the_filter_has_its_gain_at_zero_and_its_peaks_at_the_formants():
    formants = torch.tensor([[500.0, 1500.0, 2500.0]], dtype=torch.float64)
    narrow = torch.full((1, 3), 20.0, dtype=torch.float64)
    frequency = torch.arange(1.0, 3999, dtype=torch.float64)[None]
    size = response(frequency, formants, narrow).abs()[0]
    peaks = frequency[0, 1:-1][(size[1:-1] > size[:-2]) & (size[1:-1] > size[2:])]
    for F in (500, 1500, 2500):
        assert (peaks - F).abs().min().item() <= 1
    # One resonator alone, the source and the lips divided out, has gain 1 at frequency 0.
    plain, none = (
        response(frequency[:, :1], formants[:, :1], narrow[:, :1]),
        response(frequency[:, :1], formants[:, :0], narrow[:, :0]),
    )
    assert (plain / none).abs().item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n must be at least 1, got 0"),
        ({"length": 1}, "length must be at least 2, got 1"),
        ({"pitches": (-110.0,)}, r"expected f0 in \(0, 4000\) Hz, got -11"),
        ({"shift": 5.0}, r"expected formants in \(0, 4000\) Hz"),
        ({"split": "all"}, "unknown split 'all'; known: train, test"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        data.vowels(**{"n": 4, **options})


def test_bad_physics():
    one = torch.ones(1, 1)
    with pytest.raises(ValueError, match=r"expected f0 in \(0, 4000\) Hz, got 0"):
        data.synthesise(torch.zeros(1), 500 * one, 50 * one, 64)
    with pytest.raises(
        ValueError, match=r"formants in \(0, 4000\) Hz and bandwidths > 0, got 4500"
    ):
        data.synthesise(100 * torch.ones(1), 4500 * one, 50 * one, 64)
    with pytest.raises(ValueError, match="got 500 … 500 and 0"):
        data.synthesise(100 * torch.ones(1), 500 * one, 0 * one, 64)


def test_emphasis_and_its_inverse():
    x = torch.tensor([[[1.0, 2.0, 4.0]]])
    assert data.emphasise(x, 0.5).tolist() == [[[1.0, 1.5, 3.0]]]
    noise = torch.randn(3, 1, 300, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for amount in (0.0, 0.9):
        back = data.deemphasise(data.emphasise(noise, amount), amount)
        assert torch.allclose(back, noise, atol=1e-9)
    with pytest.raises(ValueError, match=r"the amount of emphasis must lie in \[0, 1\), got 1.0"):
        data.deemphasise(x, 1.0)
