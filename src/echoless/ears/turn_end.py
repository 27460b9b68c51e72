"""When a pause is the end of a turn: how long to wait, given the sound of the voice and the words so far.

A silence timer alone cuts people off or keeps them waiting: pauses inside sentences (0.2-1 s) are as long as gaps
between speakers (Heldner and Edlund, 2010; Skantze, 2021). So sound (`SmartTurn`) and words (`completeness`) are
asked once the user falls silent, and their answer says how much silence is enough. Tuned by
`python -m echoless.bench.turn_end`; figures in docs/log/turn_end.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from echoless.ears.backchannel import Said, kind, only_filler
from echoless.ears.complete_words import complete
from echoless.ears.door import TurnEnd
from echoless.ears.words import tokens
from echoless.frames import Samples

ASK_AFTER = 0.16
"""Seconds of silence after which `TurnEnd.finished` is asked: nothing starts before."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds of silence since the last sample of the user's speech that are enough.

    `reply`: to start a reply that can still be taken back; never after `end`: to let it be heard.
    """

    reply: float
    end: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """Silence that is enough, in seconds, and the probability that is worth starting a reply for."""

    sure: float = 0.40
    """When the turn surely is complete."""
    unsure: float = 2.20
    """When it surely is not: longer than people hesitate in mid-sentence."""
    likely: float = 0.3


def patience(finished: float, tuning: Tuning | None = None) -> Patience:
    """How long to wait for a user who went silent; `finished` is what `TurnEnd.finished` said, 0..1."""
    tuning = tuning or Tuning()
    p = finished if 0.0 <= finished <= 1.0 else 0.5
    end = tuning.sure + (tuning.unsure - tuning.sure) * (1.0 - p)
    return Patience(ASK_AFTER if p >= tuning.likely else max(ASK_AFTER, end - 0.3), end)


class WordsOnly:
    """`TurnEnd` without a model of the voice: how complete the words look, and nothing else."""

    def finished(self, speech: Samples, text: str, language: str | None = None) -> float:
        return completeness(text)

    def close(self) -> None:
        """Nothing to let go of."""


class FakeTurnEnd:
    """`TurnEnd` that answers what it is told, for tests: one probability, or one for each text."""

    def __init__(self, probability: float = 0.9, texts: dict[str, float] | None = None) -> None:
        self.probability, self.texts = probability, texts or {}

    def finished(self, speech: Samples, text: str, language: str | None = None) -> float:
        return self.texts.get(text, self.probability)

    def close(self) -> None:
        """Nothing to let go of."""


def completeness(text: str) -> float:
    """How complete `text` looks as something to answer, 0..1; 0.5 when there are no words. English and Mandarin."""
    if not tokens(text):
        return 0.5
    if only_filler(text) or text.rstrip().endswith(("...", "…", "-", "—")):
        return 0.05
    if kind(text) in (Said.BACKCHANNEL, Said.STOP):  # "yes", "no": whole turns, though sentences begin so too
        return 0.75
    return complete(text)


ENOUGH = 3.7
"""Evidence, in summed log odds of voice and words, at which finished and unfinished are even. That it is far above
zero is the price of a cut-off: both models are sure of too many hesitations."""
STEEP = 2.0
"""How quickly the answer turns around that."""


def fused(sound: float, text: str) -> float:
    """The probability of a finished turn from the voice's, 0..1, and the words': their log odds added up."""
    return _logistic(STEEP * (_odds(sound) + _odds(completeness(text)) - ENOUGH))


def _odds(p: float) -> float:
    p = min(max(p, 0.01), 0.99) if math.isfinite(p) else 0.5
    return math.log(p / (1.0 - p))


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def open_turn_end() -> TurnEnd:
    """The best `TurnEnd` that is installed: Smart Turn with words, or words alone. Needs no network, never fails."""
    from echoless.ears.smart_turn import SmartTurn, SmartTurnError

    try:
        return SmartTurn()
    except SmartTurnError:
        return WordsOnly()
