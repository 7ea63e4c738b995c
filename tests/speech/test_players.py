"""Short frames made long, and players in a page."""

import base64
import io
import re
import wave

import pytest
import torch

from gantut import data
from gantut.speech import cents, formants, pitch
from gantut.speech.players import Players, sequence, sustain


def test_a_sustained_vowel_keeps_its_pitch_and_formants_from_end_to_end():
    sounds = data.vowels(30, length=256)
    for frame, f0 in zip(sounds.values[:, 0], sounds.factors["f0"], strict=True):
        long = sustain(frame, 8000)
        assert long.shape == (3200,)
        parts = long.unfold(0, 512, 400)
        assert (
            cents(pitch(parts, 8000), f0).abs().max().item() < 25
        )  # a whole number of samples is no whole number of periods
        level = parts.square().mean(1)
        assert level.min() > 0.4 * level.max()
        assert (formants(parts[3:4], 8000) - formants(parts[5:6], 8000)).abs()[
            0, :2
        ].max().item() < 60


def test_a_period_of_whole_samples_is_continued_exactly():
    x = data.synthesise(
        torch.tensor([100.0]), torch.tensor([[500.0]]), torch.tensor([[80.0]]), 2000
    )[0]
    assert torch.allclose(sustain(x[:256], 8000, seconds=0.1), x[80:880], atol=1e-9)


def test_noise_and_silence_have_no_pitch_and_still_a_length():
    assert sustain(torch.zeros(256), 8000, seconds=0.1).shape == (800,)


def test_a_sequence_is_one_sound_without_clicks():
    sound = sequence(data.vowels(3, length=256).values, 8000, seconds=0.2)
    assert sound.shape == (4800,) and sound.abs().max().item() <= 0.9
    assert all(abs(sound[k].item()) < 1e-6 for k in (0, 1599, 1600, 4799))


def test_players_hold_their_sound():
    sound = torch.linspace(-1, 1, 100)
    players = Players({"a <rising> line": sound, "again": sound}, 8000)
    page = players._repr_html_()
    assert (
        page.count("<audio controls") == 2
        and "autoplay" not in page
        and "a &lt;rising&gt; line" in page
    )
    codes = re.findall(r"base64,([\w+/=]+)", page)
    assert sum(map(len, codes)) == players.size
    with wave.open(io.BytesIO(base64.b64decode(codes[0]))) as file:
        assert (
            file.getframerate(),
            file.getnchannels(),
            file.getsampwidth(),
            file.getnframes(),
        ) == (8000, 1, 1, 100)
        read = (
            torch.frombuffer(bytearray(file.readframes(100)), dtype=torch.uint8).double() - 128
        ) / 127
    assert (read - sound).abs().max().item() < 1 / 250


@pytest.mark.parametrize(
    "sounds",
    [{"x": torch.full((5,), 1.5)}, {"x": torch.zeros(1, 5)}, {"x": torch.full((5,), float("nan"))}],
)
def test_bad_sounds(sounds):
    with pytest.raises(ValueError, match=r"expected the sound 'x' as \(T,\) in \[-1, 1\]"):
        Players(sounds, 8000)


def test_bad_input():
    with pytest.raises(ValueError, match="at least one frame"):
        sequence([], 8000)
    with pytest.raises(ValueError, match="at least one sound"):
        Players({}, 8000)
    with pytest.raises(
        ValueError, match=r"expected a frame \(T,\) and seconds > 0, got \(1, 256\)"
    ):
        sustain(torch.zeros(1, 256), 8000)
