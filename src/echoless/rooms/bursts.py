"""When the agent is audible: bursts of `speaker.wav`, found as they happen. The room and the scorer share it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from echoless.frames import RATE, Samples

FRAME = RATE // 100
"""Samples of a 10 ms frame."""
AUDIBLE_DBFS = -60.0
MERGE_SECONDS = 0.8
_MERGE = round(MERGE_SECONDS * 100)


def frame_levels(x: Samples) -> np.ndarray:
    """Level in dBFS of each whole 10 ms frame, floored at -120: float64, shape (len(x) // 160,)."""
    whole = len(x) // FRAME
    power = np.mean(np.square(x[: whole * FRAME].reshape(whole, FRAME), dtype=np.float64), axis=1)
    return 10 * np.log10(power + 1e-12)


def runs(on: np.ndarray) -> list[tuple[int, int]]:
    """[begin, end) of each run of true frames in `on`, bool of shape (frames,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]]).astype(np.int8))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


@dataclass(slots=True)
class Burst:
    """Frames [begin, end) of one audible burst; `end` is None while it goes on."""

    begin: int
    end: int | None = None


class BurstFinder:
    """A burst begins with 3 audible frames among 5 and ends before 0.8 s without any."""

    def __init__(self, audible_dbfs: float = AUDIBLE_DBFS) -> None:
        self.bursts: list[Burst] = []
        self._audible_dbfs = audible_dbfs
        self._recent: deque[bool] = deque(maxlen=5)
        self._quiet = 0
        self._frame = 0
        self._rest: Samples = np.zeros(0, np.float32)

    def feed(self, x: Samples) -> None:
        """More of what was played: float32 at 16 kHz, any length."""
        x = np.concatenate([self._rest, x])
        frames = len(x) // FRAME
        self._rest = x[frames * FRAME :]
        heard = frame_levels(x) > self._audible_dbfs if x.any() else np.zeros(frames, bool)
        for audible in heard.tolist():
            self._step(audible)

    def _step(self, audible: bool) -> None:
        self._recent.append(audible)
        now = self._frame
        self._frame += 1
        if self.bursts and self.bursts[-1].end is None:
            self._quiet = 0 if audible else self._quiet + 1
            if self._quiet >= _MERGE:
                self.bursts[-1].end = now + 1 - self._quiet
                self._recent.clear()
        elif sum(self._recent) >= 3:
            first = now - len(self._recent) + 1 + list(self._recent).index(True)
            self.bursts.append(Burst(first))
            self._quiet = 0 if audible else 1

    def finish(self) -> list[Burst]:
        """All bursts, a last open one ended with its last audible frame."""
        if self.bursts and self.bursts[-1].end is None:
            self.bursts[-1].end = self._frame - self._quiet
        return self.bursts
