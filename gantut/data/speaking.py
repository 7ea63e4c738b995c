"""The digits zero to nine, spoken by a synthesiser in the voices of hundreds of speakers.

espeak-ng does the speaking. It is a library under the GPL 3 that the optional package
espeakng-loader brings, with its voices: ``pip install "gantut[speech]"``.
"""

import ctypes
import shutil
import tempfile
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gantut.data.batches import generator
from gantut.data.cache import cached
from gantut.data.datasets import TensorData
from gantut.data.images import SPLITS
from gantut.data.synthesis import PEAK
from gantut.numerics import at_least, chosen, expect

# Each language with its accents, as espeak-ng calls them, and the names of its digits.
LANGUAGES = {
    "en": (
        ("en", "en-us", "en-us-nyc", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan")
        + ("en-gb-x-gbcwmd", "en-029"),
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    ),
    "cmn": (
        ("cmn",),
        ("líng", "yī", "èr", "sān", "sì", "wǔ", "liù", "qī", "bā", "jiǔ"),
    ),
}
# Voices of men and women, old and young. Robots, whispers and monsters are left out, and so are
# near copies: another voice differs at least as much as the same one does at another pitch.
_NAMES = """
m1 m2 m3 m4 m5 m7 m8 f1 f2 f3 f4 f5 adam Alex Alicia Andrea Andy anika Annie antonio aunty belinda
boris david Denis ed grandma Hugo iven Jacky Lee linda marcelo Michael pablo paul pedro shelby steph
victor zac
"""
VOICES = tuple(_NAMES.split())
HELD_OUT = 5  # every fifth voice speaks in the test split only, in all accents
RATES = (8000, 16_000)
SECONDS = 0.64  # of each sound: 64 frames of 10 ms
LEAD = 0.02  # seconds of silence before a word
SPOKEN = 22_050  # espeak-ng's samples a second
QUIET = 1e-4  # a word ends where its power stays below this share of its peak, 40 dB
FASTER = 1.1  # the factor of speed by which a word that is too long is said again
_VERSION = 2  # counts the ways of speaking, so that a cache does not serve an older one


def spoken(
    n: int = 4000,
    *,
    rate: int = 8000,
    language: str = "en",
    seed: int = 0,
    split: str = "train",
    cache: bool = True,
) -> TensorData:
    """Spoken digits: a word of at most 0.62 s each, by many speakers, with what made it.

    A speaker is a voice with an accent, a pitch, a liveliness and a speed of its own. From word to
    word pitch and speed vary a little. Each sound is 0.64 s long: 20 ms of silence, the word,
    silence. A word that would not fit is said again, 10 % faster, until it does, and the factor
    ``speed`` says how fast that was.

    Args:
        n: the number of sounds.
        rate: samples a second, 8000 or 16000.
        language: ``"en"``, English in eight accents, or ``"cmn"``, Mandarin in one.
        seed: decides all draws. The speakers are the same for all seeds.
        split: ``"train"`` or ``"test"``. No voice speaks in both, in whatever accent.
        cache: keeps the sounds on the disk, since 4,000 take some seconds.

    Returns:
        Sounds (n, 1, 0.64·rate) with their peak at 0.9, labelled by their digit; ``factors`` holds
        the numbers of ``speaker``, ``voice`` and ``accent``, ``pitch`` on espeak-ng's scale from
        0 to 99, ``speed`` in words a minute, and the word's ``duration`` in seconds, each (n,).

    Raises:
        ValueError: n < 1, another rate, an unknown language or split.
        ImportError: espeakng-loader is not installed.

    Example:
        >>> words = spoken(3, cache=False)
        >>> words.shape, words.class_names[7], sorted(words.factors)[:3]
        ((1, 5120), 'seven', ['accent', 'duration', 'pitch'])
    """
    at_least(1, n=n)
    expect(rate in RATES, "a rate of 8000 or 16000 samples a second", rate)
    _, names = chosen("language", language, LANGUAGES)
    chosen("split", split, SPLITS)
    options: dict[str, Any] = {"n": n, "rate": rate, "language": language}
    options |= {"seed": seed, "split": split}
    content = cached(f"spoken-{_VERSION}", _speak, **options) if cache else _speak(**options)
    values, labels = content.pop("values").float() / 32_767, content.pop("labels")
    return TensorData(values, labels, name="spoken", class_names=names, factors=content)


def _speak(n: int, rate: int, language: str, seed: int, split: str) -> dict[str, Tensor]:
    from scipy.signal import firwin, resample_poly

    accents, _ = LANGUAGES[language]
    test = torch.arange(len(VOICES)) % HELD_OUT == HELD_OUT - 1
    voices = torch.nonzero(test if split == "test" else ~test).flatten()
    g = generator(seed, SPLITS.index(split))
    labels = torch.randint(10, (n,), generator=g)
    voice = voices[torch.randint(len(voices), (n,), generator=g)]
    accent = torch.randint(len(accents), (n,), generator=g)
    speaker = accent * len(VOICES) + voice
    # Every speaker's own pitch, liveliness (the range of pitch) and speed, whatever the seed.
    own = torch.rand(len(accents) * len(VOICES), 3, generator=generator(0))[speaker]
    vary = 2 * torch.rand(n, 2, generator=g) - 1
    pitch = (30 + 40 * own[:, 0] + 5 * vary[:, 0]).round()
    lively = (30 + 40 * own[:, 1]).round()
    speed = ((135 + 45 * own[:, 2]) * (1 + 0.06 * vary[:, 1])).round()
    values, duration = np.zeros((n, 1, round(SECONDS * rate)), np.int16), torch.empty(n)
    most, start = SECONDS - 2 * LEAD, round(LEAD * rate)
    up, down = rate // 50, SPOKEN // 50
    lowpass = firwin(20 * down + 1, 1 / down, window=("kaiser", 5.0))  # designed once
    say = _Speaker(int(torch.randint(1, 2**31, (1,), generator=g)))
    for i in range(n):
        name = f"{accents[accent[i]]}+{VOICES[voice[i]]}"
        while True:
            word = say(str(int(labels[i])), name, int(speed[i]), int(pitch[i]), int(lively[i]))
            if len(word) <= most * SPOKEN:
                break
            speed[i] = (FASTER * speed[i]).round()
        wave = resample_poly(word, up, down, window=lowpass)
        values[i, 0, start : start + len(wave)] = np.rint(32_767 * PEAK * wave / abs(wave).max())
        duration[i] = len(word) / SPOKEN
    factors = {"speaker": speaker, "voice": voice, "accent": accent, "pitch": pitch, "speed": speed}
    factors = {name: known.float() for name, known in factors.items()} | {"duration": duration}
    return {"values": torch.from_numpy(values), "labels": labels, **factors}


class _Speaker:
    """espeak-ng, from a state that only the seed decides.

    The library keeps its flutter and its noise going from one word to the next, so that a word
    depends on all that were said before. A copy of the file is loaded as another library with a
    state of its own: what one copy says depends on nothing else in the process, in any thread.
    """

    def __init__(self, seed: int) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            wanted = 'espeakng-loader: pip install "gantut[speech]"'
            raise ImportError(f"spoken digits need {wanted}") from error
        # Windows does not remove a library that is in use.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            self.library = ctypes.CDLL(shutil.copy(espeakng_loader.get_library_path(), folder))
        self.library.espeak_Synth.argtypes = (
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int),
            *(ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p),
        )
        # 2: gives the samples to a callback, before it returns. 0x8000: no exit on an error.
        place = espeakng_loader.get_data_path().encode()
        if self.library.espeak_Initialize(2, 0, place, 0x8000) != SPOKEN:
            raise RuntimeError(f"espeak-ng found no voices in {place.decode()}")
        self.library.espeak_ng_SetRandSeed(ctypes.c_long(seed))
        self.heard: list[np.ndarray] = []
        # Kept, since the library only has its address.
        self.callback = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
        )(self._hear)
        self.library.espeak_SetSynthCallback(self.callback)

    def _hear(self, wave: Any, samples: int, events: Any) -> int:
        if samples > 0:
            self.heard.append(np.ctypeslib.as_array(wave, (samples,)).copy())
        return 0  # go on

    def __call__(self, text: str, voice: str, speed: int, pitch: int, lively: int) -> np.ndarray:
        """The word's samples, without the silence around it."""
        self.heard.clear()
        failed = self.library.espeak_SetVoiceByName(voice.encode())
        for parameter, value in ((1, speed), (3, pitch), (4, lively)):
            failed = failed or self.library.espeak_SetParameter(parameter, value, 0)
        content = text.encode()
        # 1: the text is UTF-8.
        failed = failed or self.library.espeak_Synth(
            content, len(content) + 1, 0, 1, 0, 1, None, None
        )
        if failed or self.library.espeak_Synchronize():
            raise RuntimeError(f"espeak-ng could not say {text!r} as {voice}")
        wave = np.concatenate(self.heard) / 32_768
        power = np.convolve(wave**2, np.ones(110), "same")  # over 5 ms
        loud = np.flatnonzero(power > QUIET * power.max())
        return wave[loud[0] : loud[-1] + 1]
