"""When the page's microphone heard what came in: arrival times, which are late at times and never early."""

from __future__ import annotations

from collections import deque

from echoless.lines.align import ClockLine
from echoless.lines.rings import Mark

_SECONDS = 10
"""How long the earliest arrival counts: a path that has grown longer is believed after so long."""


class ArrivalLine(ClockLine):
    """Sample number to time for a stream over a network: as the earliest arrival of the last ten seconds says.

    An average, as for a sound card's time stamps, would follow every delay in the network and in this process; what
    was held up least tells when it was sent. A drift shows as a slow walk of that and needs no estimate of its own.
    """

    def __init__(self, rate: int) -> None:
        super().__init__(rate)
        self._least: deque[float] = deque(maxlen=_SECONDS)
        self._second = -1

    def observe(self, mark: Mark) -> None:
        if self._zero is None:
            self._zero = mark
        at = (mark.position - self._zero.position) / self._rate
        offset = mark.time - self._zero.time - at
        if int(at) != self._second:
            self._second = int(at)
            self._least.append(offset)
        elif offset < self._least[-1]:
            self._least[-1] = offset
        self._anchor = at, min(self._least)
