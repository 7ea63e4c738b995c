"""Spectrograms: exact inverses, a tone in its band, and a search for the phase that only falls."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import get_window

from gantut import speech
from gantut.speech.spectrogram import _filters

SIZES = [(320, 80), (256, 64), (300, 100)]


def noise(*shape, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=g, dtype=torch.float64)


@pytest.mark.parametrize(("window", "hop"), SIZES)
def test_a_column_is_the_transform_of_its_frame(window, hop):
    x = noise(2, 10 * hop)
    found = speech.stft(x, window, hop)
    size = 2 ** math.ceil(math.log2(window))
    assert found.shape == (2, size // 2 + 1, 10)
    pad = (window - hop) // 2
    padded = np.pad(x[1].numpy(), pad)
    for frame in (0, 4, 9):
        cut = padded[frame * hop : frame * hop + window] * get_window("hann", window)
        np.testing.assert_allclose(found[1, :, frame].numpy(), np.fft.rfft(cut, size), atol=1e-10)


@pytest.mark.parametrize(("window", "hop"), SIZES)
def test_the_inverse_is_exact_with_the_true_phase(window, hop):
    x = noise(3, 1, 8 * hop)
    back = speech.istft(speech.stft(x, window, hop), window, hop)
    torch.testing.assert_close(back, x, atol=1e-12, rtol=0)


def two_sided(spectra):
    """Real and imaginary parts whose squares sum as over all K frequencies, both signs."""
    weight = torch.full((spectra.shape[1], 1), math.sqrt(2.0), dtype=torch.float64)
    weight[0] = weight[-1] = 1
    return torch.view_as_real(spectra * weight).flatten(1)


def test_the_inverse_is_the_least_squares_solution():
    """Against NumPy's solver and the transform's own matrix, built column by column."""
    window, hop, length = 16, 4, 24
    basis = torch.eye(length, dtype=torch.float64)
    matrix = two_sided(speech.stft(basis, window, hop)).T.numpy()
    shape = speech.stft(basis[:1], window, hop).shape
    wild = torch.complex(noise(*shape), noise(*shape, seed=1))
    wild[:, [0, -1]] = wild[:, [0, -1]].real.to(wild.dtype)  # as every real sound has it
    wanted, *_ = np.linalg.lstsq(matrix, two_sided(wild)[0].numpy(), rcond=None)
    found = speech.istft(wild, window, hop)
    np.testing.assert_allclose(found[0, 0].numpy(), wanted, atol=1e-10)


def distance(x, wanted, window, hop):
    off = speech.stft(x, window, hop).abs() - wanted
    return two_sided(off.to(torch.complex128)).norm(dim=1)


@pytest.mark.parametrize("possible", [True, False])
def test_the_search_for_the_phase_never_moves_away(possible):
    window, hop = 64, 16
    x = noise(2, 20 * hop)
    wanted = speech.stft(x, window, hop).abs() if possible else noise(2, 33, 20).abs()
    options = {"momentum": 0.0, "seed": 5}
    way = [
        distance(speech.griffin_lim(wanted, window, hop, steps=k, **options), wanted, window, hop)
        for k in range(1, 30)
    ]
    falls = torch.stack(way).diff(dim=0)
    assert falls.max() <= 1e-9 and (way[-1] < 0.85 * way[0]).all()


def test_momentum_comes_nearer_in_as_many_steps():
    x = torch.sin(noise(4, 5120).cumsum(1) / 20 + torch.arange(5120) / 3) + noise(4, 5120) / 10
    wanted = speech.stft(x, 320, 80).abs()
    plain, fast = (
        distance(speech.griffin_lim(wanted, 320, 80, momentum=m), wanted, 320, 80)
        for m in (0, 0.99)
    )
    assert (fast < 0.8 * plain).all()


def test_the_search_is_a_function_of_its_seed():
    wanted = noise(1, 33, 10).abs()
    a, b, c = (speech.griffin_lim(wanted, 64, 16, steps=3, seed=s) for s in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)


@pytest.mark.parametrize("rate", [8000, 16_000])
@pytest.mark.parametrize("frequency", [200.0, 440.0, 1000.0, 3000.0])
def test_a_tone_lands_in_its_band(rate, frequency):
    front = speech.LogMel(rate)
    time = torch.arange(64 * front.hop) / rate
    image = front(torch.sin(2 * math.pi * frequency * time)[None])[0, 0]
    top = 2595 * math.log10(1 + rate / 2 / 700)
    band = 65 * 2595 * math.log10(1 + frequency / 700) / top - 1
    rows = image[:, 4:-4].argmax(0)
    assert (rows - band).abs().max() < 1.01
    assert 0.8 < image.max() <= 1


def test_one_step_of_grey_is_floor_in_decibels():
    front = speech.LogMel(8000, floor=-50.0)
    x = 0.3 * noise(1, 1, 640).float()
    loud, soft = front(x), front(x / 10)
    inside = (soft > 0) & (loud < 1)
    torch.testing.assert_close((loud - soft)[inside], torch.full((int(inside.sum()),), 20 / 50.0))
    assert inside.float().mean() > 0.5
    assert front(torch.zeros(1, 640)).abs().max() == 0


def test_bands_see_all_frequencies_evenly():
    for rate in (8000, 16_000):
        weights = _filters(rate, 64)
        torch.testing.assert_close(weights.sum(1), torch.ones(64, dtype=torch.float64))
        assert (weights.argmax(1).diff() > 0).all()
        assert (weights[:, 2:-2].sum(0) > 0).all()


def test_magnitudes_fit_the_image_they_came_from():
    """A smooth spectrum goes to bands and back; and bands → magnitudes → bands is nothing new."""
    front = speech.LogMel(8000)
    x = noise(2, 1, 64 * 80, seed=2).float() * 0.1
    image = front(x)
    bins = torch.arange(257) / 256
    smooth = (2 + torch.cos(3 * bins))[None, :, None].expand(1, 257, 4)
    grey = 1 + 20 * (_filters(8000, 64).float() @ smooth * 4 / 320).log10() / 80
    back = front.magnitudes(grey[:, None])
    inner = slice(4, -6)
    off = (back[:, inner] / smooth[:, inner] - 1).abs()
    assert off.mean() < 0.05 and off.max() < 0.3  # it sags between the wide bands at the top
    level = _filters(8000, 64).float() @ front.magnitudes(image) * 4 / 320
    again = 1 + 20 * level.log10() / 80
    assert (again - image[:, 0]).abs().mean() < 0.01


def test_a_sound_comes_back_near_enough_to_be_the_same_image():
    front = speech.LogMel(8000)
    time = torch.arange(5120) / 8000
    x = sum(torch.sin(2 * math.pi * 150 * k * time) / k for k in range(1, 20))[None, None] * 0.3
    again = front(front.sounds(front(x)))
    assert (again - front(x)).abs().mean() < 0.03
    assert front.sounds(torch.zeros(1, 1, 64, 4)).abs().max() == 0


def test_the_distance_of_words():
    x = noise(3, 1, 640)
    assert speech.spectrogram_distance(x, x).abs().max() == 0
    torch.testing.assert_close(
        speech.spectrogram_distance(x, x / 2, floor=300),
        torch.full((3,), 20 * math.log10(2), dtype=torch.float64),
    )
    # Half silence, half of it 20 dB down; the floor hides a whisper in the pause.
    pause = torch.cat([x, torch.zeros(3, 1, 640)], 2)
    hiss = torch.cat([torch.zeros(3, 1, 640), 1e-5 * x], 2)
    assert speech.spectrogram_distance(pause, pause + hiss).max() < 0.01


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: speech.stft(torch.zeros(2, 81), 320, 80), "a multiple of 80, got"),
        (lambda: speech.stft(torch.zeros(2, 3, 80), 320, 80), r"got \(2, 3, 80\)"),
        (lambda: speech.stft(torch.zeros(2, 80), 80, 80), "window > hop > 0"),
        (lambda: speech.stft(torch.zeros(2, 80), 321, 80), "both even or odd, got 321 and 80"),
        (lambda: speech.istft(torch.zeros(1, 9, 4) + 0j, 320, 80), r"257 bins, got \(1, 9, 4\)"),
        (lambda: speech.griffin_lim(torch.ones(1, 9, 4), 16, 4, steps=0), "steps must be at least"),
        (lambda: speech.griffin_lim(torch.ones(1, 9, 4), 16, 4, momentum=-1), "momentum must be"),
        (lambda: speech.LogMel(8001), "a rate that 200 divides, got 8001"),
        (lambda: speech.LogMel(bands=0), "bands must be at least 1, got 0"),
        (lambda: speech.LogMel(floor=10.0), "a floor below 0 dB, got 10.0"),
        (lambda: speech.LogMel().sounds(torch.zeros(1, 64, 4)), r"of 64 bands, got \(1, 64, 4\)"),
        (
            lambda: speech.spectrogram_distance(torch.zeros(1, 64), torch.zeros(1, 128)),
            r"sounds of one shape, got \(1, 64\) and \(1, 128\)",
        ),
        (
            lambda: speech.spectrogram_distance(torch.zeros(1, 64), torch.zeros(1, 64), floor=0),
            "a floor > 0, in dB below the peak, got 0",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
