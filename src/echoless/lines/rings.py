"""The buffers between a sound card's callbacks and a call. Pure: no sound card, no clock, no lock.

One thread writes a ring, another reads it. Counters only grow and are written after the samples they count, which
under Python's global lock is all the care that is needed; the callbacks copy and count, nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from echoless.frames import Samples

STEADY = 20.0
"""Seconds of the agent's speech without a gap after which a queue that has grown is made shorter."""


class Mark(NamedTuple):
    """Sample number `position` of a stream passes its converter at `time` (seconds of the sound card's clock)."""

    position: int
    time: float


class Ring:
    """The last `size` samples of a stream, by absolute sample number."""

    def __init__(self, size: int) -> None:
        self._data = np.zeros(size, np.float32)
        self.written = 0

    @property
    def size(self) -> int:
        return len(self._data)

    def write(self, samples: Samples) -> None:
        samples = samples[-self.size :]
        at = self.written % self.size
        first = min(len(samples), self.size - at)
        self._data[at : at + first] = samples[:first]
        self._data[: len(samples) - first] = samples[first:]
        self.written += len(samples)

    def read(self, start: int, count: int) -> Samples:
        """A copy of samples `start` to `start + count`; zeros where there is nothing (any more, or yet)."""
        out = np.zeros(count, np.float32)
        begin = max(start, self.written - self.size, 0)
        end = min(start + count, self.written)
        if begin < end:
            places = np.arange(begin, end) % self.size
            out[begin - start : end - start] = self._data[places]
        return out

    def take_back(self, count: int) -> int:
        """Forget the newest `count` samples; how many there were to forget. The writer must be at rest."""
        count = max(0, min(count, self.written, self.size))
        self.written -= count
        return count


class Capture:
    """The microphone's side: what came in and when."""

    def __init__(self, rate: int) -> None:
        self.ring = Ring(4 * rate)
        self.mark: Mark | None = None
        self.overflows = 0
        self._reported = 0
        self.taken = 0

    def put(self, samples: Samples, adc_time: float, overflow: bool) -> None:
        """From the callback: float32, one channel."""
        self.overflows += overflow
        self.mark = Mark(self.ring.written, adc_time)
        self.ring.write(samples)

    @property
    def ready(self) -> int:
        return self.ring.written - self.taken

    def take(self, count: int) -> tuple[int, Samples, int]:
        """Number of the first sample, the next `count` samples, and how many were lost before them.

        How much a sound card drops in an overflow it does not say: each counts as one sample.
        """
        lost = max(0, self.ready - self.ring.size)
        start = self.taken + lost
        self.taken = start + count
        fresh, self._reported = self.overflows - self._reported, self.overflows
        return start, self.ring.read(start, count), lost + fresh


class Playback:
    """The loudspeaker's side: what waits, what was handed over and when it is heard.

    The queue absorbs the call's unevenness: it is kept `target` samples deep. What a stall has put on top is given
    back in the agent's pauses, and so is the drift between two sound cards; beyond 0.2 s it is dropped. Each time
    it runs dry while the agent is heard the target grows by a block, up to 0.1 s; after each `STEADY` of the agent's
    speech in which it did not, it goes down by one again, not below what was wanted at first.
    """

    def __init__(self, rate: int, block: int, target: int) -> None:
        self.queue = Ring(2 * rate)
        self.history = Ring(4 * rate)
        """All that was handed to the sound card, silence for want of sound included."""
        self.mark: Mark | None = None
        self.underruns = 0
        self.dropped = 0
        self._block, self._limit = block, rate // 5
        self.target = self._least = min(target, self._limit // 2)
        self._steady, self._wanted = 0, round(STEADY * rate)
        self._taken = 0
        self._skip_to = 0
        self._running = False
        self._audible = False
        self._dry = False

    @property
    def waiting(self) -> int:
        """Samples queued and not yet handed over."""
        return self.queue.written - max(self._taken, self._skip_to)

    def push(self, block: Samples, backlog: int) -> None:
        """One block from the call. `backlog`: microphone samples it has still to catch up on."""
        silent = not block.any()
        self._audible = not silent
        if self._dry:
            self._dry, self._steady = False, 0
            self.target = min(self.target + self._block, self._limit // 2)
        elif self._audible:
            self._steady += self._block
        if self._steady >= self._wanted:
            self._steady, self.target = 0, max(self._least, self.target - self._block)
        wanting = self.target - self.waiting - max(0, backlog)
        if not self._running or (wanting > 0 and (silent or not self.waiting)):
            self.queue.write(np.zeros(max(0, wanting), np.float32))
            self._running = True
        elif silent and self.waiting >= self.target + self._block:
            return
        elif self.waiting + self._block > self._limit:
            self.dropped += self._block
            return
        self.queue.write(block)

    def pull(self, count: int, dac_time: float) -> Samples:
        """From the callback: what to play now."""
        start = max(self._taken, self._skip_to)
        there = min(count, self.queue.written - start)
        out = self.queue.read(start, count)
        if there < count:
            out[there:] = 0.0
            if self._audible and not self._dry:
                self.underruns += 1
                self._dry = True
        self._taken = start + there
        self.mark = Mark(self.history.written, dac_time)
        self.history.write(out)
        return out

    def flush(self) -> int:
        """Drop what waits; how many samples that were. The callback may be running."""
        dropped = self.waiting
        self._skip_to = self.queue.written
        self._running = self._audible = False
        return dropped
