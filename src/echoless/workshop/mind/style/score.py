"""Whether replies are in a style: a pure function of texts, for `judge` and for what is written as training text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from echoless.workshop.mind.style.sheet import Sheet
from echoless.workshop.mind.words import finder, sentences, units


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in one reply. `longest` in words, characters in Chinese."""

    banned: tuple[str, ...]
    marks: tuple[str, ...]
    particles: int
    sentences: int
    longest: int
    in_style: bool


@dataclass(frozen=True, slots=True)
class StyleScore:
    """Shares of replies, 0 to 1: in style; with a banned word; with a mark of the style (word or particle); with a
    sentence too long or one sentence too many. `words`: mean length of a sentence."""

    replies: int
    rate: float
    banned: float
    marked: float
    long: float
    words: float

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


def judge_reply(reply: str, style: Sheet) -> Verdict:
    """Hold one reply against the sheet. An empty reply is in no style."""
    banned = tuple(found.group() for found in finder(style.banned).finditer(reply)) if style.banned else ()
    marks = tuple(found.group() for found in finder(style.marks).finditer(reply)) if style.marks else ()
    parts = sentences(reply)
    lengths = [len(units(part)) for part in parts]
    particles = sum(_ends_with(part, style) for part in parts)
    fits = not style.sentences.longest or max(lengths, default=0) <= style.sentences.longest
    fits = fits and (not style.sentences.most or len(parts) <= style.sentences.most)
    wanted = bool(style.marks or style.particles.statement or style.particles.question)
    good = bool(parts) and not banned and fits and (bool(marks or particles) or not wanted)
    return Verdict(banned, marks, particles, len(parts), max(lengths, default=0), good)


def _ends_with(sentence: str, style: Sheet) -> bool:
    bare = re.sub(r"[\W_]+$", "", sentence)
    return bare.endswith((*style.particles.statement, *style.particles.question))


def style_rate(replies: Iterable[str], style: Sheet) -> float:
    """The share of replies in the style: nothing banned, sentences short enough, and a preferred word or particle in
    it where the sheet has any. 0 for no replies."""
    verdicts = [judge_reply(reply, style).in_style for reply in replies]
    return sum(verdicts) / len(verdicts) if verdicts else 0.0


def score(replies: Sequence[str], style: Sheet) -> StyleScore:
    """Everything `judge` shows of a style, over these replies."""
    if not replies:
        return StyleScore(0, 0.0, 0.0, 0.0, 0.0, 0.0)
    verdicts = [judge_reply(reply, style) for reply in replies]
    long = [
        (style.sentences.longest and v.longest > style.sentences.longest)
        or (style.sentences.most and v.sentences > style.sentences.most)
        for v in verdicts
    ]
    lengths = [len(units(part)) for reply in replies for part in sentences(reply)]
    count = len(replies)
    return StyleScore(
        replies=count,
        rate=sum(v.in_style for v in verdicts) / count,
        banned=sum(bool(v.banned) for v in verdicts) / count,
        marked=sum(bool(v.marks or v.particles) for v in verdicts) / count,
        long=sum(map(bool, long)) / count,
        words=sum(lengths) / len(lengths) if lengths else 0.0,
    )
