"""Is it me? The echo guard: every 16 ms, what is left without the echo, and whether somebody else speaks in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from echoless.ears.canceller import FFT, Canceller
from echoless.ears.delay import DelayTracker, silent
from echoless.ears.drift import DriftLoop, Playback
from echoless.ears.evidence import Bands, Evidence
from echoless.ears.holes import Holes
from echoless.ears.near import Judge
from echoless.ears.tail import Decay, Tail
from echoless.ears.vad import CHUNK, VoiceActivity
from echoless.frames import BLOCK, RATE, Samples

Mode = Literal["full", "guarded", "half"]

_LEAD = 48
"""Samples of echo path kept before the tracked delay (3 ms)."""
_UNKNOWN = RATE
"""The longest delay reckoned with while none is known, nor that sound takes long to the loudspeaker."""
_WANDERS = int(0.15 * RATE)
"""Samples by which a far end's jitter buffer may be later than it was."""
_BUFFERS = int(0.3 * RATE)
"""Samples by which the way back, buffers and devices may be longer than the way there."""
_FAR = 0.15
"""Seconds to a loudspeaker from which on it is at the other end of a network."""
_EARLY = 4 * BLOCK
"""Samples after its direct sound in which an echo is still about as loud."""
_SLOW_EARLY = int(0.4 * RATE)
"""The same in a room that reverberates for long."""
_HOPELESS = 60
"""Blocks of added sound after which the path is learnt anew."""
_GOOD, _POOR = 7.0, 4.0
"""ERLE in dB over which the canceller carries a call, and under which only the judge does."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One block after the guard."""

    clean: Samples
    """The canceller's linear residual, float32 (256,): the near end whole, and what is left of the echo."""
    voice: float
    """Silero's probability that `clean` holds speech, anybody's."""
    near: float
    """Probability that somebody other than the agent speaks."""
    echo: bool
    """Whether the agent's echo can be in the microphone now: within delay and reverberation of its last sound."""
    mode: Mode
    """`full`: the canceller works; `guarded`: it does not yet, the judge alone carries the call."""
    evidence: dict[str, float]
    """What decided, for the call record."""
    direct: bool = True
    """Whether more than the room's tail of that echo can be in the microphone now."""
    left: Bands | None = None
    """What of the echo is usually left in `clean`, dB a band (`evidence`); None where there is or was none to learn."""
    far: bool = False
    """Whether the loudspeaker is far away: its echo comes late, or as what a canceller there leaves of it, whose words
    may be other ones."""
    lingers: bool = False
    """Whether the room reverberates for long: what is left of the echo then sounds like a word."""
    later: bool = False
    """Whether the echo has just been found to come later than was reckoned with: what seemed to come after it may have
    been echo."""
    rises: bool = False
    """Whether the level has risen since the direct sound of the agent's echo was over: a room only lets it fall."""


class EchoGuard:
    """Delay and drift trackers, a linear canceller, and the judge of near-end speech.

    With `cancels_echo` the far end has an echo canceller of its own (a browser): the judge knows that what comes
    through is what that one left over. It may be set at any time: callers come and go.
    """

    def __init__(self, cancels_echo: bool = False) -> None:
        self.canceller = Canceller()
        self.tracker = DelayTracker()
        self.drift = DriftLoop()
        self.playback = Playback()
        self.weigh = Evidence(cancels_echo)
        self.judge: Judge | None = Judge()
        self.voice_activity = VoiceActivity()
        self.latency = 0.0
        """Seconds that sound takes to the far end's loudspeaker, where the line knows."""
        self.sounding = False
        """Whether the agent sends sound, where that is known."""
        self.hold = 0
        """Blocks by which the microphone is held back, where the reference comes too late."""
        self.features = np.zeros(0, np.float32)
        """The judge's view of the last block."""
        self._offset = 0.0
        self._located = False
        self._held: list[Samples] = []
        self._residual = np.zeros(BLOCK, np.float32)
        self._pending: Samples | None = None
        self._voice = 0.0
        self._quiet = 10 * RATE
        self._tail = Tail()
        self._holes = Holes()
        self._decay = Decay()
        self._before = self._after = 0.0
        self._worse = 0
        self._mode: Mode = "guarded"

    @property
    def cancels_echo(self) -> bool:
        """Whether the far end has a canceller of its own."""
        return self.weigh.cancels_echo

    @cancels_echo.setter
    def cancels_echo(self, does: bool) -> None:
        self.weigh.cancels_echo = does

    def hear(self, microphone: Samples, reference: Samples) -> Heard:
        """Take one block of each, float32 (256,) at 16 kHz: what was heard and what was played meanwhile."""
        self.playback.push(reference)
        self._held.append(microphone)
        held = self._held.pop(0) if len(self._held) > self.hold else np.zeros(BLOCK, np.float32)
        if self.latency:
            self.tracker.expect(round(0.5 * self.latency * RATE))
        look = self.tracker.hear(microphone, self._residual, reference)
        later = look is not None and look.moved > _EARLY
        if look is not None:
            self._relocate(look.delay, look.moved, held)
            self._make_room(look.delay)
            self.drift.hint(look.drift)
        aligned = self.playback.read(self._offset, FFT, self.drift.rate)
        residual, echo = self._cancel(held, aligned)
        self._residual = residual
        self._quiet = self._quiet + BLOCK if silent(reference) else 0
        voice = self._hear_voice(residual)
        self.features = self.weigh.hear(
            (held, residual, echo, aligned[BLOCK:]),
            reference,
            self.tracker.look,
            voice,
            self._located,
            self._quiet,
            self.drift.slide,
        )
        way = self._way()
        possible = self._tail.hear(self._quiet, way, self.weigh.level, self.weigh.noise)
        judged = self.judge(self.features) if self.judge else voice
        # where no echo can be, whatever speaks is somebody else
        near = judged if possible else voice
        near = self._holes.hear(self.sounding and self._quiet > 0, near, way)
        self._decay.hear(held, self._quiet, way)
        lingers = self._decay.slow
        direct = self._quiet < way + (_SLOW_EARLY if lingers else _EARLY)
        rises = self._tail.rises(direct)
        left = self.weigh.left if possible else None
        mode, evidence = self._advise(), self._evidence(voice, near)
        return Heard(residual, voice, near, possible, mode, evidence, direct, left, self._far, lingers, later, rises)

    @property
    def _far(self) -> bool:
        return self.cancels_echo or self.latency > _FAR

    def _way(self) -> int:
        """Samples that sound takes to the microphone at most. What a far end's canceller leaves seldom tells the delay;
        sound that is long in going there takes about as long to come back."""
        wanders = _WANDERS if self.cancels_echo else 0
        if self._located:
            return BLOCK + round(max(self._offset, 0)) + wanders
        back = round(2 * self.latency * RATE) + _BUFFERS
        return BLOCK + (back if self.cancels_echo and self.latency else max(_UNKNOWN + wanders, back))

    def _relocate(self, delay: int | None, moved: int, held: Samples) -> None:
        """Follow the tracker: the first delay it finds, and jumps. The path is kept, it has only been shifted."""
        if delay is None or (self._located and not moved):
            return
        target = self._offset + moved if self._located else self._start(delay)
        while target < -_LEAD:
            self.hold += 1
            target += BLOCK
        self._offset = max(0.0, target)
        self._realign()
        if not self._located:
            self.canceller.forget_path(held)
        self._located = True
        self.drift.restart()
        self.weigh.path_changed()

    def _make_room(self, delay: int | None) -> None:
        """Begin the path earlier where the loudspeaker has come nearer, by less than the tracker calls a jump: what
        comes before the path's first sample cannot be cancelled."""
        if delay is None or not self._located:
            return
        early = min(round(self._offset - self._start(delay)), int(self._offset))
        if early < _LEAD // 2:
            return
        self._offset -= early
        self.canceller.shift(early)
        self._realign()

    def _start(self, delay: int) -> int:
        """Where the path of an echo with this delay begins: samples ago in the reference."""
        return delay - _LEAD + self.hold * BLOCK

    def _realign(self) -> None:
        """Give the canceller the reference from the new place on, up to the block before this one."""
        self.canceller.align(self.playback.read(self._offset + BLOCK, BLOCK * (self.canceller.partitions + 1)))

    def _slide(self) -> None:
        residual, echo = self.canceller.spectra
        move = self.drift.hear(echo, residual)
        self._offset = max(0.0, self._offset + move + self.drift.rate * BLOCK)

    def _cancel(self, held: Samples, aligned: Samples) -> tuple[Samples, Samples]:
        """Residual and predicted echo; the microphone as it is while no echo was found or the canceller adds sound."""
        silence = np.zeros(BLOCK, np.float32)
        if not self._located:
            return held, silence
        residual, echo = self.canceller.hear(held, aligned)
        self._slide()
        self._before += 0.15 * (float(held @ held) - self._before)
        self._after += 0.15 * (float(residual @ residual) - self._after)
        adds = self._after > 1.25 * self._before + 1e-6
        self._worse = self._worse + 1 if adds else max(0, self._worse - 2)
        if self._worse > _HOPELESS:
            self.canceller.forget_path(held)
            self._worse = 0
        return (held, silence) if adds else (residual, echo)

    def _hear_voice(self, residual: Samples) -> float:
        if self._pending is None:
            self._pending = residual
        else:
            chunk = np.concatenate((self._pending, residual))
            self._voice = self.voice_activity(chunk[:CHUNK])
            self._pending = None
        return self._voice

    def _advise(self) -> Mode:
        # an echo that does not stand out of the noise needs no cancelling
        if self.weigh.erle > _GOOD or (self.weigh.heard > 5 and self.weigh.over_noise < 6):
            self._mode = "full"
        elif self.weigh.erle < _POOR and self.weigh.over_noise > 9:
            self._mode = "guarded"
        return self._mode

    def _evidence(self, voice: float, near: float) -> dict[str, float]:
        look = self.tracker.look
        return {
            "near": round(near, 3),
            "voice": round(voice, 3),
            "erle_db": round(self.weigh.erle, 1),
            "echo_over_noise_db": round(self.weigh.over_noise, 1),
            "left_over_usual_db": round(self.weigh.excess, 1),
            "delay_ms": round((self._offset + _LEAD) * 1000 / RATE - 16 * self.hold, 1) if self._located else -1.0,
            "drift_ppm": round(self.drift.rate * 1e6, 1),
            "held_ms": 16.0 * self.hold,
            "correlation": round(look.peak, 1),
            "residual_correlation": round(look.residual, 1),
        }
