"""Is the reference lost while the agent speaks? What is heard of it meanwhile is nobody else."""

from __future__ import annotations

from collections import deque

from echoless.frames import BLOCK, RATE

_LEAST, _MOST = 3, 63
"""Blocks that make a hole: what is heard of a shorter one is no voice, and without any for longer there is no
reference."""
_FADES = int(0.16 * RATE)
"""Samples after a hole's direct sound in which the room still tells of it."""


class Holes:
    """Watches a reference for pieces that are missing from it."""

    def __init__(self) -> None:
        self._length = 0
        self._since = 10 * RATE
        self._before = deque([0.0] * _LEAST, maxlen=_LEAST)

    def hear(self, lost: bool, near: float, way: int) -> float:
        """The probability of near-end speech in one block, where sound takes `way` samples to the microphone at most:
        `near`, and while a hole is heard no more than it was before.

        `lost`: the reference is silent though the agent sends sound. One that comes later than that seems to have a
        hole as a reply begins: no echo is heard by then, either.
        """
        self._length = self._length + 1 if lost else 0
        self._since = 0 if _LEAST <= self._length <= _MOST else self._since + BLOCK
        if self._since < way + _FADES:
            return min(near, self._before[0])
        self._before.append(near)
        return near
