"""What goes wrong with the reference on its way to the ears."""

from __future__ import annotations

import numpy as np

from echoless.frames import BLOCK, RATE, Samples
from echoless.rooms.script import RoomSettings


class ReferenceFeed:
    """The reference that the ears get of what was really played: late, with holes, with lost blocks."""

    def __init__(self, room: RoomSettings, seed: int = 0) -> None:
        self._late = sorted(room.reference_late)
        self._gaps = sorted(room.reference_gaps)
        self._loss = room.reference_loss
        self._rng = np.random.default_rng([seed, 6])
        longest = int(max((ms for _, ms in self._late), default=0.0) * RATE / 1000)
        self._past = np.zeros(longest + 2 * BLOCK, np.float32)
        self._block = 0

    def __call__(self, played: Samples) -> Samples:
        """The next block as the ears get it: float32 (256,)."""
        now = self._block * BLOCK / RATE
        self._block += 1
        lost = self._loss > 0 and bool(self._rng.random() < self._loss)
        if not self._late and not self._gaps and not lost:
            return played
        self._past[:-BLOCK] = self._past[BLOCK:]
        self._past[-BLOCK:] = played
        if lost or any(second <= now < second + ms / 1000 for second, ms in self._gaps):
            return np.zeros(BLOCK, np.float32)
        late = 0
        for second, ms in self._late:
            if second <= now:
                late = int(ms * RATE / 1000)
        end = len(self._past) - late
        return self._past[end - BLOCK : end].copy()
