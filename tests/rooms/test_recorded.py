"""Recorded people as agents."""

import random

import numpy as np
import pytest
import soundfile
from tests.ears.echo_sounds import spoken

from echoless.frames import RATE
from echoless.mind.sentences import SentenceBuffer
from echoless.rooms.bursts import BurstFinder
from echoless.rooms.cases import Suite
from echoless.rooms.levels import active_level
from echoless.rooms.people import People, Recording, shared_folder
from echoless.rooms.recorded import Recorded, agent_keys, open_recorded, plain, shortened
from echoless.rooms.script import ScriptError, load
from echoless.voice.door import VoiceError

SAID = ("Well, the ferry leaves at nine", "nobody saw the lighthouse keeper's dog", "it rained")


def name_of(talker):
    return talker.wav.rpartition("/")[2]


@pytest.fixture
def recordings(tmp_path):
    out = []
    for number, text in enumerate(SAID):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, spoken("en-us+f4", 3) * (0.3 + 0.3 * number), RATE, subtype="PCM_16")
        out.append(Recording(path, 3.0, "somebody", "en", text))
    return out


def test_says_what_was_recorded_and_nothing_else(recordings):
    voice = Recorded(recordings)
    (chunk,) = voice.speak("Nobody saw the lighthouse keeper's dog.")
    assert chunk.rate == RATE
    assert len(chunk.samples) / RATE == pytest.approx(voice.seconds(SAID[1]), abs=0.01) == pytest.approx(2.6, abs=0.4)
    starts, samples = zip(*chunk.marks, strict=True)
    assert starts == (0, 7, 11, 15, 26, 35)
    assert list(samples) == sorted(samples) and samples[-1] < len(chunk.samples)
    with pytest.raises(VoiceError, match="cannot say what was not recorded: 'Nobody"):
        next(voice.speak("Nobody saw the dog."))
    everything = np.concatenate([next(voice.speak(text)).samples for text in SAID])
    assert active_level(everything) == pytest.approx(-20, abs=0.5)


def test_long_pauses_are_shortened_and_short_ones_kept():
    voice = np.random.default_rng(0).normal(0, 0.05, RATE).astype(np.float32)
    sound = np.concatenate([voice, np.zeros(RATE // 5, np.float32), voice, np.zeros(RATE, np.float32), voice])
    out = shortened(sound)
    assert len(sound) - len(out) == pytest.approx(0.7 * RATE, abs=0.03 * RATE)
    finder = BurstFinder()
    finder.feed(out)
    assert len(finder.finish()) == 1


def test_nobody_of_that_name_is_one_line():
    try:
        shared_folder()
    except ScriptError as missing:
        pytest.skip(str(missing))
    with pytest.raises(VoiceError, match="nobody of that name"):
        open_recorded("nobody")


def test_the_suite_can_have_recorded_agents(tmp_path):
    try:
        people = People(shared_folder())
    except ScriptError as missing:
        pytest.skip(str(missing))
    drawn, recorded = (Suite(people, tmp_path / str(which), recorded=which) for which in (False, True))
    voices = {}
    for one, other in zip(drawn.cases(8), recorded.cases(8), strict=True):
        told, before = load(other.path), load(one.path)
        assert [name_of(t) for t in told.talkers] == [name_of(t) for t in before.talkers]
        assert told.room == before.room
        voice = voices.setdefault(told.voice, open_recorded(told.voice.removeprefix("recorded:")))
        busy = {r.speaker for r in people.recordings if r.path.name in {name_of(t) for t in told.talkers}}
        assert told.voice.removeprefix("recorded:") not in busy
        for reply in told.replies:
            buffer = SentenceBuffer()
            sentences = [*buffer.feed(reply), *buffer.flush()]
            assert sum(voice.seconds(sentence.text) for sentence in sentences) >= 8
    assert len(voices) > 2
    assert "recorded" not in str(load(recorded.case(0, "quote", 0).path).voice)
    keys = agent_keys(random.Random(1), people, [])
    assert all(plain(sentence) for sentence in keys["replies"])
