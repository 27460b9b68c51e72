"""How long our own sound can outlast its cause in a room, told by listening: a tail only ever falls."""

from __future__ import annotations

import numpy as np

from echoless.frames import RATE

LEAST = int(0.3 * RATE)
"""Samples of reverberation that are reckoned with anywhere."""
MOST = int(0.7 * RATE)
"""Samples more, in a room whose level goes on falling."""
RISE = 5.0
"""dB over its lowest by which the level must rise to be somebody else: broad-band decays wander less."""
OVER_NOISE = 3.0
"""dB over the noise under which a tail is over."""
_NEWEST = 0.35
"""Weight of the newest block in the level: about 50 ms."""


class Tail:
    """Whether an echo can still be heard, block by block."""

    def __init__(self) -> None:
        self._level = -90.0
        self._low = np.inf
        self._over = False

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
