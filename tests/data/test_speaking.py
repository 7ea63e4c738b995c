"""Spoken digits: a function of the seed alone, held-out voices, words that are whole and heard."""

import builtins
import hashlib
import math
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from scipy.signal import resample_poly

loader = pytest.importorskip("espeakng_loader", reason='pip install "gantut[speech]"')

from gantut import data, speech  # noqa: E402
from gantut.data.speaking import HELD_OUT, LANGUAGES, LEAD, SECONDS, VOICES, _Speaker  # noqa: E402

N = 150


@pytest.fixture(scope="module")
def words():
    return data.spoken(N, cache=False)


def digest(some):
    parts = [some.values, some.labels, *some.factors.values()]
    return hashlib.sha256(b"".join(p.numpy().tobytes() for p in parts)).hexdigest()


def test_it_is_a_function_of_the_seed_whatever_was_said_before(words):
    assert digest(data.spoken(N, cache=False)) == digest(words)
    assert digest(data.spoken(N, seed=1, cache=False)) != digest(words)


def test_another_process_says_the_same():
    code = "from test_speaking import *; print(digest(data.spoken(30, seed=3, cache=False)))"
    here = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {here!r}); {code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    data.spoken(5, cache=False)
    assert done.stdout.strip() == digest(data.spoken(30, seed=3, cache=False))


def test_threads_do_not_disturb_each_other():
    alone = [digest(data.spoken(20, seed=k, cache=False)) for k in range(3)]
    found = {}

    def work(k):
        found[k] = digest(data.spoken(20, seed=k, cache=False))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[k] for k in range(3)] == alone


def test_the_global_random_state_plays_no_part():
    before = torch.get_rng_state()
    data.spoken(2, cache=False)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_voice_of_the_test_split_is_in_the_training_split(language):
    train, test = (
        set(data.spoken(N, language=language, split=split, cache=False).factors["voice"].tolist())
        for split in ("train", "test")
    )
    assert train and test and not train & test
    assert train | test <= set(range(len(VOICES)))


def test_a_held_out_voice_is_no_copy_of_one_in_training():
    """Each is further from all voices in training than a voice is from itself at another pitch."""
    say, front = _Speaker(1), speech.LogMel(8000)

    def seen(voice, pitch):
        x = torch.zeros(3, 1, 5120)
        for row, digit in enumerate("147"):
            wave = say(digit, f"en+{voice}", 160, pitch, 50)
            wave = resample_poly(wave / abs(wave).max(), 160, 441)
            x[row, 0, 160 : 160 + len(wave)] = torch.from_numpy(wave)
        return front(x).flatten()

    images = torch.stack([seen(voice, 50) for voice in VOICES])
    higher = torch.stack([seen(voice, 60) for voice in VOICES[:8]])
    apart = torch.cdist(images, images) / math.sqrt(images.shape[1])
    test = torch.arange(len(VOICES)) % HELD_OUT == HELD_OUT - 1
    own = (higher - images[:8]).square().mean(1).sqrt().median()
    assert apart[test][:, ~test].min() > 1.2 * own


def test_all_voices_and_accents_exist():
    """espeak-ng says nothing about a variant that it does not know."""
    folder = Path(loader.get_data_path())
    there = {file.name for file in (folder / "voices" / "!v").iterdir()}
    assert set(VOICES) <= there and len(set(VOICES)) == len(VOICES)
    say = _Speaker(1)
    for accents, names in LANGUAGES.values():
        assert len(set(names)) == 10
        said = [say("9", accent, 160, 50, 50) for accent in accents]
        assert min(map(len, said)) > 3000
    with pytest.raises(RuntimeError, match="could not say '9' as xx"):
        say("9", "xx", 160, 50, 50)


@pytest.mark.parametrize("rate", [8000, 16_000])
def test_a_word_is_whole_and_where_it_is_said_to_be(rate):
    some = data.spoken(60, rate=rate, cache=False)
    x, length = some.values[:, 0], round(SECONDS * rate)
    assert some.shape == (1, length)
    torch.testing.assert_close(x.abs().amax(1), torch.full((60,), 0.9), atol=1e-4, rtol=0)
    time = torch.arange(length) / rate
    end = LEAD + some.factors["duration"]
    assert end.max() <= SECONDS - LEAD + 1e-6
    assert x[:, time < LEAD].abs().max() == 0
    assert x[time > end[:, None] + 2 / rate].abs().max() == 0
    for edge in (LEAD, end):  # within 30 ms of its ends a word is to be heard
        near = (time - torch.as_tensor(edge).reshape(-1, 1)).abs() < 0.03
        assert (x * near).abs().amax(1).min() > 0.003


def test_the_two_rates_are_one_sound():
    """By the discrete Fourier transform: below 3.6 kHz the spectra agree."""
    low, high = (data.spoken(20, rate=rate, cache=False).values[:, 0] for rate in (8000, 16_000))
    a, b = torch.fft.rfft(low)[:, :2300], torch.fft.rfft(high)[:, :2300] / 2
    cosine = (a * b.conj()).real.sum(1) / (a.norm(dim=1) * b.norm(dim=1))
    assert cosine.min() > 0.99


def test_a_word_that_is_too_long_is_said_faster(monkeypatch):
    before = data.spoken(30, cache=False).factors
    monkeypatch.setattr("gantut.data.speaking.SECONDS", 0.48)
    some = data.spoken(30, cache=False)
    assert some.shape == (1, 3840) and some.factors["duration"].max() <= 0.48 - 2 * LEAD
    faster = some.factors["speed"] > before["speed"]
    assert torch.equal(faster, before["duration"] > 0.48 - 2 * LEAD) and faster.any()


def correlation(a, b):
    return torch.corrcoef(torch.stack([a, b]))[0, 1].item()


def test_the_factors_do_what_they_say(words):
    assert torch.bincount(words.labels, minlength=10).min() > 5
    f = words.factors
    assert len(f["speaker"].unique()) > 80
    assert torch.equal(f["speaker"], f["accent"] * len(VOICES) + f["voice"])
    # Longer words take longer, so each digit is compared with itself.
    mean = torch.stack([f["duration"][words.labels == d].mean() for d in range(10)])
    assert correlation(f["speed"], f["duration"] / mean[words.labels]) < -0.25
    say = _Speaker(1)
    heard = []
    for pitch in (25, 75):
        wave = torch.from_numpy(say("1", "en+m1", 140, pitch, 50))
        middle = wave[len(wave) // 3 : 2 * len(wave) // 3][None]
        heard.append(speech.pitch(middle, 22_050, low=50, high=200).item())
    assert heard[1] > 1.3 * heard[0]


def test_the_label_is_the_word_that_is_heard():
    """Held-out voices are nearest to the average of their own digit, far above one in ten."""
    front = speech.LogMel(8000)
    train, test = (data.spoken(k, split=s) for k, s in ((600, "train"), (200, "test")))
    x, y = (front(some.values).flatten(1) for some in (train, test))
    # A ridge regression onto the ten labels; the mean of the grey is taken off.
    middle = x.mean(0)
    target = torch.nn.functional.one_hot(train.labels, 10).float() - 0.1
    dual = torch.linalg.solve((x - middle) @ (x - middle).T + 30 * torch.eye(len(x)), target)
    found = ((y - middle) @ (x - middle).T @ dual).argmax(1)
    assert (found == test.labels).float().mean() > 0.85


def test_the_cache_never_gives_one_thing_for_another(tmp_path, monkeypatch):
    monkeypatch.setenv("GANTUT_CACHE", str(tmp_path))
    others = [{}, {"n": 6}, {"rate": 16_000}, {"language": "cmn"}, {"seed": 1}, {"split": "test"}]
    asked = [{"n": 5, **options} for options in others]
    first = [digest(data.spoken(**options)) for options in asked]
    assert len(set(first)) == len(list(tmp_path.iterdir())) == len(asked)
    fresh = [digest(data.spoken(**options, cache=False)) for options in asked]
    monkeypatch.setattr("gantut.data.speaking._speak", None)  # nothing is said again
    assert first == fresh == [digest(data.spoken(**options)) for options in asked]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n must be at least 1, got 0"),
        ({"rate": 22_050}, "expected a rate of 8000 or 16000 samples a second, got 22050"),
        ({"language": "de"}, "unknown language 'de'; known: en, cmn"),
        ({"split": "all"}, "unknown split 'all'; known: train, test"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        data.spoken(**{"n": 5, **options})


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    real = builtins.__import__

    def refuse(name, *others, **more):
        if name == "espeakng_loader":
            raise ModuleNotFoundError(name)
        return real(name, *others, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r'espeakng-loader: pip install "gantut\[speech\]"'):
        data.spoken(2, cache=False)
