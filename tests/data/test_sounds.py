"""A folder of recordings: what is read, cut, converted, left out and refused."""

import math

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from gantut import data
from gantut.data import SoundData
from gantut.speech import cents, pitch


def tone(frequency, seconds, rate=8000, loud=0.5):
    return loud * np.sin(2 * math.pi * frequency * np.arange(round(seconds * rate)) / rate)


def write(path, samples, rate=8000, kind="int16"):
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "uint8":
        samples = np.round(128 + 127 * samples).astype(kind)
    elif kind.startswith("int"):
        samples = np.round(samples * np.iinfo(kind).max).astype(kind)
    wavfile.write(path, rate, samples.astype(kind))


@pytest.mark.parametrize(
    ("kind", "error"), [("uint8", 1e-2), ("int16", 1e-4), ("int32", 1e-6), ("float32", 1e-6)]
)
def test_every_kind_of_sample_is_read_as_the_same_sound(kind, error, tmp_path):
    wave = tone(200, 0.2)
    write(tmp_path / "a.WAV", wave, kind=kind)
    sounds = data.recordings(tmp_path, length=400)
    assert (
        len(sounds) == 7
        and sounds.shape == (1, 400)
        and sounds.labels is None
        and sounds.classes == 0
    )
    assert np.abs(sounds.values[0, 0].numpy() - wave[:400] * 0.9 / 0.5).max() < 3 * error
    assert (
        np.abs(sounds.values[1, 0].numpy() - wave[200:600] * 0.9 / 0.5).max() < 3 * error
    )  # half overlaps


def test_folders_are_classes_and_files_are_numbered(tmp_path):
    write(tmp_path / "oo" / "b.wav", tone(150, 0.2))
    write(tmp_path / "ah" / "a.wav", tone(120, 0.128))
    (tmp_path / "ah" / "notes.txt").write_text("no sound")
    sounds = data.load("recordings", path=tmp_path)
    assert sounds.kinds == ("ah", "oo") and sounds.classes == 2 and sounds.skipped == ()
    assert sounds.labels.tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    assert sounds.factors["file"].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    x, labels = sounds.batches(4, labels=True).batch(0)
    assert x.shape == (4, 1, 512) and labels.shape == (4,)


def test_channels_are_averaged(tmp_path):
    left, right = tone(200, 0.1), tone(300, 0.1)
    write(tmp_path / "stereo.wav", np.stack([left, right], 1))
    frame = data.recordings(tmp_path).values[0, 0].numpy()
    mean = (left + right)[:512]
    assert np.abs(frame - 0.9 * mean / np.abs(mean).max()).max() < 1e-3


def test_pauses_are_left_out(tmp_path):
    write(
        tmp_path / "a.wav",
        np.concatenate([tone(200, 0.128), np.zeros(4096), tone(200, 0.128, loud=0.1)]),
    )
    quiet_too = data.recordings(tmp_path)
    assert len(quiet_too) == 8  # with the two that reach into the pause
    assert len(data.recordings(tmp_path, quietest=-10.0)) < len(quiet_too)


def test_another_rate_is_refused_or_converted(tmp_path):
    write(tmp_path / "a.wav", tone(220, 0.5, 44100), 44100)
    with pytest.raises(
        ValueError, match=r"a\.wav has 44100 samples a second; expected 8000, or resample=True"
    ):
        data.recordings(tmp_path)
    sounds = data.recordings(tmp_path, resample=True)
    middle = sounds.values[3:5]
    assert (
        sounds.rate == 8000
        and cents(pitch(middle, 8000), torch.tensor(220.0)).abs().max().item() < 1
    )


def damaged(path):
    write(path, tone(200, 0.2))
    path.write_bytes(path.read_bytes()[:1000])


BROKEN = {
    "no sound at all": (lambda p: p.write_bytes(b"not a sound"), r"cannot read the sound .*z\.wav"),
    "cut off": (damaged, r"cannot read the sound .*z\.wav: Reached EOF"),
    "empty": (lambda p: p.write_bytes(b""), r"cannot read the sound .*z\.wav"),
    "too short": (
        lambda p: write(p, tone(200, 0.01)),
        r"z\.wav has 80 samples at 8000 a second; expected at least one",
    ),
    "silent": (lambda p: write(p, np.zeros(1000)), r"z\.wav is silent"),
    "not a number": (
        lambda p: write(p, np.full(1000, np.nan), kind="float32"),
        r"z\.wav: it holds NaN",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_cannot_be_used_is_refused_or_left_out_and_named(case, tmp_path):
    write(tmp_path / "good.wav", tone(200, 0.2))
    spoil, message = BROKEN[case]
    spoil(tmp_path / "z.wav")
    with pytest.raises(ValueError, match=message):
        data.recordings(tmp_path)
    with pytest.warns(UserWarning, match=r"1 of 2 sounds were left out: .*z\.wav"):
        sounds = data.recordings(tmp_path, faulty="skip")
    assert sounds.skipped == ("z.wav",) and len(sounds) == 5
    (tmp_path / "good.wav").unlink()
    with pytest.raises(ValueError, match="none of the 1 sounds"):
        data.recordings(tmp_path, faulty="skip")


def test_an_unknown_chunk_does_no_harm(tmp_path):
    write(tmp_path / "a.wav", tone(200, 0.2))
    content = (
        bytearray((tmp_path / "a.wav").read_bytes()) + b"note" + (4).to_bytes(4, "little") + b"abcd"
    )
    content[4:8] = (len(content) - 8).to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(content)
    assert len(data.recordings(tmp_path)) == 5


def test_no_sounds(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(
            FileNotFoundError, match=r"no sound in .*; expected files that end in \.wav"
        ):
            data.recordings(place)


@pytest.mark.parametrize(
    "options", [{"length": 1}, {"rate": 0}, {"faulty": "ignore"}, {"quietest": 3.0}]
)
def test_bad_options(options, tmp_path):
    with pytest.raises(
        ValueError, match="expected length ≥ 2, rate ≥ 1, faulty refuse or skip, quietest < 0 dB"
    ):
        data.recordings(tmp_path, **options)


def test_sound_data():
    values = torch.zeros(3, 1, 8)
    part = SoundData(
        values, torch.tensor([1, 0, 1]), kinds=("a", "b"), factors={"f0": torch.arange(3.0)}
    ).subset([2])
    assert (
        part.labels.tolist() == [1]
        and part.factors["f0"].tolist() == [2.0]
        and part.kinds == ("a", "b")
    )
    for bad, message in (
        (torch.zeros(3, 8), r"expected frames \(N, 1, T\)"),
        (torch.full((1, 1, 8), 1.5), r"expected sound in \[-1, 1\], got values up to 1.5"),
        (torch.full((1, 1, 8), float("nan")), "8 values are NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            SoundData(bad)
    with pytest.raises(ValueError, match=r"expected 3 f0, shape \(3,\), got \(2,\)"):
        SoundData(values, factors={"f0": torch.zeros(2)})


def test_emphasis_and_its_inverse():
    x = torch.tensor([[[1.0, 2.0, 4.0]]])
    assert data.emphasise(x, 0.5).tolist() == [[[1.0, 1.5, 3.0]]]
    noise = torch.randn(3, 1, 300, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for amount in (0.0, 0.9):
        assert torch.allclose(
            data.deemphasise(data.emphasise(noise, amount), amount), noise, atol=1e-9
        )
    for change in (data.emphasise, data.deemphasise):
        with pytest.raises(
            ValueError, match=r"the amount of emphasis must lie in \[0, 1\), got 1.0"
        ):
            change(x, 1.0)
