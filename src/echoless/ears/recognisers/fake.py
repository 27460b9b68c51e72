"""A recogniser without a model: says what it is told to, hears silence as silence. For tests and demonstrations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from echoless.ears.door import RecogniserTraits
from echoless.frames import Samples, Transcript

Script = Iterable[str] | Callable[[Samples], str]


class FakeRecogniser:
    """Texts one after another, the last one for ever; or what a function makes of the samples.

    Sound below -60 dBFS gives '' and uses no text up. `heard` keeps what came in.
    """

    def __init__(self, script: Script = ("hello",), languages: tuple[str, ...] = ("en",)) -> None:
        self.traits = RecogniserTraits("fake", languages, "", "Apache-2.0")
        self.heard: list[Samples] = []
        self._say = script if callable(script) else None
        self._texts: Iterator[str] = iter(() if callable(script) else script)
        self._last = ""

    def transcribe(self, speech: Samples, language: str | None = None) -> Transcript:
        self.heard.append(speech)
        if len(speech) == 0 or float(np.sqrt(np.mean(np.square(speech)))) < 1e-3:
            return Transcript("", language)
        self._last = self._say(speech) if self._say else next(self._texts, self._last)
        return Transcript(self._last, language or (self.traits.languages or ("en",))[0])

    def close(self) -> None:
        self._texts = iter(())


def open_engine(language: str | None = None, model: str = "") -> FakeRecogniser:
    """A fake that says `model`, if given: `--recogniser fake --recogniser-model "good morning"`."""
    return FakeRecogniser((model or "hello",), (language,) if language else ("en",))
