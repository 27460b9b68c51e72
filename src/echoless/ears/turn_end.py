"""When a pause is the end of a turn: how long to wait, given the sound of the voice and the words so far.

A silence timer alone cuts people off or keeps them waiting: pauses inside sentences (0.2-1 s) are as long as gaps
between speakers (Heldner and Edlund, 2010; Skantze, 2021). So sound (`SmartTurn`) and words (`completeness`) are
asked once the user falls silent, and the sound again as the silence grows, when it is surer. Pauses die out about
exponentially, so every bit of evidence for an end is worth the same time: the silence that is enough falls with its log
odds. Tuned by `python -m echoless.bench.turn_end`; figures in docs/log/turn_end.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from echoless.ears.backchannel import Said, kind, only_filler
from echoless.ears.complete_words import complete
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
    """Silence that is enough, in seconds: `even` where the turn is as likely complete as not, `slope` less for each
    unit of log odds more, within `sure` and `unsure`."""

    sure: float = 0.40
    even: float = 0.65
    unsure: float = 1.60
    slope: float = 0.60
    ahead: float = 0.9
    """Seconds before that at which a reply is begun: what mind and voice take to its first sound."""


TUNINGS = {
    "quick": Tuning(sure=0.35, even=0.45, unsure=1.20),
    "normal": Tuning(),
    "patient": Tuning(sure=0.60, even=1.40, unsure=2.50, slope=0.35),
}
"""What the setting `patience` may be."""


def patience(finished: float, tuning: Tuning | None = None) -> Patience:
    """How long to wait for a user who went silent; `finished` is what `TurnEnd.finished` said, 0..1."""
    tuning = tuning or Tuning()
    p = finished if 0.0 <= finished <= 1.0 else 0.5
    end = min(max(tuning.even - tuning.slope * _odds(p), tuning.sure), tuning.unsure)
    return Patience(max(ASK_AFTER, end - tuning.ahead), end)


class WordsOnly:
    """`TurnEnd` without a model of the voice: how complete the words look, and nothing else."""

    def sounds_finished(self, speech: Samples) -> float:
        return 0.5

    def finished(self, sound: float, text: str, language: str | None = None) -> float:
        return completeness(text)

    def close(self) -> None:
        """Nothing to let go of."""


class FakeTurnEnd:
    """`TurnEnd` that answers what it is told, for tests: one probability, or one for each text."""

    def __init__(self, probability: float = 0.9, texts: dict[str, float] | None = None) -> None:
        self.probability, self.texts = probability, texts or {}

    def sounds_finished(self, speech: Samples) -> float:
        return self.probability

    def finished(self, sound: float, text: str, language: str | None = None) -> float:
        return self.texts.get(text, self.probability)

    def close(self) -> None:
        """Nothing to let go of."""


_GOES_ON = (",", "，", "、", "...", "…", "-", "—")
"""Marks with which a recogniser ends what it does not take for a sentence. Its full stop says nothing: it ends whatever
it is given with one, but where it writes a comma, speech went on in each of 13 recordings."""


def completeness(text: str) -> float:
    """How complete `text` looks as something to answer, 0..1; 0.5 when there are no words. English and Mandarin."""
    if not tokens(text):
        return 0.5
    if only_filler(text) or text.rstrip().endswith(_GOES_ON):
        return 0.05
    if kind(text) in (Said.BACKCHANNEL, Said.STOP):  # "yes", "no": whole turns, though sentences begin so too
        return 0.75
    return complete(text)


EVEN = 2.8
"""Evidence, in log odds, at which finished and unfinished are even: the voice is sure of too many pauses."""


def fused(sound: float, text: str) -> float:
    """The probability of a finished turn from the voice's, 0..1, and the words': their log odds added up."""
    return _logistic(_odds(sound) + _odds(completeness(text)) - EVEN)


def _odds(p: float) -> float:
    p = min(max(p, 0.01), 0.99) if math.isfinite(p) else 0.5
    return math.log(p / (1.0 - p))


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


UNHEARD = _logistic(EVEN)
"""What stands for the voice's answer until it has come: it speaks neither for an end nor against one."""
