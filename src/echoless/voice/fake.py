"""A voice for tests and examples: every word a tone of known length, every mark exact."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from echoless.frames import Chunk
from echoless.voice.door import VoiceTraits
from echoless.voice.speakable import units


class FakeVoice:
    """One chunk a word (in Chinese: a character): a tone, `seconds_a_character` long for each of its characters.

    The pitch follows the word's place in the sentence, so that what came out can be told apart.
    """

    def __init__(self, rate: int = 16_000, seconds_a_character: float = 0.06, language: str = "en") -> None:
        self._traits = VoiceTraits("fake", rate, language, "Apache-2.0")
        self._each = seconds_a_character

    @property
    def traits(self) -> VoiceTraits:
        return self._traits

    def speak(self, text: str) -> Iterator[Chunk]:
        for index, (begin, end) in enumerate(units(text)):
            count = max(1, round((end - begin) * self._each * self._traits.rate))
            hertz = 200.0 + 25.0 * (index % 16)
            at = np.arange(count) / self._traits.rate
            shape = np.sin(np.pi * np.arange(count) / count) ** 0.25
            yield Chunk(
                (0.3 * shape * np.sin(2 * np.pi * hertz * at)).astype(np.float32), self._traits.rate, ((begin, 0),)
            )

    def close(self) -> None:
        pass
