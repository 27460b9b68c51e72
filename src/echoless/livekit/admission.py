"""Whether a worker takes one more conversation: only if what is measured says that all of them stay quick. Pure.

Three things are watched, by whoever calls `observe` about once a second: how many cores are busy and how many a
conversation takes of them; how long callers wait for an answer (p95 over all conversations here, the last minutes);
and how far behind real time the audio is handled. Processors are the early sign, the others the proof.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FIRST_GUESS = 0.35
"""Cores that a conversation is reckoned to take before one was measured (docs/scale.md)."""
ASKED, FULL = 0.6, 0.69
"""The most load that a worker with room tells, and what one without tells."""
_FORGET = 0.2
"""Weight of the newest measurement of what a conversation takes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`cores` of this machine, the share `busy` of them that may be in use, and the worst that callers may meet:
    `answer` seconds to an answer and `lag` seconds behind real time, both at p95. At most `most` conversations."""

    cores: float
    busy: float = 0.8
    answer: float = 2.5
    lag: float = 0.1
    most: int = 1_000


@dataclass(frozen=True, slots=True)
class Report:
    """What one conversation says of itself. `answers`: seconds of its latest answers; `lags`: seconds by which the
    audio was behind, lately; `cores`: what its process takes."""

    answers: Sequence[float] = ()
    lags: Sequence[float] = ()
    cores: float = 0.0


class Headroom:
    """What is left. `reserved` conversations were let in but do not report yet: they count with the usual cost."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.cost = FIRST_GUESS
        """Cores that a conversation takes."""
        self.busy = 0.0
        """Cores in use now, by everything on this machine."""
        self.conversations = 0
        self._answers: deque[float] = deque(maxlen=60)
        self.lag = 0.0
        """Seconds behind real time, p95."""

    def observe(self, busy: float, reports: Iterable[Report]) -> None:
        """Take one measurement: cores in use on the machine, and a report of each conversation here."""
        self.busy = max(0.0, busy)
        present = list(reports)
        self.conversations = len(present)
        costs = [report.cores for report in present if report.cores > 0]
        if costs:
            self.cost += _FORGET * (sum(costs) / len(costs) - self.cost)
        self._answers.clear()
        for report in present:
            self._answers.extend(report.answers[-20:])
        self.lag = p95([lag for report in present for lag in report.lags])

    @property
    def answer(self) -> float:
        """Seconds to an answer, p95; 0 where there was none yet."""
        return p95(self._answers)

    def refusal(self, reserved: int = 0) -> str | None:
        """Why there is no room for one more, for the log; None where there is."""
        limits, coming = self.limits, (reserved + 1) * self.cost
        if self.conversations + reserved >= limits.most:
            return f"{self.conversations + reserved} conversations, and no more are allowed"
        if self.conversations + reserved == 0:
            return None  # whatever else the machine does: nobody here can be harmed by it
        if self.busy + coming > limits.busy * limits.cores:
            return f"{self.busy:.2f} of {limits.cores:g} cores are busy and one more takes {self.cost:.2f}"
        if self.answer > limits.answer:
            return f"callers wait {self.answer:.2f} s for an answer (p95)"
        if self.lag > limits.lag:
            return f"the audio is {1000 * self.lag:.0f} ms behind (p95)"
        return None

    def load(self, reserved: int = 0) -> float:
        """What LiveKit is told: 0 to `ASKED`, and a little more where there is no room for one more.

        It sends nobody to a worker at its target load of 0.7 or over, not even to one that would tell callers so.
        """
        if self.refusal(reserved):
            return FULL
        used = (self.busy + reserved * self.cost) / (self.limits.busy * self.limits.cores)
        return ASKED * min(max(used, 0.0), 1.0)


def p95(values: Iterable[float]) -> float:
    """The 95th percentile (nearest rank); 0 of nothing."""
    ordered = sorted(values)
    return ordered[math.ceil(0.95 * len(ordered)) - 1] if ordered else 0.0
