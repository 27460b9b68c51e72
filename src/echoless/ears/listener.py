"""Blocks with a probability of near-end speech → stretches of speech with their sound. Pure.

The listener knows nothing of words or turns. It accumulates evidence in the manner of a one-sided CUSUM test
(Page, Biometrika 1954), so that one confident block does not start a turn and a few good ones do.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum

import numpy as np

from echoless.frames import Samples


class Change(Enum):
    """What a block changed."""

    NONE = 0
    BEGAN = 1
    STOPPED = 2


@dataclass(frozen=True, slots=True)
class Tuning:
    """Times in blocks of 16 ms; evidence in summed probability over `neutral`."""

    neutral: float = 0.5
    begin: float = 1.9
    """Evidence that starts speech while the agent is silent: about 4-5 sure blocks."""
    begin_over_agent: float = 1.2
    """The same while the agent holds the floor: it only holds its breath for it, and goes on where it was nothing."""
    begin_again: float = 1.4
    """The same within a turn that has paused."""
    keep: float = 0.35
    """Speech goes on while the probability stays over this."""
    hang: int = 8
    """Blocks under `keep` that make a pause."""
    before: int = 34
    """Blocks kept from before the detection, so that the first syllable is whole."""


class Listener:
    """Feed it every block; it holds the sound of the current turn."""

    def __init__(self, tuning: Tuning | None = None) -> None:
        self.tuning = tuning or Tuning()
        self._recent: deque[Samples] = deque(maxlen=self.tuning.before)
        self._turn: list[Samples] = []
        self._echo: deque[bool] = deque(maxlen=self.tuning.before)
        self._alone: list[bool] = []
        self._evidence = 0.0
        self.speaking = False
        self.open = False
        """Whether a turn's sound is being kept."""
        self.silence = 0
        """Blocks since the last voiced one."""
        self.voiced = 0
        """Voiced blocks of the turn."""
        self.free = 0
        """Those of them in which no echo was possible: nobody but a person can have made them."""
        self.late = 0
        """Voiced blocks into which at most the tail of an echo can have sounded."""
        self.age = 0
        """Blocks since the turn's detection."""
        self.strength = 0.0
        """Evidence of the turn, summed over its voiced blocks."""
        self._near = 0.0

    def hear(self, clean: Samples, near: float, *, echo: bool, over_agent: bool, direct: bool = True) -> Change:
        """Take one block: `clean` float32 (256,), `near` the probability of near-end speech in it."""
        self._recent.append(clean)
        self._echo.append(echo)
        if self.open:
            self._turn.append(clean)
            self._alone.append(not echo)
            self.age += 1
            if near > self.tuning.neutral:
                self.voiced += 1
                self.free += not echo
                self.late += not (echo and direct)
                self._near += near
                self.strength += near - self.tuning.neutral
        self._evidence = float(np.clip(self._evidence + near - self.tuning.neutral, 0.0, 6.0))
        if self.speaking:
            self.silence = 0 if near > self.tuning.keep else self.silence + 1
            if self.silence < self.tuning.hang:
                return Change.NONE
            self.speaking, self._evidence = False, 0.0
            return Change.STOPPED
        self.silence += 1
        if self._evidence < self._needed(over_agent):
            return Change.NONE
        self._begin(echo)
        return Change.BEGAN

    def _needed(self, over_agent: bool) -> float:
        if self.open:
            return self.tuning.begin_again
        return self.tuning.begin_over_agent if over_agent else self.tuning.begin

    def _begin(self, echo: bool) -> None:
        if not self.open:
            self.strength = self._evidence
            self.open = True
            self._turn = list(self._recent)
            self._alone = [not each for each in self._echo]
            run = max(1, round(self._evidence / self.tuning.neutral))
            self.voiced, self.free, self.age = run, 0 if echo else run, 0
            self.late = self.free
            self._near = self.tuning.neutral * run
        self.speaking, self.silence, self._evidence = True, 0, 0.0

    @property
    def sureness(self) -> float:
        """Mean probability over the voiced blocks of the turn."""
        return self._near / self.voiced if self.voiced else 0.0

    @property
    def length(self) -> int:
        """Blocks of sound in the turn."""
        return len(self._turn)

    def sound(self, tail: int = 6) -> Samples:
        """The turn so far, float32 at 16 kHz, with at most `tail` blocks of the silence at its end."""
        spare = max(0, self.silence - tail)
        blocks = self._turn[: len(self._turn) - spare] if spare else self._turn
        return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)

    def alone(self) -> Samples:
        """The turn's blocks in which no echo was possible: whoever is heard there, the agent is not."""
        blocks = [block for block, alone in zip(self._turn, self._alone, strict=True) if alone]
        return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)

    def drop_before(self, blocks: int) -> None:
        """Let go of the first `blocks` blocks: their words are known for good."""
        del self._turn[:blocks]
        del self._alone[:blocks]

    def close(self) -> None:
        """The turn is over or was nobody's."""
        self.open = self.speaking = False
        self._turn, self._alone = [], []
        self._evidence = 0.0
        self.voiced = self.free = self.late = self.age = 0
        self.strength = 0.0
        self._near = 0.0
