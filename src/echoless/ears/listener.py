"""Blocks with a probability of near-end speech → stretches of speech with their sound. Pure.

The listener knows nothing of words or turns. It accumulates evidence in the manner of a one-sided CUSUM test
(Page, Biometrika 1954), so that one confident block does not start a turn and a few good ones do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np

from echoless.ears.evidence import Bands
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
    begin_wary: float = 2.6
    """The same after what was only echo: the agent is not to stutter."""
    wary: int = 62
    """Blocks for which that holds."""
    begin_again: float = 1.4
    """The same within a turn that has paused."""
    keep: float = 0.35
    """Speech goes on while the probability stays over this."""
    hang: int = 8
    """Blocks under `keep` that make a pause."""
    before: int = 34
    """Blocks kept from before the detection, so that the first syllable is whole."""


_LEAD = 10
"""Blocks from before the first voiced one that belong to a word: soft consonants."""


class _Kept(NamedTuple):
    clean: Samples
    alone: bool
    """No echo was possible."""
    left: Bands | None


def _joined(kept: Sequence[_Kept]) -> Samples:
    return np.concatenate([each.clean for each in kept]) if kept else np.zeros(0, np.float32)


class Listener:
    """Feed it every block; it holds the sound of the current turn."""

    def __init__(self, tuning: Tuning | None = None) -> None:
        self.tuning = tuning or Tuning()
        self._recent: deque[_Kept] = deque(maxlen=self.tuning.before)
        self._turn: list[_Kept] = []
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
        self.risen = 0
        """Those of them in which the level was higher than since the direct sound was over: no tail is."""
        self.age = 0
        """Blocks since the turn's detection."""
        self.strength = 0.0
        """Evidence of the turn, summed over its voiced blocks."""
        self.word = 0
        """The block of the turn with which a word that began it begins, at the earliest."""
        self._voice = 0.0
        self._near = 0.0
        self._wary = 0

    def hear(
        self,
        clean: Samples,
        near: float,
        *,
        echo: bool,
        over_agent: bool,
        direct: bool = True,
        left: Bands | None = None,
        voice: float = 1.0,
        later: bool = False,
        rises: bool = False,
    ) -> Change:
        """Take one block: `clean` float32 (256,), `near` the probability of near-end speech in it, `voice` that of
        speech at all, `left` what of the echo is usually left in it, if that is known, `later` where what seemed
        to come after the echo so far may have been echo, and `rises` where it is louder than the echo has been since
        its direct sound was over."""
        kept = _Kept(clean, not echo, left)
        self._wary = max(0, self._wary - 1)
        self._recent.append(kept)
        if later and over_agent:
            self.free = self.late = self.risen = 0
        if self.open:
            self._turn.append(kept)
            self.age += 1
            if near > self.tuning.neutral:
                self.voiced += 1
                self.free += not echo
                self.late += not (echo and direct)
                self.risen += rises and not direct
                self._near += near
                self._voice += voice
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
        self._begin(echo, voice)
        return Change.BEGAN

    def _needed(self, over_agent: bool) -> float:
        if self.open:
            return self.tuning.begin_again
        if not over_agent:
            return self.tuning.begin
        return self.tuning.begin_wary if self._wary else self.tuning.begin_over_agent

    def _begin(self, echo: bool, voice: float) -> None:
        if not self.open:
            self.strength = self._evidence
            self.open = True
            self._turn = list(self._recent)
            run = max(1, round(self._evidence / self.tuning.neutral))
            self.word = max(0, len(self._turn) - run - _LEAD)
            self.voiced, self.free, self.age = run, 0 if echo else run, 0
            self.late, self.risen = self.free, 0
            self._near, self._voice = self.tuning.neutral * run, voice * run
        self.speaking, self.silence, self._evidence = True, 0, 0.0

    @property
    def sureness(self) -> float:
        """Mean probability over the voiced blocks of the turn."""
        return self._near / self.voiced if self.voiced else 0.0

    @property
    def tone(self) -> float:
        """Mean probability of speech, anybody's, over the voiced blocks of the turn."""
        return self._voice / self.voiced if self.voiced else 0.0

    @property
    def length(self) -> int:
        """Blocks of sound in the turn."""
        return len(self._turn)

    def sound(self, tail: int = 6) -> Samples:
        """The turn so far, float32 at 16 kHz, with at most `tail` blocks of the silence at its end."""
        spare = max(0, self.silence - tail)
        return _joined(self._turn[: len(self._turn) - spare] if spare else self._turn)

    def left(self, blocks: int) -> list[Bands | None]:
        """What of the echo is usually left in each of the turn's first `blocks` blocks."""
        return [kept.left for kept in self._turn[:blocks]]

    def alone(self) -> Samples:
        """The turn's blocks in which no echo was possible: whoever is heard there, the agent is not."""
        return _joined([kept for kept in self._turn if kept.alone])

    def drop_before(self, blocks: int) -> None:
        """Let go of the first `blocks` blocks: their words are known for good."""
        del self._turn[:blocks]
        self.word = max(0, self.word - blocks)

    def close(self, echo: bool = False) -> None:
        """The turn is over or was nobody's; `echo`: it was the agent's own."""
        self._wary = self.tuning.wary if echo else 0
        self.open = self.speaking = False
        self._turn = []
        self.word = 0
        self._evidence = 0.0
        self.voiced = self.free = self.late = self.risen = self.age = 0
        self.strength = 0.0
        self._near = self._voice = 0.0
