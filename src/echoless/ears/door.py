"""The doors of the ears: who turns speech into words, who says whether a turn has ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from echoless.frames import Samples, Transcript


class RecogniserError(Exception):
    """A recogniser cannot be had or failed. One line that says what to do."""


@dataclass(frozen=True, slots=True)
class RecogniserTraits:
    """What a recogniser is. `languages` are ISO 639-1 codes; empty means that it detects them by itself."""

    name: str
    languages: tuple[str, ...] = ("en",)
    model: str = ""
    licence: str = ""


@runtime_checkable
class Recogniser(Protocol):
    """Blocking and not reentrant: a call runs it in one worker.

    One that can has an `abort()` besides: called from another thread, what is being recognised ends without words.
    """

    @property
    def traits(self) -> RecogniserTraits: ...

    def transcribe(self, speech: Samples, language: str | None = None) -> Transcript:
        """Words in `speech`: float32 mono at 16 kHz, 0.1-30 s. Silence gives an empty text. Raises RecogniserError."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Weighing(Protocol):
    """A recogniser that can be asked for given words, too."""

    def likely(self, speech: Samples, phrases: Sequence[str]) -> NDArray[np.float64] | None:
        """Natural logarithm of the probability that `speech` is each of `phrases` and nothing else; None where it
        cannot say. Speech and errors as for `Recogniser.transcribe`."""
        ...


class Sorted(NamedTuple):
    """Log-probabilities that a short sound is a command, a nod, and neither."""

    command: float
    nod: float
    other: float


@runtime_checkable
class Sorting(Protocol):
    """A recogniser that can tell commands from nods without writing them."""

    def sort(self, speech: Samples) -> Sorted | None:
        """What a short sound is; None where it cannot say. Speech and errors as for `Recogniser.transcribe`."""
        ...


@runtime_checkable
class TurnEnd(Protocol):
    """Whether the user has finished, by sound and words. The sound is asked while the words are being recognised."""

    def sounds_finished(self, speech: Samples) -> float:
        """Probability 0..1, from the voice alone, that the turn in `speech` (float32, 16 kHz, ends in the silence) is
        complete. Blocking and not reentrant."""
        ...

    def finished(self, sound: float, text: str, language: str | None = None) -> float:
        """Probability 0..1 that a turn with these words is complete; `sound` is what `sounds_finished` said. Quick."""
        ...

    def close(self) -> None: ...
