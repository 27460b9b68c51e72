"""When a pause is the end of a turn: how long to wait, given the sound of the voice and the words so far.

A silence timer alone cuts people off or keeps them waiting: pauses inside sentences (0.2-1 s) are as long as gaps
between speakers (Heldner and Edlund, 2010; Skantze, 2021). So sound (`SmartTurn`) and words (`completeness`) are
asked once the user falls silent, and their answer says how much silence is enough. Tuned by
`python -m echoless.rooms.bench.turn_end`; figures in docs/log/turn_end.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from echoless.ears.backchannel import only_filler
from echoless.ears.door import TurnEnd
from echoless.ears.words import is_han, tokens
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
    unsure: float = 1.60
    """When it surely is not."""
    likely: float = 0.6


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


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


_HANGING = _words(
    "a an the and but or nor so because cause if when while although though unless until since whether than then as",
    "of to in on at for with from by about into onto over under between through during without against toward like",
    "my your his her its our their this these those some any every each very really quite just also even only",
    "i we they he she you who whose which what's that's there's it's i'm you're we're they're i've we've i'd i'll",
    "we'll is are was were be been am have has had do does did will would can could should must may might",
    "um uh er erm uhm well actually basically maybe perhaps please mister mrs doctor",
)
"""Words after which an English sentence goes on."""
_MAY_END = _words(
    "of to in on at for with from by about like that it is are was do did have can you he she they me him will would",
    "could should this these so then too please maybe well",
)
"""Those of them that do end a question or an answer ("what is it for", "yes I do")."""
_ALONE = _words("please so maybe perhaps really well actually this these those")
"""Those that are a whole turn when said alone."""
_HAN_HANGING = tuple(_words(
    "和 跟 与 及 或 或者 但 但是 可是 不过 因为 所以 如果 要是 虽然 然后 而且 还有 就是 那个 这个 一个 一些 的话",
    "比如 比如说 把 被 在 从 向 给 对于 关于 我 你 他 她 我想 我要 我觉得 很 太 非常 特别 最 更 嗯 呃 额 是 有",
    "想 要 会 能",
))  # fmt: skip
_HAN_ENDING = tuple(_words("吗 呢 吧 啊 呀 了 嘛 啦 的 谢谢 再见 多少 什么 哪里 谁 几点"))
_HAN_SHORT = _words("好 对 是 有 要 会 能 嗯 行 不 没有 不是 不要")


def completeness(text: str) -> float:
    """How complete `text` looks as something to answer, 0..1; 0.5 when the words do not say. English and Mandarin."""
    words = tokens(text)
    if not words:
        return 0.5
    if only_filler(text):
        return 0.1
    mark = text.rstrip().rstrip("\"'”’）)")[-1:]
    if text.rstrip().endswith(("...", "…", "-", "—", "——")):
        return 0.1
    return _han(text, words, mark) if is_han(words[-1]) else _english(words, mark)


def _english(words: list[str], mark: str) -> float:
    last = words[-1]
    hanging = last in _HANGING and len(words) > 1
    if hanging and last in _MAY_END and mark in ".?!":
        return 0.5 if mark != "?" else 0.7
    if hanging or (len(words) == 1 and last in _HANGING - _ALONE):
        return 0.1
    if mark == ",":
        return 0.25 if len(words) > 2 else 0.5
    return {"?": 0.85, ".": 0.65, "!": 0.75}.get(mark, 0.5)


def _han(text: str, words: list[str], mark: str) -> float:
    said = "".join(words)
    if mark in "？?":
        return 0.9
    if said in _HAN_SHORT:
        return 0.8
    if said.endswith(_HAN_ENDING) and not said.endswith("的话"):
        return 0.75
    if said.endswith(_HAN_HANGING):
        return 0.15
    return {"，": 0.3, ",": 0.3, "、": 0.1, "。": 0.65, "！": 0.75}.get(mark, 0.5)


def fused(sound: float, text: str) -> float:
    """The probability of a finished turn from the voice's, 0..1, and the words'. Evidence adds up as log odds."""
    return _logistic(_odds(sound) + 0.7 * _odds(completeness(text)))


def _odds(p: float) -> float:
    p = min(max(p, 0.01), 0.99)
    return math.log(p / (1.0 - p))


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def open_turn_end() -> TurnEnd:
    """The best `TurnEnd` that is installed: Smart Turn with words, or words alone. Needs no network."""
    from echoless.ears import smart_turn

    return smart_turn.SmartTurn() if smart_turn.path() else WordsOnly()
