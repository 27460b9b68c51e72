"""A voice that follows the language of the reply: English by one engine, Chinese by another.

A model that is spoken to in Mandarin answers in Mandarin; a voice that has not learnt it would spell or skip it. Only
the script is looked at, so nothing has to be told from outside which language a turn was in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from echoless.frames import Chunk
from echoless.voice.door import Voice, VoiceTraits
from echoless.voice.speakable import has_cjk

ENGLISH, CHINESE = "en", "zh"


class Polyglot:
    """`voice`, and whatever `other` opens for the other of English and Chinese, once it is needed.

    Blocking and not reentrant, as any voice. Raises VoiceError.
    """

    def __init__(self, voice: Voice, other: Callable[[str], Voice]) -> None:
        self.voice = voice
        self._open_other = other
        self._other: Voice | None = None

    @property
    def traits(self) -> VoiceTraits:
        return self.voice.traits

    def language_of(self, text: str) -> str:
        """The language that `text` will be said in: a voice of a third language says everything itself."""
        mine = self.voice.traits.language
        if mine not in (ENGLISH, CHINESE) or not any(map(str.isalpha, text)):
            return mine
        return CHINESE if has_cjk(text) else ENGLISH

    def speak(self, text: str) -> Iterator[Chunk]:
        """One sentence by the voice that knows its language, at that voice's rate."""
        language = self.language_of(text)
        if language == self.voice.traits.language:
            return self.voice.speak(text)
        if self._other is None:
            self._other = self._open_other(language)
        return self._other.speak(text)

    def abort(self) -> None:
        """Stop what is being synthesised, where the engine can be told so."""
        for voice in filter(None, (self.voice, self._other)):
            getattr(voice, "abort", lambda: None)()

    def close(self) -> None:
        self.voice.close()
        if self._other:
            self._other.close()
