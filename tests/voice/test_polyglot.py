"""A reply in the other language is said by the other voice, opened once and only when it is needed."""

from __future__ import annotations

import pytest

from echoless.voice.door import Voice
from echoless.voice.espeak import Espeak
from echoless.voice.fake import FakeVoice
from echoless.voice.polyglot import Polyglot


class Tongues:
    """Opens voices and remembers which."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.voices: list[FakeVoice] = []

    def __call__(self, language: str) -> Voice:
        self.opened.append(language)
        self.voices.append(FakeVoice(language=language))
        return self.voices[-1]


@pytest.mark.parametrize(
    ("mine", "text", "said_in"),
    [
        ("en", "Good morning.", "en"),
        ("en", "早上好。", "zh"),
        ("en", "你用 Python 吗？", "zh"),
        ("zh", "早上好。", "zh"),
        ("zh", "Good morning.", "en"),
        ("zh", "42!", "zh"),
        ("fr", "早上好。", "fr"),
    ],
)
def test_who_says_what(mine: str, text: str, said_in: str) -> None:
    other = Tongues()
    voice = Polyglot(FakeVoice(language=mine), other)
    assert voice.language_of(text) == said_in
    assert sum(len(chunk.samples) for chunk in voice.speak(text)) > 0
    assert other.opened == ([] if said_in == mine else [said_in])


def test_the_other_voice_is_opened_once_and_closed() -> None:
    other = Tongues()
    voice = Polyglot(FakeVoice(language="en"), other)
    for text in ("好。", "Good.", "好的。"):
        list(voice.speak(text))
    assert other.opened == ["zh"]
    voice.abort()
    voice.close()


def test_two_voices_of_espeak_do_not_disturb_each_other() -> None:
    """The engine is one for the whole process: every sentence must set its own voice."""

    def samples(voice: Voice, text: str) -> int:
        return sum(len(chunk.samples) for chunk in voice.speak(text))

    english, chinese = "Good morning to you.", "早上好，你好吗？"
    alone = samples(Espeak("en-us"), english), samples(Espeak("cmn"), chinese)
    both = Polyglot(Espeak("en-us"), lambda language: Espeak("cmn"))
    assert (samples(both, english), samples(both, chinese), samples(both, english)) == (alone[0], alone[1], alone[0])
    both.close()
