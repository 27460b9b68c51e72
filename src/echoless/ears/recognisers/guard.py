"""What stands before every recogniser: the checks that keep native code alive and invented words out.

A recogniser never says "I heard nothing": given noise it writes its training set's favourite phrase. So speech is
looked for first (Silero), and what comes back must be possible in the time that was spoken.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from math import ceil
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from echoless.ears.door import Recogniser, RecogniserError, RecogniserTraits, Sorted, Sorting, Weighing
from echoless.ears.vad import CHUNK, VoiceActivity
from echoless.ears.words import joined, normal, spans, tokens, units
from echoless.frames import RATE, Samples, Transcript

T = TypeVar("T")

SHORTEST = 0.1
"""Seconds below which nothing is recognised: no word is that short."""
LONGEST = 28.0
"""Seconds that one call of an engine sees. Longer speech is cut where it is quietest."""
MOST = 120.0
"""Seconds that are accepted at all."""
FASTEST = 8.0
"""Words (Mandarin: characters) a second that nobody exceeds; fast English talkers reach 6, auctioneers 8."""
SPEECH = 0.7
"""Silero's probability above which a 32 ms frame counts as speech."""
LEAST_SPEECH = 0.09
"""Seconds of such frames without which there were no words; real noises have at most 64 ms, a short word 224 ms."""
_OF_SUBTITLES = (
    "you|so|the|and|oh|bye|i|i'm|i'm going|please subscribe|thank you|thanks for watching|thank you for watching"
)
_OF_BREATHS = "uh|um|ah"
FAVOURITES = frozenset(f"{_OF_SUBTITLES}|{_OF_BREATHS}".split("|"))
"""What recognisers, Whisper's kin brought up on subtitles above all, make of a cough or a hiss."""
SURE_SPEECH = 0.25
"""Seconds of speech from which on even a favourite is believed; a cough reaches 160 ms."""


class Guarded:
    """A `Recogniser` around another: checked input, no words from noise, every failure a `RecogniserError`.

    `voice_activity=False` leaves the search for speech to the caller. Not reentrant, as any recogniser; but `close`
    may come from another thread at any time, as a call ends: native code must not be freed while it works.
    """

    def __init__(self, engine: Recogniser, voice_activity: bool = True) -> None:
        self.engine = engine
        self._silero = VoiceActivity() if voice_activity else None
        self._engine_in_use = threading.Lock()
        self._closed = False

    @property
    def traits(self) -> RecogniserTraits:
        return self.engine.traits

    def transcribe(self, speech: Samples, language: str | None = None) -> Transcript:
        """Words in `speech`: float32 mono at 16 kHz, up to 120 s; '' when there are none. Raises RecogniserError."""
        speech = checked(speech)
        if len(speech) < SHORTEST * RATE:
            return Transcript("", language)
        voiced = self._speech_seconds(speech) if self._silero else SURE_SPEECH
        if voiced < LEAST_SPEECH:
            return Transcript("", language)
        heard = [self._piece(piece, language) for piece in pieces(speech)]
        said = [each for each in heard if each.text]
        if not said or (voiced < SURE_SPEECH and normal(said[0].text) in FAVOURITES):
            return Transcript("", heard[0].language or language)
        known = [each.confidence for each in said if each.confidence is not None]
        text = joined([each.text for each in said])
        return Transcript(text, said[0].language, min(known) if known else None)

    def abort(self) -> None:
        """Give up what is being recognised, where the engine can: it has no words. From any thread."""
        if abort := getattr(self.engine, "abort", None):
            abort()

    def likely(self, speech: Samples, phrases: Sequence[str]) -> NDArray[np.float64] | None:
        """Log-probabilities of `phrases` in the last 28 s of `speech`; None from an engine that has none. No voice is
        looked for: whoever asks has heard words. Raises RecogniserError."""
        engine = self.engine
        if not isinstance(engine, Weighing) or len(speech) < SHORTEST * RATE:
            return None
        speech = checked(speech)[-int(LONGEST * RATE) :]
        return self._used(lambda: engine.likely(speech, phrases))

    def sort(self, speech: Samples) -> Sorted | None:
        """Command, nod or neither, of the last 28 s; None from an engine that cannot tell. Raises RecogniserError."""
        engine = self.engine
        if not isinstance(engine, Sorting) or len(speech) < SHORTEST * RATE:
            return None
        speech = checked(speech)[-int(LONGEST * RATE) :]
        return self._used(lambda: engine.sort(speech))

    def close(self) -> None:
        """Let go of the engine, once what it is doing is done. May be called twice."""
        with self._engine_in_use:
            if not self._closed:
                self._closed = True
                self.engine.close()

    def _piece(self, piece: Samples, language: str | None) -> Transcript:
        heard = self._used(lambda: self.engine.transcribe(piece, language))
        return Transcript(believable(heard.text, len(piece) / RATE), heard.language, heard.confidence)

    def _used(self, ask: Callable[[], T]) -> T:
        """What the engine answers. Raises RecogniserError, whatever its native code does."""
        try:
            with self._engine_in_use:
                if self._closed:
                    raise RecogniserError(f"The recogniser {self.engine.traits.name} is closed.")
                return ask()
        except RecogniserError:
            raise
        except Exception as error:
            name = self.engine.traits.name
            raise RecogniserError(f"The recogniser {name} failed: {error or type(error).__name__}.") from error

    def _speech_seconds(self, speech: Samples) -> float:
        """Seconds of 32 ms frames that Silero calls speech, counted up to `SURE_SPEECH`: more makes no difference.
        Levelled first: a quiet voice is still a voice."""
        assert self._silero is not None
        peak = float(np.max(np.abs(speech)))
        if peak < 1e-4:
            return 0.0
        self._silero.reset()
        # Silero starts cold at every call: without a lead-in it overlooks a word that begins at sample 0.
        room = np.zeros(4 * CHUNK + len(speech) + 2 * CHUNK, np.float32)
        room[4 * CHUNK : 4 * CHUNK + len(speech)] = speech * np.float32(min(0.5 / peak, 10.0))
        frames = room[: len(room) // CHUNK * CHUNK].reshape(-1, CHUNK)
        voiced = (frame for frame in frames if self._silero(frame) > SPEECH)
        return len(list(islice(voiced, ceil(SURE_SPEECH * RATE / CHUNK)))) * CHUNK / RATE


def checked(speech: Samples) -> Samples:
    """`speech` as contiguous float32 in -1..1, or RecogniserError: native code is never handed anything else."""
    if not isinstance(speech, np.ndarray) or speech.ndim != 1:
        raise RecogniserError("Speech to recognise must be a one-dimensional numpy array (mono).")
    if speech.dtype != np.float32:
        raise RecogniserError(f"Speech to recognise must be float32 in -1..1, not {speech.dtype}.")
    if len(speech) > MOST * RATE:
        raise RecogniserError(f"Speech to recognise may last {MOST:g} s, not {len(speech) / RATE:.0f} s.")
    if not np.isfinite(speech).all():
        raise RecogniserError("Speech to recognise holds values that are not numbers.")
    return np.ascontiguousarray(np.clip(speech, -1.0, 1.0))


def pieces(speech: Samples, longest: float = LONGEST) -> Iterator[Samples]:
    """`speech` in pieces of at most `longest` seconds, cut at the quietest 100 ms of each second half."""
    most, window = int(longest * RATE), RATE // 10
    while len(speech) > most:
        half = speech[most // 2 : most]
        power = np.convolve(half.astype(np.float64) ** 2, np.ones(window), "valid")
        cut = most // 2 + int(np.argmin(power)) + window // 2
        yield speech[:cut]
        speech = speech[cut:]
    yield speech


def believable(text: str, seconds: float) -> str:
    """`text` if somebody can have said it in `seconds`, without loops; '' for what is only invented."""
    text = text.strip()
    said = tokens(text)
    if not said or not any(any(char.isalnum() for char in each) for each in said):
        return ""  # "♪♪♪♪", "..."
    text = _unlooped(text)
    if units(text) > max(3.0, FASTEST * seconds):
        return ""
    return text


def _unlooped(text: str) -> str:
    """`text` with what is said four or more times in a row (1 to 8 words) said once: a decoder that hangs."""
    for size in range(1, 9):
        words = spans(text)
        at = 0
        while at + 4 * size <= len(words):
            run = [word for word, _, _ in words[at : at + size]]
            times = 1
            while [word for word, _, _ in words[at + times * size : at + (times + 1) * size]] == run:
                times += 1
            if times >= 4:
                text = text[: words[at + size - 1][2]] + text[words[at + times * size - 1][2] :]
                words = spans(text)
            at += 1
    return text
