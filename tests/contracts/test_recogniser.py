"""Every recogniser keeps the promises of the door, whoever wrote it: this suite runs against each that is here."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr

from echoless.ears.choose import open_recogniser
from echoless.ears.door import Recogniser, RecogniserError
from echoless.frames import RATE, Samples

SHARED = Path(os.environ.get("ECHOLESS_SHARED") or Path(__file__).parents[3] / "shared") / "speech"
NEEDS = {"fake": "echoless", "moonshine": "moonshine_voice", "whisper": "faster_whisper",
         "sherpa": "sherpa_onnx", "realtimestt": "RealtimeSTT"}  # fmt: skip
MODELS = {"whisper": "ECHOLESS_TEST_WHISPER", "sherpa": "ECHOLESS_TEST_SHERPA"}
"""Where a model must be had by the user: the variable that holds its folder."""


@pytest.fixture(scope="module", params=list(NEEDS))
def recogniser(request: pytest.FixtureRequest) -> Iterator[Recogniser]:
    name = request.param
    if importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed in this environment")
    model = os.environ.get(MODELS.get(name, ""), "")
    if name in MODELS and not model:
        pytest.skip(f"no model: set {MODELS[name]} to its folder")
    engine = open_recogniser(name, None, model)
    yield engine
    engine.close()


def speech(name: str = "jfk/jfk.wav") -> Samples:
    if not (SHARED / name).is_file():
        pytest.skip("no recorded speech: set ECHOLESS_SHARED to the folder that holds speech/")
    samples, rate = sf.read(SHARED / name, dtype="float32")
    return soxr.resample(samples, rate, RATE).astype(np.float32)


def test_is_a_recogniser_and_says_what_it_is(recogniser: Recogniser) -> None:
    assert isinstance(recogniser, Recogniser)
    assert recogniser.traits.name
    assert all(len(code) == 2 and code.islower() for code in recogniser.traits.languages)


def test_speech_has_words(recogniser: Recogniser) -> None:
    assert recogniser.transcribe(speech()[: 4 * RATE]).text


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.1, 0.5, 3.0])
def test_silence_has_none(recogniser: Recogniser, seconds: float) -> None:
    assert recogniser.transcribe(np.zeros(int(seconds * RATE), np.float32)).text == ""


def test_any_length_is_safe(recogniser: Recogniser) -> None:
    sound = speech()
    for samples in (1, 159, 160, 1599, 1601, 4097, 16_001):
        text = recogniser.transcribe(sound[8000 : 8000 + samples]).text
        assert text == text.strip()


def test_who_can_be_aborted_goes_on_with_the_next(recogniser: Recogniser) -> None:
    engine = getattr(recogniser, "engine", recogniser)
    if not hasattr(engine, "abort"):
        pytest.skip(f"{recogniser.traits.name} cannot be aborted")
    sound, heard = np.tile(speech()[: 5 * RATE], 4), []
    working = threading.Thread(target=lambda: heard.append(recogniser.transcribe(sound).text))
    working.start()
    while working.is_alive():  # it may not have begun yet
        recogniser.abort()  # type: ignore[attr-defined]
        working.join(0.01)
    assert heard == [""]
    assert recogniser.transcribe(speech()[: 4 * RATE]).text


def test_same_speech_same_words(recogniser: Recogniser) -> None:
    """No state may carry over from one utterance to the next."""
    sound = speech()[: 3 * RATE]
    first = recogniser.transcribe(sound).text
    recogniser.transcribe(sound[:RATE])
    recogniser.transcribe(np.zeros(RATE, np.float32))
    if recogniser.traits.name != "fake":
        assert recogniser.transcribe(sound).text == first


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros(RATE, np.float64),
        np.zeros(RATE, np.int16),
        np.zeros((RATE, 2), np.float32),
        np.full(RATE, np.nan, np.float32),
        np.full(RATE, np.inf, np.float32),
        [0.0] * RATE,
        np.zeros(121 * RATE, np.float32),
    ],
    ids=["float64", "int16", "stereo", "nan", "inf", "list", "too long"],
)
def test_what_is_not_speech_at_16_khz_is_refused_in_one_line(recogniser: Recogniser, bad: object) -> None:
    with pytest.raises(RecogniserError) as caught:
        recogniser.transcribe(bad)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_the_input_is_left_alone(recogniser: Recogniser) -> None:
    sound = speech()[:RATE] * 3.0
    before = sound.copy()
    recogniser.transcribe(sound)
    assert np.array_equal(sound, before)
