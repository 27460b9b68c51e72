"""Which part of what was played belongs to which part of what was heard, from two converters' time stamps.

A reference that comes after its echo cannot cancel it, one that comes early only costs the canceller some taps. So
the microphone sample captured at time t gets the loudspeaker sample that is played at t + `EARLY`. Time stamps
jitter by milliseconds and the two converters may run on different clocks; an adaptive filter wants neither jitter nor
steps. Hence: time stamps are smoothed into one straight line a converter (offset and drift), the reading position
then runs by sample counting, follows a drift that is certain by interpolation, and jumps only where it is wrong by a
lot or where nobody hears it: in silence.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from echoless.frames import Samples
from echoless.lines.rings import Mark, Ring

EARLY = 0.020
"""Seconds that the reference comes before its echo at the least; more than the time stamps' error."""
_WILD = 0.03
"""Seconds beside the line that are no jitter but a gap in the stream."""
_WRONG = 0.005
"""Seconds of error that are borne: PulseAudio's time stamps wander by so much, and any correction costs."""
_STEADY = 15e-6
"""Drift below this is taken for none: one clock."""


class ClockLine:
    """Sample number to time: where a stream's time stamps lie on average, and how fast its clock runs.

    Time stamps are averaged by the second. The offset is the median of the last five; a drift is believed only
    once it stands out from half a minute's wandering (three standard errors of the slope, the wandering's own
    correlation allowed for).
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self.drift = 0.0
        """Seconds that a second of samples lasts longer than it should (1e-6: one ppm)."""
        self._seconds: deque[tuple[float, float]] = deque(maxlen=180)
        self._sum = np.zeros(3)
        self._zero: Mark | None = None
        self._anchor = 0.0, 0.0
        self._last = -1
        self._astray = 0

    @property
    def known(self) -> bool:
        return self._zero is not None

    def observe(self, mark: Mark) -> None:
        if self._zero is None or self._astray >= 10:  # the first of all, or the first after a gap
            self._zero, self._anchor, self.drift, self._astray = mark, (0.0, 0.0), 0.0, 0
            self._seconds.clear()
            self._sum[:] = 0
        if mark.position <= self._last:
            return
        self._last = mark.position
        at = (mark.position - self._zero.position) / self._rate
        offset = mark.time - self._zero.time - at
        self._astray = self._astray + 1 if abs(mark.time - self.time_at(mark.position)) > _WILD else 0
        if self._astray:
            return
        self._sum += 1, at, offset
        if not self._seconds:
            self._anchor = self._sum[1] / self._sum[0], self._sum[2] / self._sum[0]
        if at - self._sum[1] / self._sum[0] > 0.5:
            self._seconds.append((self._sum[1] / self._sum[0], self._sum[2] / self._sum[0]))
            self._sum[:] = 0
            self._fit()

    def _fit(self) -> None:
        points = np.array(self._seconds)
        recent = points[-5:]
        if len(points) >= 30:
            slope, level = np.polyfit(points[:, 0], points[:, 1], 1)
            rest = points[:, 1] - slope * points[:, 0] - level
            spread = np.sqrt(np.sum((points[:, 0] - points[:, 0].mean()) ** 2) + 1e-9)
            doubt = 3 * 3 * rest.std() / spread
            self.drift = float(slope) if abs(slope) > max(_STEADY, doubt) else 0.0
        middle = float(recent[:, 0].mean())
        self._anchor = middle, float(np.median(recent[:, 1] - self.drift * (recent[:, 0] - middle)))

    def time_at(self, position: float) -> float:
        assert self._zero is not None
        at = (position - self._zero.position) / self._rate
        return self._zero.time + at + self._anchor[1] + self.drift * (at - self._anchor[0])

    def position_at(self, time: float) -> float:
        assert self._zero is not None
        middle, offset = self._anchor
        at = (time - self._zero.time - offset + self.drift * middle) / (1 + self.drift)
        return self._zero.position + at * self._rate


class ReferenceReader:
    """Reads from the history of what was played the part that goes with a part of the microphone.

    `same_clock`: both directions come from one callback, whose samples belong together as they are: the reference
    is early by the sound card's round trip and nothing has to be estimated.
    """

    def __init__(self, rate: int, same_clock: bool = False) -> None:
        self._rate = rate
        self._same_clock = same_clock
        self.heard, self.played = ClockLine(rate), ClockLine(rate)
        self.position: float | None = None
        self.jumps = 0
        self._wrong = self._off = 0
        self._steering = False

    def read(self, history: Ring, start: int, count: int, others: bool = False) -> Samples:
        """float32 `(count,)`: the reference for the microphone's samples from `start` on.

        `others`: more than `history` is heard now (other programs), so that its silence hides no jump.
        """
        if self._same_clock:
            return history.read(start, count)
        if not (self.heard.known and self.played.known):
            return history.read(history.written - count, count)
        want = self.played.position_at(self.heard.time_at(start) + EARLY)
        at, step = self._follow(history, want, count, others)
        self.position = at + count * step
        if step == 1.0 and at == int(at):
            return history.read(int(at), count)
        return _interpolate(history, at + step * np.arange(count))

    def _follow(self, history: Ring, want: float, count: int, others: bool) -> tuple[float, float]:
        """Where to read from, and how far to go on for each sample."""
        at = self.position
        newest = history.written - count - 4  # the future is not known
        want = min(want, newest - (0.0 if at is None else EARLY * self._rate))
        error = 0.0 if at is None else (want - at) / self._rate
        self._wrong = self._wrong + 1 if error > 0.9 * EARLY or error < -_WILD else 0
        self._off = self._off + 1 if abs(error) > _WRONG else 0
        free = self._off > 30 and at is not None and not others and self._quiet(history, at, want, count)
        if at is None or at > newest or self._wrong > 12 or free:
            self._wrong, self._off, self._steering = 0, 0, False
            self.jumps += at is not None
            return float(round(want)), 1.0
        self._steering = abs(error) > (_WRONG / 5 if self._steering else _WRONG)
        step = 1.0 + self.heard.drift - self.played.drift
        if self._steering:
            step += 1e-4 if error > 0 else -1e-4
        return at, step

    def _quiet(self, history: Ring, at: float, want: float, count: int) -> bool:
        """Whether nothing was played on either side of a jump, for long enough that its echo has died away."""
        begin = round(min(at, want)) - self._rate // 3
        end = round(max(at, want)) + count
        return not history.read(begin, end - begin).any()


def _interpolate(history: Ring, positions: np.ndarray) -> Samples:
    """Catmull-Rom through four neighbours: at 48 kHz transparent for the ears' 8 kHz."""
    first = int(np.floor(positions[0])) - 1
    x = history.read(first, int(np.floor(positions[-1])) + 3 - first)
    whole = np.floor(positions).astype(np.int64)
    f = (positions - whole).astype(np.float32)
    i = whole - first
    a, b, c, d = x[i - 1], x[i], x[i + 1], x[i + 2]
    return b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)))
