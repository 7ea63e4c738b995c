"""The vocoder: what it begins as, what its discriminators see, and a loss worked out by hand."""

import math

import numpy as np
import pytest
import torch

from gantut import speech

FRONT = speech.LogMel(8000)


def sounds(n, length=1280, seed=0):
    g = torch.Generator().manual_seed(seed)
    return 0.3 * torch.randn(n, 1, length, generator=g)


def test_it_corrects_the_magnitudes_from_which_a_search_would_start():
    vocoder = speech.Vocoder(FRONT, width=4).double()
    images = FRONT(sounds(2).double())
    with torch.no_grad():
        for parameter in vocoder.last.parameters():
            parameter.zero_()
        bins = vocoder.last.out_channels // 2
        vocoder.last.bias[:bins] = math.log(2)  # twice the magnitude
        vocoder.last.bias[bins:] = math.pi  # the other sign
        found = vocoder(images)
    # With no phase of its own a frame is even around its middle: cosines of A at sample 160.
    size = FRONT.magnitudes(images).clamp(min=1e-3)
    t = torch.arange(320).double() - 160
    turn = (2 * math.pi / 512 * torch.outer(t, torch.arange(257).double())).cos()
    frames = torch.fft.rfft((turn @ _one_sided(size)).transpose(1, 2) / 512, 512)
    wanted = -2 * speech.istft(frames.transpose(1, 2), FRONT.window, FRONT.hop)
    torch.testing.assert_close(found, wanted, atol=1e-9, rtol=1e-9)


def _one_sided(size):
    """Every frequency but the two ends stands for its mirror image as well."""
    weight = torch.full((257, 1), 2.0, dtype=torch.float64)
    weight[0] = weight[-1] = 1
    return weight * size


def test_it_is_the_same_at_every_moment():
    """An image that comes four columns later gives the sound that comes four hops later."""
    vocoder = speech.Vocoder(FRONT, width=4, dilations=(1, 2))
    images = torch.rand(1, 1, 64, 40, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        early, late = vocoder(images[..., 4:]), vocoder(images)
    away = 10 * FRONT.hop  # from both ends, where columns are missing
    torch.testing.assert_close(
        early[..., away:-away], late[..., 4 * FRONT.hop :][..., away:-away], atol=1e-5, rtol=1e-4
    )


def test_its_gradient_is_that_of_differences():
    vocoder = speech.Vocoder(FRONT, width=3, dilations=(1,)).double()
    x = sounds(1, 640).double()
    images, bias = FRONT(x), vocoder.last.bias
    speech.spectral_loss(x.repeat(1, 1, 2), vocoder(images).repeat(1, 1, 2)).sum().backward()
    place, step = 300, 1e-6
    values = []
    for move in (step, -step):
        with torch.no_grad():
            bias[place] += move
            y = vocoder(images)
            bias[place] -= move
        values.append(speech.spectral_loss(x.repeat(1, 1, 2), y.repeat(1, 1, 2)).item())
    slope = (values[0] - values[1]) / (2 * step)
    assert bias.grad[place].item() == pytest.approx(slope, rel=1e-4, abs=1e-9)


def test_in_short_floats_it_makes_nearly_the_same_sound():
    vocoder, images = speech.Vocoder(FRONT, width=8), FRONT(sounds(1))
    with torch.no_grad():
        exact = vocoder(images)
        with torch.autocast("cpu", torch.bfloat16):
            found = vocoder(images)
    assert found.dtype == torch.float32
    assert (found - exact).norm() < 0.05 * exact.norm()


@pytest.mark.parametrize("period", [2, 3, 7])
def test_a_discriminator_sees_every_pth_sample_alone(period):
    """What lies between two samples of one start reaches no logit of that start."""
    D = speech.PeriodDiscriminators((period,), width=2)
    x = sounds(1, 630)
    changed = x.clone()
    changed[..., 1::period] += 1
    ((before, inner),), ((after, _),) = D(x), D(changed)
    moved = (before != after).reshape(period, -1).any(1)
    assert moved.tolist() == [start == 1 for start in range(period)]
    assert inner[0].shape == (period, 2, math.ceil(630 / period / 3))


def test_a_discriminator_fills_up_the_last_period():
    D = speech.PeriodDiscriminators((7,), width=2)
    short, filled = sounds(2, 640), torch.zeros(2, 1, 644)
    filled[..., :640] = short
    torch.testing.assert_close(D(short)[0][0], D(filled)[0][0])


def test_the_spectral_loss_by_numpy():
    x, y = sounds(1, 1024).double(), sounds(1, 1024, seed=1).double()
    parts = []
    for window in (64, 256, 1024):
        sizes = []
        for sound in (x, y):
            hop, pad = window // 4, window * 3 // 8
            padded = np.pad(sound[0, 0].numpy(), pad)
            hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
            starts = range(0, 1024, hop)
            sizes.append(np.abs([np.fft.rfft(padded[s : s + window] * hann) for s in starts]))
        a, b = sizes
        low = a.max() * 1e-2
        share = np.linalg.norm(a - b) / np.linalg.norm(a)
        levels = np.abs(np.log(np.maximum(a, low)) - np.log(np.maximum(b, low))).mean()
        parts.append(share + levels)
    found = speech.spectral_loss(x, y, floor=40).item()
    assert found == pytest.approx(np.mean(parts), rel=1e-6)


def test_the_spectral_loss_has_a_slope_in_silence():
    x, y = sounds(1, 1024), torch.zeros(1, 1, 1024, requires_grad=True)
    speech.spectral_loss(x, y).sum().backward()
    assert torch.isfinite(y.grad).all()


def test_what_is_refused():
    with pytest.raises(ValueError, match="width"):
        speech.Vocoder(FRONT, width=0)
    with pytest.raises(ValueError, match="images of 64 bands"):
        speech.Vocoder(FRONT, width=2)(torch.zeros(1, 1, 32, 8))
    with pytest.raises(ValueError, match="at least one period"):
        speech.PeriodDiscriminators(())
    with pytest.raises(ValueError, match="period must be at least 1"):
        speech.PeriodDiscriminators((2, 0))
    with pytest.raises(ValueError, match="sounds of one shape"):
        speech.spectral_loss(torch.zeros(1, 1, 512), torch.zeros(1, 1, 256))
    with pytest.raises(ValueError, match="a floor > 0"):
        speech.spectral_loss(torch.zeros(1, 1, 512), torch.zeros(1, 1, 512), floor=0.0)
