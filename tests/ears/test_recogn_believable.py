"""What moonshine must not invent, and what it must still hear: real noises, made coughs, short real words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr

from echoless.ears.backchannel import Said, kind
from echoless.ears.choose import open_recogniser
from echoless.ears.door import Recogniser, RecogniserError
from echoless.ears.recognisers.fake import FakeRecogniser
from echoless.ears.recognisers.guard import Guarded, believable, pieces
from echoless.ears.words import normal
from echoless.frames import RATE, Samples

SHARED = Path(os.environ.get("ECHOLESS_SHARED") or Path(__file__).parents[3] / "shared") / "speech"
NOISES = ["esc10_dog", "kitchen", "sb_noise1", "sb_noise2", "sc_doing_the_dishes", "sc_running_tap"]


def read(name: str) -> Samples:
    if not (SHARED / name).is_file():
        pytest.skip("no recordings: set ECHOLESS_SHARED to the folder that holds speech/")
    samples, rate = sf.read(SHARED / name, dtype="float32")
    return soxr.resample(samples, rate, RATE).astype(np.float32)


@pytest.fixture(scope="module")
def moonshine() -> Iterator[Recogniser]:
    engine = open_recogniser("moonshine")
    yield engine
    engine.close()


@pytest.mark.parametrize("name", NOISES)
def test_real_noises_have_no_words(moonshine: Recogniser, name: str) -> None:
    noise = read(f"noise/{name}.wav")
    for begin, seconds in [(0.0, 0.3), (1.0, 0.6), (2.0, 1.0), (0.5, 3.0)]:
        piece = noise[int(begin * RATE) : int((begin + seconds) * RATE)]
        for gain in (1.0, 0.1):
            assert moonshine.transcribe(piece * np.float32(gain)).text == "", (begin, seconds, gain)


def cough(seed: int) -> Samples:
    """An explosive burst, a hiss that dies away, a short voiced end (Korpas et al., 1996), some 0.35 s."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(0.35 * RATE)) / RATE
    hiss = np.convolve(rng.standard_normal(len(time)), np.hanning(9) * rng.uniform(0.5, 1.0), "same")
    burst = np.exp(-time / 0.012) + 0.35 * np.exp(-((time - 0.1) ** 2) / 0.004)
    pitch = rng.uniform(180, 320)
    voiced = sum(np.sin(2 * np.pi * pitch * n * time) / n for n in range(1, 8)) * np.exp(-((time - 0.26) ** 2) / 0.001)
    sound = hiss * burst + 0.25 * voiced
    return np.asarray(0.5 * sound / np.max(np.abs(sound)), np.float32)


@pytest.mark.parametrize("seed", range(6))
def test_coughs_and_clicks_have_no_words(moonshine: Recogniser, seed: int) -> None:
    quiet = np.zeros(RATE // 4, np.float32)
    assert moonshine.transcribe(np.concatenate([quiet, cough(seed), quiet])).text == ""
    click = np.zeros(RATE, np.float32)
    click[RATE // 2 : RATE // 2 + 40] = np.random.default_rng(seed).uniform(-0.8, 0.8, 40)
    assert moonshine.transcribe(click).text == ""


@pytest.mark.parametrize("word", ["stop", "no", "right", "yes", "go", "back"])
@pytest.mark.parametrize("gain", [1.0, 0.1])
def test_short_words_are_heard(moonshine: Recogniser, word: str, gain: float) -> None:
    assert normal(moonshine.transcribe(read(f"words_fc/{word}.wav") * np.float32(gain)).text) == word


@pytest.mark.parametrize(("word", "said"), [("stop", Said.STOP), ("no", Said.STOP), ("right", Said.BACKCHANNEL)])
def test_short_words_do_what_they_mean(moonshine: Recogniser, word: str, said: Said) -> None:
    assert kind(moonshine.transcribe(read(f"words_fc/{word}.wav")).text) is said


@pytest.mark.parametrize(
    ("text", "seconds", "kept"),
    [
        ("Hello there.", 1.0, "Hello there."),
        ("the first is the first is the first is the first is the first", 2.0, "the first is the first"),
        ("no no no", 0.9, "no no no"),
        ("No, no, no, no, no, no.", 1.5, "No."),
        ("I'm going to take a look at the next one right now", 0.4, ""),
        ("♪♪♪♪", 2.0, ""),
        ("...", 2.0, ""),
        ("谢谢观看谢谢观看谢谢观看谢谢观看", 3.0, "谢谢观看"),
        ("大家好欢迎收看今天的节目我们继续", 0.5, ""),
        ("大家好", 0.5, "大家好"),
    ],
)
def test_what_nobody_can_have_said_is_dropped(text: str, seconds: float, kept: str) -> None:
    assert believable(text, seconds) == kept


def test_long_speech_is_cut_where_it_is_quiet() -> None:
    rng = np.random.default_rng(0)
    speech = rng.standard_normal(70 * RATE).astype(np.float32) * np.float32(0.1)
    for pause in (21.0, 43.0, 60.0):
        speech[int(pause * RATE) : int((pause + 0.3) * RATE)] = 0.0
    cut = list(pieces(speech))
    assert np.array_equal(np.concatenate(cut), speech)
    assert all(len(each) <= 28 * RATE for each in cut)
    ends = np.cumsum([len(each) for each in cut])[:-1] / RATE
    assert all(any(pause <= end <= pause + 0.3 for pause in (21.0, 43.0, 60.0)) for end in ends)


def test_pieces_are_joined_and_every_failure_is_one_kind() -> None:
    speech = np.full(70 * RATE, 0.1, np.float32)
    for pause in (20, 44):
        speech[pause * RATE : (pause + 1) * RATE] = 0.0
    guarded = Guarded(FakeRecogniser(["one", "", "three"]), voice_activity=False)
    assert guarded.transcribe(speech).text == "one three"

    def fails(_: Samples) -> str:
        raise OSError("native library went away")

    with pytest.raises(RecogniserError, match="fake failed: native library went away"):
        Guarded(FakeRecogniser(fails), voice_activity=False).transcribe(speech[:RATE])
