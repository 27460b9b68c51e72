"""One sentence on its way to the loudspeaker: resampled, trimmed, and knowing which word is at which sample."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import numpy as np
import soxr

from echoless.frames import Chunk, Samples
from echoless.voice.speakable import Speakable, has_cjk, units

_SILENCE = 0.002  # -54 dBFS: what counts as silence at a sentence's edges
_LEAD, _TAIL = 0.005, 0.030  # seconds of it that are kept, so that no consonant is clipped
_EDGE = 0.003  # seconds over which a sentence comes and goes: it never begins or ends on a step
_SECONDS_A_CHARACTER, _SECONDS_A_HAN = 0.075, 0.24  # a guess for a sentence whose length is not known yet


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it was said, with the loudspeaker samples (of the line's clock) at which it began and ends."""

    text: str
    begin: int
    end: int


class Sentence:
    """Sound of one sentence at the line's `rate`, fed in chunks and taken in pieces.

    Positions inside are samples of the trimmed sentence. `runs` says where they came out: (line sample, sentence
    sample, count); a sentence that was ducked has several.
    """

    def __init__(self, generation: int, text: Speakable, rate: int) -> None:
        self.generation = generation
        self.text = text
        self.rate = rate
        self.complete = False
        self.played = 0
        self.runs: list[tuple[int, int, int]] = []
        self.marks: list[tuple[int, int]] = []
        self._ready: Samples = np.zeros(0, np.float32)
        self._held: Samples = np.zeros(0, np.float32)
        self._source_rate = 0
        self._stream: soxr.ResampleStream | None = None
        self._edge = max(1, int(_EDGE * rate))
        self._fed = 0
        self._lead: int | None = None

    @property
    def waiting(self) -> int:
        """Samples that can be taken now."""
        return len(self._ready)

    @property
    def length(self) -> int:
        """Samples that are known so far."""
        return self.played + len(self._ready)

    def feed(self, chunk: Chunk, last: bool) -> None:
        """Add sound. Raises ValueError for a chunk at another rate than the sentence's first."""
        if self._source_rate and chunk.rate != self._source_rate and len(chunk.samples):
            raise ValueError(f"a sentence began at {chunk.rate} Hz and goes on at {self._source_rate} Hz")
        self._source_rate = self._source_rate or chunk.rate
        samples = np.nan_to_num(np.asarray(chunk.samples, np.float32).reshape(-1), posinf=0.0, neginf=0.0)
        self._add_marks(chunk)
        self._fed += len(samples)
        self._append(self._resample(samples, last))
        if last:
            self._finish()

    def complete_with_silence(self) -> None:
        """End the sentence with the sound it has."""
        self.feed(Chunk(np.zeros(0, np.float32), self.rate, ()), last=True)

    def break_off(self) -> int:
        """End sentence and text after the last unit that has most of its sound; where that is in the written text."""
        ends = [e for _, e, begin, end in self.timeline() if begin + end <= 2 * (self.length + len(self._held))]
        self.text = self.text.until(ends[-1] if ends else 0)
        self.complete_with_silence()
        return len(self.text.original)

    def take(self, count: int, at: int) -> Samples:
        """The next `count` samples, which go out at line sample `at`."""
        piece, self._ready = self._ready[:count], self._ready[count:]
        if len(piece):
            if self.runs and self.runs[-1][0] + self.runs[-1][2] == at:
                line, inside, length = self.runs[-1]
                self.runs[-1] = (line, inside, length + len(piece))
            else:
                self.runs.append((at, self.played, len(piece)))
        self.played += len(piece)
        return piece

    def drop(self) -> None:
        """Let go of the sound that was not taken; texts, marks and runs stay."""
        self._ready = self._held = np.zeros(0, np.float32)
        self._stream = None

    def heard(self, until: int) -> int:
        """Samples of this sentence that went out before line sample `until`."""
        return max(
            (inside + min(length, until - line) for line, inside, length in self.runs if line < until), default=0
        )

    def line_sample(self, inside: int) -> int:
        """Line sample at which sentence sample `inside` went out, or would if nothing came between."""
        run = max(0, bisect.bisect_right([start for _, start, _ in self.runs], inside) - 1)
        line, start, _ = self.runs[run]
        return line + inside - start

    def timeline(self) -> list[tuple[int, int, int, int]]:
        """(begin, end) in spoken characters and (begin, end) in sentence samples of every unit of the text."""
        spans = units(self.text.spoken)
        edges = [begin for begin, _ in spans] + [len(self.text.spoken)]
        characters, samples = zip(*self._anchors(), strict=True)
        at = np.interp(edges, characters, samples).astype(int)
        return [(b, e, int(at[i]), int(at[i + 1])) for i, (b, e) in enumerate(spans)]

    def words(self) -> list[Word]:
        """Words that have begun to go out, as said."""
        if not self.runs:
            return []
        return [
            Word(self.text.spoken[b:e].strip(), self.line_sample(begin), self.line_sample(max(begin, end)))
            for b, e, begin, end in self.timeline()
            if begin < self.played
        ]

    def written_marks(self) -> list[tuple[int, int]]:
        """(character of the written text, line sample) of every unit that has begun, rising in both."""
        marks: list[tuple[int, int]] = []
        for b, _, begin, _ in self.timeline() if self.runs else ():
            mark = (self.text.written_at(b), self.line_sample(begin))
            if begin < self.played and (not marks or (mark[0] > marks[-1][0] and mark[1] >= marks[-1][1])):
                marks.append(mark)
        return marks

    def heard_text(self, until: int) -> int:
        """End, in characters of the written text, of what went out before line sample `until`: whole units only."""
        heard = self.heard(until)
        if not heard:
            return 0
        if self.complete and heard >= self.length:
            return len(self.text.original)
        ends = [e for _, e, _, end in self.timeline() if end <= heard]
        return self.text.written_until(ends[-1]) if ends else 0

    def _anchors(self) -> list[tuple[int, int]]:
        """Marks from the text's first character to its last, with a guess of the end while it is not known."""
        spoken = len(self.text.spoken)
        anchors = [(0, 0)]
        for character, sample in self.marks:
            sample = max(0, sample - (self._lead or 0))
            if anchors[-1][0] < character < spoken and sample > anchors[-1][1]:
                anchors.append((character, sample))
        character, sample = anchors[-1]
        end = self.length
        if not self.complete:
            each = _SECONDS_A_HAN if has_cjk(self.text.spoken) else _SECONDS_A_CHARACTER
            pace = sample / character if character else each * self.rate
            end = max(end, sample + int((spoken - character) * pace))
        return [*anchors, (spoken + (spoken <= character), max(end, sample + 1))]

    def _add_marks(self, chunk: Chunk) -> None:
        for character, sample in chunk.marks:
            position = (self._fed + max(0, sample)) * self.rate // max(1, self._source_rate)
            self.marks.append((character, position))

    def _resample(self, samples: Samples, last: bool) -> Samples:
        if self._source_rate == self.rate:
            return samples
        if self._stream is None:
            if not self._fed:
                return samples
            self._stream = soxr.ResampleStream(self._source_rate, self.rate, 1, dtype="float32", quality="HQ")
        return np.asarray(self._stream.resample_chunk(samples, last=last), np.float32).reshape(-1)

    def _append(self, samples: Samples) -> None:
        """Sound goes to what can be taken; silence is held until it is known to lie inside the sentence."""
        samples = np.concatenate([self._held, samples])
        loud = np.flatnonzero(np.abs(samples) > _SILENCE)
        if not len(loud):
            self._held = samples
            return
        end = int(loud[-1]) + 1
        body, self._held = samples[:end], samples[end:]
        if self._lead is None:
            self._lead = max(0, int(loud[0]) - int(_LEAD * self.rate))
            body = body[self._lead :]
        rise = max(0, min(len(body), self._edge - self.length))
        ramp = np.arange(self.length, self.length + rise, dtype=np.float32) / self._edge
        self._ready = np.concatenate([self._ready, body[:rise] * ramp, body[rise:]])

    def _finish(self) -> None:
        self.complete = True
        if self._lead is not None:
            self._ready = np.concatenate([self._ready, self._held[: int(_TAIL * self.rate)]])
            fall = min(len(self._ready), self._edge)
            ramp = np.arange(fall - 1, -1, -1, dtype=np.float32) / self._edge
            self._ready[len(self._ready) - fall :] *= ramp
        self._held = np.zeros(0, np.float32)
        self._stream = None
