"""What leaves the loudspeaker, to the sample: paced, ducked, stopped, and able to say what was heard.

Pure: no clock, no I/O, no await. One call of `take` is one block of audio time, and every position is a count of
the samples that `take` has handed out since the beginning, at the line's rate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from echoless.frames import Chunk, Samples
from echoless.voice.sentence import Sentence, Word
from echoless.voice.speakable import Speakable, join

_FADE = 0.008  # seconds: short enough to be at once, long enough not to click
_VOLUME_RAMP = 0.020  # seconds from silence to full volume
_KNEE = 0.8  # where the limiter begins to bend; it ends at 1
_REMEMBERED = 64  # sentences that `words` can look back on


class State(StrEnum):
    """What the playback is doing."""

    IDLE = "idle"
    PLAYING = "playing"
    DUCKED = "ducked"
    STARVING = "starving"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of a reply: `text + unheard` is all that was queued of it."""

    generation: int
    text: str
    unheard: str


@dataclass(frozen=True, slots=True)
class SentenceBegan:
    """The first sample of a sentence went out at line sample `at`."""

    generation: int
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class SentenceEnded:
    """A sentence is over at line sample `at`. `marks`: (character of `text`, line sample) of each word heard."""

    generation: int
    text: str
    at: int
    marks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """All of a reply went out, the last sample before line sample `at`."""

    generation: int
    at: int
    heard: Heard


PlaybackEvent = SentenceBegan | SentenceEnded | ReplyEnded


def pause_after(text: str) -> float:
    """Seconds of a natural pause after a sentence: shorter after a comma, longer at the end of a paragraph."""
    if text.endswith("\n"):
        return 0.25
    return 0.10 if text.rstrip().endswith((",", ";", ":", "，", "；", "：", "、")) else 0.18


def limit(samples: Samples) -> Samples:
    """Bend what is louder than 0.8 so that nothing reaches 1; quieter samples stay exact."""
    loud = np.abs(samples) > _KNEE
    if not loud.any():
        return samples
    bent = _KNEE + (1 - _KNEE) * np.tanh((np.abs(samples) - _KNEE) / (1 - _KNEE))
    return np.where(loud, np.sign(samples) * np.minimum(bent, 0.9999), samples).astype(np.float32)


class Playback:
    """Sentences in, blocks out. `rate` in samples a second, `block` in samples, `volume` linear (1 as synthesised).

    A reply has a generation number that rises. Sound of an older one, or of one that was stopped or has ended, is
    dropped at the door; sound of a newer one cuts off what is left of an older.
    """

    def __init__(self, rate: int, block: int, volume: float = 1.0) -> None:
        self.rate = rate
        self.block = block
        self.position = 0
        """Samples handed out so far."""
        self.generation = 0
        self.starved = 0
        """How often sound ran out within a reply that was not over."""
        self.starved_samples = 0
        self.audible = False
        """Whether the block taken last held any of the agent's sound."""
        self.came_at = 0
        """Line sample at which the first sound of the reply had come."""
        self.held = False
        """While true a reply that has not begun does not begin; what goes on already goes on."""
        self.on_take: Callable[[], None] | None = None
        """Called after each block and after a stop, for whoever waits for room or counts audio time."""
        self._closed = 0
        self._reply: list[Sentence] = []
        self._at = 0
        self._finished = False
        self._ducked = False
        self._dry = False
        self._fade = max(1, round(_FADE * rate))
        self._gate = self._fade
        self._curve = (0.5 - 0.5 * np.cos(np.pi * np.arange(self._fade + 1) / self._fade)).astype(np.float32)
        self._tail: Samples = np.zeros(0, np.float32)
        self._pause_left = 0
        self._volume = self._gain = max(0.0, volume)
        self._events: list[PlaybackEvent] = []
        self._past: deque[Sentence] = deque(maxlen=_REMEMBERED)

    # What comes in

    def say(self, generation: int, text: str | Speakable, chunk: Chunk, last: bool) -> bool:
        """Queue sound of a sentence; `last` ends it. False where the generation is too old and nothing was queued.

        Marks of `chunk` count the characters that are said (`Speakable.spoken`). The text given last counts: a
        sentence that breaks off early is ended with a shorter text. Raises ValueError if the rate changes within.
        """
        if not self._admit(generation):
            return False
        said = Speakable.plain(text) if isinstance(text, str) else text
        if not self._reply:
            self.came_at = self.position
        if not self._reply or self._reply[-1].complete:
            self._reply.append(Sentence(generation, said, self.rate))
        self._reply[-1].text = said
        self._reply[-1].feed(chunk, last)
        return True

    def break_off(self, generation: int) -> int:
        """End a sentence whose voice failed where its sound ends. The end of its text, in characters as written."""
        if not self.admits(generation) or not self._reply or self._reply[-1].complete:
            return 0
        return self._reply[-1].break_off()

    def finish(self, generation: int) -> bool:
        """No more sentences of this reply will come. False where it is too old."""
        if not self._admit(generation):
            return False
        if self._reply and not self._reply[-1].complete:
            self._reply[-1].complete_with_silence()
        self._finished = True
        return True

    def admits(self, generation: int) -> bool:
        """Whether sound of this generation may still be queued."""
        return generation > self._closed and generation >= self.generation

    def duck(self) -> None:
        """Fade out at once and hold the very sample; nothing happens when nothing is being said."""
        self._ducked = self._ducked or self.active

    def resume(self) -> None:
        """Go on, with a short fade, from the sample that was held."""
        self._ducked = False

    def stop(self, latency_samples: int = 0) -> Heard:
        """Flush with a short fade. `latency_samples` of what was taken last have not left the loudspeaker.

        The text heard ends with the last whole word, in Chinese with the last whole character, that did.
        """
        heard = self._heard(self.position - max(0, latency_samples))
        sentence = self._current()
        if sentence is not None and sentence.played:
            falling = self._curve[: self._gate][::-1]
            piece = sentence.take(len(falling), self.position)
            self._tail = np.concatenate([self._tail, piece * falling[: len(piece)]])
            self._end_sentence(sentence, self.position + len(self._tail))
        self._close()
        self._tell()
        return heard

    @property
    def volume(self) -> float:
        """Linear gain; a change is a smooth ramp."""
        return self._volume

    @volume.setter
    def volume(self, volume: float) -> None:
        self._volume = max(0.0, float(volume))

    # What goes out

    def take(self) -> Samples:
        """The next block: float32, shape (block,), within -1..1."""
        out = np.zeros(self.block, np.float32)
        tail = min(len(self._tail), self.block)
        out[:tail], self._tail = self._tail[:tail], self._tail[tail:]
        filled = self._fill(out[tail:], self.position + tail) if self.active and not self._waits else 0
        self.audible = bool(tail or filled)
        self.position += self.block
        if not self._waits:
            self._wind_up()
        self._tell()
        return limit(out * self._volume_ramp())

    # What there is to know

    @property
    def active(self) -> bool:
        """Whether a reply is being said or waits for its sound."""
        return bool(self._reply) or (self._finished and self.generation > self._closed)

    @property
    def state(self) -> State:
        """Ducked before starving before draining before playing; a reply without any sound yet is idle."""
        if not self._reply:
            return State.IDLE
        if self._ducked:
            return State.DUCKED
        if self._dry or self._waits_for_sound():
            return State.STARVING if self._begun else State.IDLE
        return State.DRAINING if self._finished else State.PLAYING

    @property
    def ducked(self) -> bool:
        """Whether a reply is being held at a sample."""
        return self._ducked

    @property
    def queued(self) -> float:
        """Seconds of sound that were not taken yet, without pauses."""
        return sum(sentence.waiting for sentence in self._reply[self._at :]) / self.rate

    @property
    def sentences_ahead(self) -> int:
        """Sentences that have not begun."""
        return sum(not sentence.played for sentence in self._reply[self._at :])

    def text(self, latency_samples: int = 0) -> Heard:
        """What was heard of the reply so far and what was not, without stopping it."""
        return self._heard(self.position - max(0, latency_samples))

    def words(self, since: int = 0) -> list[Word]:
        """Words as said (numbers in words, ...) that end after line sample `since`, over past replies too."""
        now = [sentence for sentence in self._reply if sentence.played]
        known = [sentence for sentence in self._past if sentence not in now] + now
        recent = [sentence for sentence in known if sentence.line_sample(sentence.length) > since]
        return [word for sentence in recent for word in sentence.words() if word.end > since]

    def events(self) -> list[PlaybackEvent]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    # Inside

    def _admit(self, generation: int) -> bool:
        if not self.admits(generation):
            return False
        if generation > self.generation:
            if self.active:
                self.stop()
            self.generation = generation
        return True

    @property
    def _begun(self) -> bool:
        return any(sentence.played for sentence in self._reply[: self._at + 1])

    @property
    def _waits(self) -> bool:
        return self.held and not self._begun

    def _current(self) -> Sentence | None:
        return self._reply[self._at] if self._at < len(self._reply) else None

    def _may_begin(self, sentence: Sentence) -> bool:
        """Whether enough is there to begin, or go on with, a sentence and still fade should the rest be late."""
        return sentence.complete or sentence.waiting >= self.block + self._fade

    def _waits_for_sound(self) -> bool:
        sentence = self._current()
        if sentence is None:
            return not self._finished and not self._pause_left
        return not self._may_begin(sentence) and not self._pause_left

    def _fill(self, out: Samples, at: int) -> int:
        """Put sound into `out`, which begins at line sample `at`, through the gate. Returns how far it reaches."""
        sentence = self._current()
        dry = sentence is not None and sentence.played > 0 and not self._may_begin(sentence)
        starves = self._begun and not self._ducked and self._waits_for_sound()
        self.starved += starves and not self._dry
        self._dry = starves
        shut = self._ducked or dry
        flow = min(len(out), self._gate) if shut else len(out)
        filled = self._pull(out[:flow], at)
        steps = self._gate + np.arange(1, flow + 1) * (-1 if shut else 1)
        gate = np.clip(steps, 0, self._fade)
        out[:flow] *= self._curve[gate]
        self._gate = int(gate[-1]) if flow else self._gate
        self.starved_samples += len(out) - filled if starves else 0
        return filled

    def _pull(self, out: Samples, at: int) -> int:
        """Sentences and the pauses between them, as far as they can be had. Returns where the last sound ends."""
        filled, reach = 0, 0
        while filled < len(out):
            if self._pause_left:
                step = min(self._pause_left, len(out) - filled)
                self._pause_left -= step
                filled += step
                continue
            sentence = self._current()
            if sentence is None or (not sentence.played and not self._may_begin(sentence)):
                break
            if not sentence.runs and (sentence.waiting or sentence.complete):
                self._events.append(SentenceBegan(self.generation, sentence.text.original, at + filled))
            piece = sentence.take(len(out) - filled, at + filled)
            out[filled : filled + len(piece)] = piece
            filled += len(piece)
            reach = filled if len(piece) else reach
            if sentence.complete and not sentence.waiting:
                self._end_sentence(sentence, at + filled)
                self._at += 1
                self._pause_left = round(pause_after(sentence.text.original) * self.rate) if sentence.played else 0
            elif not len(piece):
                break
        return reach

    def _end_sentence(self, sentence: Sentence, at: int) -> None:
        marks = tuple(sentence.written_marks())
        self._events.append(SentenceEnded(sentence.generation, sentence.text.original, at, marks))
        if sentence.played:
            self._past.append(sentence)

    def _wind_up(self) -> None:
        if self._finished and self.active and self._at >= len(self._reply) and not self._waits:
            last = next((s for s in reversed(self._reply) if s.runs), None)
            end = last.runs[-1][0] + last.runs[-1][2] if last else self.position - self.block
            self._events.append(ReplyEnded(self.generation, end, self._heard(self.position)))
            self._close()

    def _close(self) -> None:
        self._closed = max(self._closed, self.generation)
        for sentence in self._reply:
            sentence.drop()
        self._reply, self._at = [], 0
        self._finished = self._ducked = self._dry = False
        self._gate, self._pause_left = self._fade, 0

    def _heard(self, until: int) -> Heard:
        whole, end = "", 0
        parted = False
        for index, sentence in enumerate(self._reply):
            written = sentence.text.original
            whole = join([whole, written])
            if parted:
                continue
            silent = index < self._at and not sentence.played
            heard = len(written) if silent else sentence.heard_text(until)
            end = len(whole) - len(written) + heard if heard else end
            parted = heard < len(written)
        return Heard(self.generation, whole[:end], whole[end:])

    def _volume_ramp(self) -> Samples:
        step = 1 / (_VOLUME_RAMP * self.rate)
        way = self._volume - self._gain
        ramp = self._gain + np.sign(way) * np.minimum(abs(way), step * np.arange(1, self.block + 1))
        self._gain = float(ramp[-1])
        return ramp.astype(np.float32)

    def _tell(self) -> None:
        if self.on_take:
            self.on_take()
