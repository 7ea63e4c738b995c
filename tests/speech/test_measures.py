"""Distances in dB, resonances in Hz and pitch in cents, against values known by another way."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from gantut import data
from gantut.speech import (
    cents,
    formants,
    log_spectral_distance,
    log_spectrum,
    pitch,
)
from gantut.speech.measures import _hann, _linear_prediction

RATE = 8000
TIME = torch.arange(512, dtype=torch.float64) / RATE


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("gain", [2.0, 0.1, -3.0])
def test_a_gain_is_a_distance_of_its_decibels(gain):
    x = data.vowels(5).values
    assert log_spectral_distance(x, gain * x) == pytest.approx(
        torch.full((5,), abs(20 * math.log10(abs(gain)))), abs=1e-6
    )
    assert log_spectral_distance(x, 2 * x)[0].item() == pytest.approx(6.0206, abs=1e-4)


def test_the_distance_is_symmetric_and_obeys_the_triangle():
    x, y, z = (noise(4, 256, seed=k) for k in range(3))
    a, b, c = log_spectral_distance(x, y), log_spectral_distance(y, z), log_spectral_distance(x, z)
    assert torch.allclose(a, log_spectral_distance(y, x)) and bool((c <= a + b + 1e-9).all())


def test_the_spectrum_of_a_tone_is_the_windows():
    """cos(2πkt/T) under a Hann window has three lines: T/4 at k and half of that beside it."""
    x = torch.cos(2 * math.pi * 40 * torch.arange(512, dtype=torch.float64) / 512)[None]
    level = log_spectrum(x, floor=60.0)[0]
    peak = 20 * math.log10(512 / 4)
    assert level[40].item() == pytest.approx(peak, abs=1e-6)
    assert level[[39, 41]].tolist() == pytest.approx([peak - 20 * math.log10(2)] * 2, abs=1e-6)
    assert torch.equal(level[50:], torch.full_like(level[50:], level[40].item() - 60))


def test_silence_has_a_distance():
    assert torch.isfinite(log_spectral_distance(torch.zeros(2, 64), torch.ones(2, 64))).all()


def filter_of(resonances, widths):
    poles = []
    for F, B in zip(resonances, widths, strict=True):
        r, angle = math.exp(-math.pi * B / RATE), 2 * math.pi * F / RATE
        poles += [complex(r * math.cos(angle), s * r * math.sin(angle)) for s in (1, -1)]
    polynomial = torch.ones(1, dtype=torch.complex128)
    for pole in poles:
        shifted = torch.cat([polynomial, torch.zeros(1, dtype=torch.complex128)])
        shifted[1:] -= pole * polynomial
        polynomial = shifted
    return polynomial.real


def test_linear_prediction_of_an_impulse_response_is_the_filter():
    a = filter_of((600, 1400, 2600), (60, 90, 120))
    impulse = torch.zeros(3000, dtype=torch.float64)
    impulse[0] = 1.0
    h = torch.from_numpy(lfilter([1.0], a.numpy(), impulse.numpy()))
    assert _linear_prediction(h[None], 6)[0].tolist() == pytest.approx((-a[1:]).tolist(), abs=1e-6)


def test_a_vowel_gives_its_formants_back_within_a_few_hertz():
    """A long, low vowel: 20 Hz apart, the harmonics show the whole filter."""
    resonances = torch.tensor([[*three, 3500.0] for three in data.VOWELS.values()])
    widths = torch.tensor([80.0, 100, 140, 250]).expand(5, -1)
    x = data.synthesise(torch.full((5,), 20.0), resonances, widths, 8000)
    assert (formants(x, RATE) - resonances[:, :3]).abs().max().item() < 7


def test_at_the_pitch_of_a_voice_the_error_is_a_small_share_of_the_pitch():
    sounds = data.vowels(300)
    truth = torch.stack([sounds.factors[f"F{k}"] for k in (1, 2, 3)], 1)
    error = (formants(sounds.values, RATE) - truth).abs()
    assert error.mean().item() < 20
    low = sounds.factors["pitch"] == 0
    assert (
        error[low].mean().item() < 8 and error[~low].mean().item() > 10
    )  # the lower the voice, the closer its harmonics


def test_the_fall_of_the_source_is_made_up_for():
    """A sound that falls by 1 / (1 − 0.9 z⁻¹) has the resonances of the sound before it fell."""
    x = data.vowels(8).values[:, 0].double()
    fallen = torch.from_numpy(lfilter([1.0], [1.0, -0.9], x.numpy()))
    a = _linear_prediction(x[:, 1:] * _hann(511), 10)
    for row, found in zip(a.numpy(), formants(fallen, RATE), strict=True):
        poles = np.roots([1, *-row])
        width = -np.log(np.abs(poles)) * RATE / np.pi
        hertz = np.angle(poles) * RATE / (2 * np.pi)
        kept = np.sort(hertz[(hertz > 90) & (hertz < RATE / 2 - 90) & (width < 500)])[:3]
        assert found[: len(kept)].numpy() == pytest.approx(kept, rel=1e-6)


def test_resonances_that_are_not_there_are_nan():
    x = torch.cos(2 * math.pi * 1000 * TIME)[None]
    found = formants(x, RATE)[0]
    assert (found[~found.isnan()] - 1000).abs().max() < 20
    assert bool(formants(torch.zeros(1, 512), RATE).isnan().all())


@pytest.mark.parametrize("frequency", [80.0, 100.0, 123.4, 220.0, 261.6, 399.0])
def test_a_pure_tone_gives_its_pitch_within_a_cent(frequency):
    phases = torch.linspace(0, 2 * math.pi, 7, dtype=torch.float64)[:, None]
    found = pitch(torch.cos(2 * math.pi * frequency * TIME + phases), RATE)
    limit = 1.0 if frequency >= 100 else 6.0  # 80 Hz has five periods in the frame
    assert cents(found, torch.tensor(frequency)).abs().max().item() < limit


def test_vowels_give_their_pitch_within_a_cent():
    for aligned in (True, False):
        sounds = data.vowels(400, aligned=aligned)
        assert cents(pitch(sounds.values, RATE), sounds.factors["f0"]).abs().max().item() < 1


def test_a_missing_fundamental_is_heard():
    x = sum(torch.cos(2 * math.pi * 150 * k * TIME) for k in (3, 4, 5))[None]
    assert pitch(x, RATE).item() == pytest.approx(150, abs=0.1)


def test_an_added_constant_and_a_gain_change_no_pitch():
    x = data.vowels(20).values.double()
    assert torch.allclose(pitch(x, RATE), pitch(3 * x + 5, RATE), rtol=1e-3)


def test_silence_has_no_pitch():
    assert bool(pitch(torch.zeros(2, 512), RATE).isnan().all())
    assert pitch(torch.zeros(0, 512), RATE).shape == (0,)


def test_cents():
    f = torch.tensor([200.0, 440.0, 440.0 * 2 ** (1 / 12)])
    assert cents(f, torch.tensor([100.0, 440.0, 440.0])).tolist() == pytest.approx(
        [1200, 0, 100], abs=1e-3
    )
    with pytest.raises(ValueError, match="positive frequencies"):
        cents(torch.tensor([0.0]), torch.tensor([1.0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: log_spectrum(torch.zeros(3)),
            r"expected sounds \(N, T\) or \(N, 1, T\) with T ≥ 8, got \(3,\)",
        ),
        (lambda: log_spectrum(torch.zeros(3, 2, 64)), r"got \(3, 2, 64\)"),
        (lambda: log_spectrum(torch.zeros(3, 64), floor=0), "floor must be positive"),
        (lambda: log_spectrum(torch.full((1, 64), math.inf)), "hold 64 NaN or infinite values"),
        (lambda: log_spectral_distance(torch.zeros(1, 64), torch.zeros(2, 64)), "of one shape"),
        (lambda: formants(torch.zeros(1, 11), RATE), "T ≥ 12, got"),
        (lambda: pitch(torch.zeros(1, 512), 0), "expected 0 < low < high ≤ 0 Hz"),
        (lambda: pitch(torch.zeros(1, 300), RATE), "with T ≥ 320, got"),
        (
            lambda: pitch(torch.zeros(1, 512), RATE, low=300, high=200),
            "expected 0 < low < high ≤ 4000 Hz, got 300 and 200",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
