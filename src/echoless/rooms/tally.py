"""What a guard did in open loop, counted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

Z = 1.96


@dataclass(slots=True)
class Tally:
    """What a guard did at one level."""

    phrases: int = 0
    noticed: int = 0
    waits: list[float] = field(default_factory=list)
    """Seconds from the beginning of a phrase to the duck."""
    false: int = 0
    alone: float = 0.0
    """Seconds of echo with nobody speaking."""
    cost: float = 0.0
    heard: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, name) + getattr(other, name) for name in Tally.__slots__))


def bounds(hits: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % bounds of a rate."""
    if not count:
        return 0.0, 1.0
    rate, spread = hits / count, Z * Z / count
    middle = (rate + spread / 2) / (1 + spread)
    half = Z * np.sqrt(rate * (1 - rate) / count + spread / (4 * count)) / (1 + spread)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
