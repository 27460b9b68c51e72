"""The door of the voice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from echoless.frames import Chunk


class VoiceError(Exception):
    """A voice cannot be loaded or failed. One line that says what to do."""


@dataclass(frozen=True, slots=True)
class VoiceTraits:
    """What a voice is. `rate` in samples a second; `language` an ISO 639-1 code."""

    name: str
    rate: int
    language: str = "en"
    licence: str = ""


@runtime_checkable
class Voice(Protocol):
    """Text → sound. Blocking and not reentrant: a call runs it in one worker."""

    @property
    def traits(self) -> VoiceTraits: ...

    def speak(self, text: str) -> Iterator[Chunk]:
        """Sound of one sentence of speakable text, first chunk as soon as it can be had. Closing the iterator
        stops the work. Marks of all chunks count characters from the beginning of `text`. Raises VoiceError."""
        ...

    def close(self) -> None: ...
