"""Other sound of this machine - music, a video - joins the reference, so that it is cancelled like the agent's voice.

The monitor of a sink carries everything that the loudspeaker gets: other programs' sound and our own again, later
and at another volume. Our own is known exactly and early, the monitor is neither, so the reference stays our own
and only the rest of the monitor is added: where we are silent that is all of it; where we speak, our part is found
by cross-correlation (place and gain) and subtracted. Pure: rings in, samples out.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from echoless.frames import Samples
from echoless.lines.align import ClockLine
from echoless.lines.rings import Mark, Ring

AUDIBLE = 10 ** (-60 / 20)
"""Root mean square (-60 dBFS) from which other sound counts."""
_WINDOW = 0.5
"""Seconds of our own sound that its place in the monitor is found by, as often."""
_ASTRAY = 0.08
"""Seconds that the time stamps may be wrong by."""
_WANDER, _PATIENCE = 0.008, 180
"""Seconds that they may wander, and how many readings of more they need to be believed."""
_HOLD = 5.0
"""Seconds that other sound counts as present after it was last heard."""


class Tap(Protocol):
    """Where the monitor's samples come from: written by another thread."""

    ring: Ring
    mark: Mark | None
    alive: bool

    def close(self) -> None: ...


class Monitor:
    """Adds the other sound to a reference that was read from `history` (what this process played)."""

    def __init__(self, rate: int, tap: Tap) -> None:
        self._rate, self._tap = rate, tap
        self._clock = ClockLine(rate)
        self.shift: int | None = None
        """Place of our own sample 0 in the monitor, once it was found by ear."""
        self.gain = 1.0
        self._held: int | None = None
        self._off = 0
        self._next_look = 0
        self._heard_until = -1

    @property
    def present(self) -> bool:
        """Whether other sound was there lately: only then is it worth waiting for."""
        return self._tap.alive and self._tap.ring.written < self._heard_until

    def covers(self, end: float, played: ClockLine) -> bool:
        """Whether the monitor has come as far as our own sample `end`."""
        at = self._place(end, played)
        return at is None or self._tap.ring.written >= at

    def lost_its_place(self) -> None:
        """Our samples are counted anew (a flush): find them again."""
        self.shift = self._held = None

    def join(self, own: Samples, start: float, history: Ring, played: ClockLine) -> Samples:
        """`own` (float32, read from `history` at `start`) with the other sound of the same moment added."""
        if not self._tap.alive:
            return own
        if self._tap.mark is not None:
            self._clock.observe(self._tap.mark)
        at = self._place(start, played)
        if at is None:
            return own
        if self._tap.ring.written >= self._next_look:
            self._next_look = self._tap.ring.written + round(_WINDOW * self._rate)
            self._look(round(start), history, played)
            at = self._place(start, played)
        other = self._tap.ring.read(at or 0, len(own))
        ours = float(np.sqrt(np.mean(own**2)))
        if self.shift is not None:
            other = other - self.gain * own
        elif self._near_ours(start, len(own), history):
            return own  # ours and theirs cannot be told apart yet
        if float(np.sqrt(np.mean(other**2))) > max(AUDIBLE, 0.1 * ours):
            self._heard_until = self._tap.ring.written + round(_HOLD * self._rate)
        return own + other / max(self.gain, 0.05)

    def _near_ours(self, start: float, count: int, history: Ring) -> bool:
        """Whether we played anything so close by that the time stamps may have mistaken it for this."""
        around = self._rate // 4
        return bool(history.read(round(start) - around, count + 2 * around).any())

    def _place(self, position: float, played: ClockLine) -> int | None:
        """Where our own sample `position` is in the monitor: as found by ear, else by the time stamps.

        Those wander; the place stands still until they have been far off it for a second.
        """
        if self.shift is not None:
            return round(position) + self.shift
        if not (played.known and self._clock.known):
            return None
        told = self._clock.position_at(played.time_at(position)) - position
        if self._held is None or self._off > _PATIENCE:
            self._held, self._off = round(told), 0
        self._off = self._off + 1 if abs(told - self._held) > _WANDER * self._rate else 0
        return round(position) + self._held

    def _look(self, start: int, history: Ring, played: ClockLine) -> None:
        """Find the last half second of our own sound in the monitor, if there was any."""
        count, spare = round(_WINDOW * self._rate), round(_ASTRAY * self._rate)
        begin = start - count - 2 * spare
        own = history.read(begin, count)
        place = self._place(begin, played)
        if place is None or float(np.sqrt(np.mean(own**2))) < 10 * AUDIBLE:
            return
        there = self._tap.ring.read(place - spare, count + 2 * spare)
        size = 1 << (len(there) + count - 1).bit_length()
        cross = np.fft.irfft(np.fft.rfft(there, size) * np.conj(np.fft.rfft(own, size)), size)[: 2 * spare + 1]
        best = int(np.argmax(cross))
        match, power = there[best : best + count], float(np.sum(own**2))
        likeness = cross[best] / np.sqrt(power * float(np.sum(match**2)) + 1e-12)
        if likeness > 0.5:
            self.shift = place - spare + best - begin
            self.gain = float(np.clip(cross[best] / power, 0.05, 4.0))
        elif likeness < 0.3:  # not there any more: better none of it than ours twice
            self.shift = None
