"""How long our own sound can outlast its cause in a room, told by listening: a tail only ever falls."""

from __future__ import annotations

from collections import deque
from math import log10
from statistics import median

import numpy as np

from echoless.frames import BLOCK, RATE, Samples

LEAST = int(0.3 * RATE)
"""Samples of reverberation that are reckoned with anywhere."""
MOST = int(0.7 * RATE)
"""Samples more, in a room whose level goes on falling."""
RISE = 5.0
"""dB over its lowest by which the level must rise to be somebody else: broad-band decays wander less."""
OVER_NOISE = 3.0
"""dB over the noise under which a tail is over."""
_RISES = 1.0
"""dB by which the level rises at least where somebody begins to speak into a tail."""
_NEWEST = 0.35
"""Weight of the newest block in the level: about 50 ms."""


class Tail:
    """Whether an echo can still be heard, block by block."""

    def __init__(self) -> None:
        self._level = -90.0
        self._low = np.inf
        self._over = False
        self._least = np.inf

    def rises(self, direct: bool) -> bool:
        """Whether the level has risen since the direct sound of our echo was over, in the block that was taken last:
        a room only lets it fall."""
        self._least = np.inf if direct else min(self._least, self._level)
        return self._level > self._least + _RISES

    def hear(self, quiet: int, way: int, level: float, noise: float) -> bool:
        """Take one block. `quiet`: samples since our last sound; `way`: samples that sound takes to the microphone at
        most; `level` and `noise`: of the microphone now and of the room, dB."""
        self._level += _NEWEST * (level - self._level)
        least = way + LEAST
        if quiet == 0:
            self._low, self._over = np.inf, False
            return True
        if quiet >= least:
            risen = self._level > self._low + RISE
            faded = self._level < noise + OVER_NOISE
            self._over = self._over or risen or faded or quiet >= least + MOST
        self._low = min(self._low, self._level)
        return not self._over


FROM, TO = int(0.064 * RATE), int(0.224 * RATE)
"""Samples after the last direct sound between which the microphone's level is watched as it falls."""
SLOW, FAST, LEAST_FALL = 13.0, 16.0, 5.0
"""dB by which it falls within these in a room of 0.8 s, and of 0.6 s; and under which somebody speaks into it."""
_OVER_FLOOR = 6.0
"""dB over the lowest level of the last seconds from which on it is the room that is heard, not its noise."""
_CREEP = 0.02
"""dB a block by which that lowest level is let rise: 1.25 dB a second."""
_SEEN, _ENOUGH, _MANY = 8, 2, 7


class Decay:
    """Whether a room reverberates for so long that what comes right after our last sound proves nobody."""

    def __init__(self) -> None:
        self._level = self._floor = 0.0
        self._from: float | None = None
        self._falls: deque[float] = deque(maxlen=_SEEN)

    @property
    def slow(self) -> bool:
        """True where sound falls slowly as a rule: one fall that is fast, of few, is a room that lets it."""
        falls = sorted(self._falls)
        return len(falls) >= _ENOUGH and falls[-1 - len(falls) // _MANY] < FAST and median(falls) < SLOW

    def hear(self, microphone: Samples, quiet: int, way: int) -> None:
        """Take one block, float32 (256,). `quiet`: samples since our last sound; `way`: samples that sound takes."""
        now = 10 * log10(float(microphone @ microphone) / BLOCK + 1e-10)
        self._level += _NEWEST * (now - self._level)
        self._floor = min(self._floor + _CREEP, self._level)
        if quiet < way + FROM:
            self._from = None
        elif self._from is None and quiet < way + FROM + BLOCK:
            self._from = self._level
        elif self._from is not None and quiet >= way + TO:
            fall = self._from - self._level
            if fall >= FAST or (fall >= LEAST_FALL and self._level > self._floor + _OVER_FLOOR):
                self._falls.append(fall)
            self._from = None
