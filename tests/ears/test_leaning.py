"""A short word leans to the commands or to the nods, however it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.ears.test_recogn_believable import read

from echoless.ears.backchannel import Said, kind
from echoless.ears.choose import open_recogniser
from echoless.ears.door import Recogniser, RecogniserTraits, Sorted
from echoless.ears.leaning import COMMANDS, NODS, Leaning, leaning, settled
from echoless.ears.recognisers.fake import FakeRecogniser
from echoless.ears.recognisers.guard import Guarded
from echoless.frames import RATE, Samples, Transcript

SOUND = np.full(RATE, 0.1, np.float32)


class Partial:
    """An engine that finds one phrase likely."""

    traits = RecogniserTraits("partial")

    def __init__(self, phrase: str) -> None:
        self.phrase = phrase

    def transcribe(self, speech: Samples, language: str | None = None) -> Transcript:
        return Transcript("thong")

    def likely(self, speech: Samples, phrases: Sequence[str]) -> NDArray[np.float64]:
        return np.array([-1.0 if phrase == self.phrase else -30.0 for phrase in phrases])

    def close(self) -> None: ...


@pytest.fixture(scope="module")
def moonshine() -> Iterator[Recogniser]:
    engine = open_recogniser("moonshine")
    yield engine
    engine.close()


def test_the_lists_are_commands_and_nods() -> None:
    assert not [phrase for phrase in COMMANDS if kind(phrase) is not Said.STOP]
    assert not [phrase for phrase in NODS if kind(phrase) is not Said.BACKCHANNEL]


@pytest.mark.parametrize(("phrase", "command"), [("stop", True), ("uh-huh", False)])
def test_the_likelier_list_wins(phrase: str, command: bool) -> None:
    found = leaning(Guarded(Partial(phrase), voice_activity=False), SOUND)
    assert found is not None and (found.odds > 0) is command
    assert (found.command > -2) is command and (found.nod > -2) is not command
    assert found.read("Thong.") == ("Stop." if command else "Thong.")


def test_a_recogniser_that_cannot_say_is_not_asked() -> None:
    assert leaning(FakeRecogniser(["stop"]), SOUND) is None
    assert leaning(Guarded(FakeRecogniser(["stop"])), SOUND) is None
    assert leaning(Guarded(Partial("stop")), SOUND[:100]) is None


@pytest.mark.parametrize(
    ("said", "command", "nod", "settles"),
    [
        (Said.CONTENT, -4.5, -6.0, Said.STOP),  # "Thong."
        (Said.CONTENT, -6.4, -2.2, Said.BACKCHANNEL),  # "I have four."
        (Said.CONTENT, -16.0, -12.0, Said.CONTENT),  # "Louder."
        (Said.CONTENT, -9.0, -12.0, Said.CONTENT),
        (Said.STOP, -3.4, -2.1, Said.BACKCHANNEL),  # "No" that was a hum
        (Said.STOP, -1.5, -0.9, Said.STOP),
        (Said.STOP, -20.0, -15.0, Said.STOP),
        (Said.BACKCHANNEL, -0.5, -20.0, Said.STOP),
        (Said.BACKCHANNEL, -20.0, -0.5, Said.BACKCHANNEL),
        (Said.NOTHING, -0.5, -20.0, Said.NOTHING),
    ],
)
def test_what_a_word_does(said: Said, command: float, nod: float, settles: Said) -> None:
    assert settled(said, Leaning(command, nod)) is settles


@pytest.mark.parametrize(
    ("said", "written", "sound", "settles"),
    [
        (Said.CONTENT, (-9.6, -10.0), (0.8, 0.1, 0.1), Said.STOP),  # "Home, job." for "hold on"
        (Said.CONTENT, (-6.0, -3.0), (0.8, 0.1, 0.1), Said.STOP),
        (Said.STOP, (-0.5, -5.0), (0.1, 0.8, 0.1), Said.BACKCHANNEL),
        (Said.CONTENT, (-12.0, -12.0), (0.6, 0.3, 0.1), Said.CONTENT),
        (Said.CONTENT, (-12.0, -12.0), (0.9, 0.05, 0.05), Said.STOP),
        (Said.CONTENT, (-5.0, -5.0), (0.1, 0.3, 0.6), Said.CONTENT),  # "Louder."
        (Said.NOTHING, (-1.0, -5.0), (0.9, 0.05, 0.05), Said.NOTHING),
    ],
)
def test_the_sound_counts_for_more_than_what_is_written(
    said: Said, written: tuple[float, float], sound: tuple[float, ...], settles: Said
) -> None:
    assert settled(said, Leaning(*written, sound=Sorted(*np.log(sound)))) is settles


@pytest.mark.parametrize(
    ("word", "said"),
    [("stop", Said.STOP), ("no", Said.STOP), ("right", Said.BACKCHANNEL), ("yes", Said.BACKCHANNEL)],
)
def test_real_words_lean_to_what_they_are(moonshine: Recogniser, word: str, said: Said) -> None:
    found = leaning(moonshine, read(f"words_fc/{word}.wav"))
    assert found is not None and settled(Said.CONTENT, found) in (said, Said.CONTENT)
    assert (found.odds > 0) is (said is Said.STOP)


@pytest.mark.parametrize("word", ["go", "back"])
def test_other_words_lean_to_neither(moonshine: Recogniser, word: str) -> None:
    found = leaning(moonshine, read(f"words_fc/{word}.wav"))
    assert found is not None and settled(Said.CONTENT, found) is Said.CONTENT
