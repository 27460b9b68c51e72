"""What every voice must do, whoever made it: the door's contract, run against each engine that is here."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from tests.voice.tiny_piper import make

from echoless.voice.door import Voice, VoiceError
from echoless.voice.espeak import Espeak
from echoless.voice.fake import FakeVoice
from echoless.voice.flite import Flite, installed
from echoless.voice.piper import Piper

SENTENCE = "Hello there, my name is Echo and I like to talk."
MAKERS = {
    "fake": lambda: FakeVoice(22_050),
    "espeak": Espeak,
    "espeak cmn": lambda: Espeak("cmn"),
    "espeak variant": lambda: Espeak("en-gb+f3", speed=1.2),
    "flite": Flite,
    "piper": None,
}


@pytest.fixture(scope="session")
def piper_file(tmp_path_factory):
    return make(tmp_path_factory.mktemp("piper"))


@pytest.fixture(params=MAKERS)
def voice(request, piper_file):
    if request.param == "flite" and not installed():
        pytest.skip("flite is not installed here")
    made = Piper(piper_file) if request.param == "piper" else MAKERS[request.param]()
    yield made
    made.close()


def sound(chunks) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.float32), *(chunk.samples for chunk in chunks)])


def test_it_stands_behind_the_door(voice):
    assert isinstance(voice, Voice)
    traits = voice.traits
    assert traits.name and traits.licence and traits.rate >= 8000 and len(traits.language) == 2


def test_a_sentence_becomes_speech_of_a_natural_length_and_level(voice):
    chunks = list(voice.speak(SENTENCE))
    samples = sound(chunks)
    assert all(chunk.samples.dtype == np.float32 and chunk.samples.ndim == 1 for chunk in chunks)
    assert {chunk.rate for chunk in chunks} == {voice.traits.rate}
    assert 1.5 < len(samples) / voice.traits.rate < 8.0
    loud = samples[np.abs(samples) > 0.01]
    assert np.isfinite(samples).all() and np.abs(samples).max() < 1.0
    assert -28 < 10 * np.log10(np.mean(loud**2)) < -12


def test_marks_rise_and_lie_within(voice):
    at, marks = 0, []
    for chunk in voice.speak(SENTENCE):
        assert all(0 <= sample <= len(chunk.samples) for _, sample in chunk.marks)
        marks += [(character, at + sample) for character, sample in chunk.marks]
        at += len(chunk.samples)
    characters, samples = zip(*marks, strict=True)
    assert list(characters) == sorted(characters) and list(samples) == sorted(samples)
    assert marks[0][0] == 0 and characters[-1] < len(SENTENCE)


def test_it_says_the_same_thing_twice(voice):
    assert len(sound(voice.speak("Twice."))) == pytest.approx(len(sound(voice.speak("Twice."))), rel=0.3)


def test_a_closed_iterator_stops_the_work_and_the_next_sentence_is_whole(voice):
    whole = len(sound(voice.speak(SENTENCE)))
    for pieces in (0, 1, 2):
        stream = voice.speak(SENTENCE * 20)
        list(islice(stream, pieces))
        stream.close()
    assert len(sound(voice.speak(SENTENCE))) == pytest.approx(whole, rel=0.3)


@pytest.mark.parametrize(
    "text", ["", " ", ".", "?!…", "🙂", "\0", "\ud800", "-t x", "[[hello]]", "<break/>", "naïve 中文 ñ"]
)
def test_odd_texts_are_spoken_or_are_silent_but_do_not_break_it(voice, text):
    samples = sound(voice.speak(text))
    assert np.isfinite(samples).all() and len(samples) < 15 * voice.traits.rate


def test_a_very_long_text_is_spoken(voice):
    assert len(sound(voice.speak("one two three. " * 150))) > 60 * voice.traits.rate


@pytest.mark.parametrize("make", [lambda: Espeak("xx"), lambda: Espeak("en-us+nobody"), lambda: Flite("nobody")])
def test_a_voice_that_is_not_there_is_one_clear_line(make):
    with pytest.raises(VoiceError) as raised:
        make()
    assert "\n" not in str(raised.value) and ("no voice" in str(raised.value) or "not installed" in str(raised.value))
