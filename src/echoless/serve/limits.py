"""How much a stranger may ask for: token buckets. Pure: whoever asks gives the time."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Allows `rate` things a second on average and `burst` at once."""

    rate: float
    burst: float
    _left: float = -1.0
    _seen: float = 0.0

    def take(self, now: float) -> bool:
        """Whether one more is allowed at `now` (seconds of any clock that only rises)."""
        left = self.burst if self._left < 0 else min(self.burst, self._left + (now - self._seen) * self.rate)
        self._seen = now
        allowed = left >= 1
        self._left = left - 1 if allowed else left
        return allowed


class Buckets:
    """One bucket an address. Remembers the `most` latest addresses, so that it cannot be made to grow."""

    def __init__(self, rate: float, burst: float, most: int = 1024) -> None:
        self._rate, self._burst, self._most = rate, burst, most
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, address: str, now: float) -> bool:
        """Whether one more is allowed from `address` at `now`."""
        bucket = self._buckets.pop(address, None) or Bucket(self._rate, self._burst)
        self._buckets[address] = bucket
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return bucket.take(now)
