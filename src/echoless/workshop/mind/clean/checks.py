"""What is left out, message by message: each check gives a reason or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from echoless.mind.lexicon import Lexicon
from echoless.workshop.mind.form import Message
from echoless.workshop.mind.words import units

_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,200}>|\{\{|\}\}|&[a-z]{2,6};|\[/?[A-Z]{2,10}\]")
_CODE = re.compile(
    r"(?m)^\s*(?:def |class |import |from \w+ import|#include|public |function |var |const |SELECT )|[;{}]\s*$"
)
_RUN = re.compile(r"(\w)\1{9,}|(\w\S{1,7}?)\2{7,}")

REASONS = {
    "damaged": "characters that could not be read",
    "language": "another language than was asked for",
    "long": "a turn longer than --longest",
    "markup": "code, tags or tables",
    "garbled": "the same again and again, or hardly a letter",
    "nsfw": "words of the lexicon",
    "unfit": "the tone, by the classifier (only where --drop unfit asks for it)",
    "private": "what identifies people (only where --drop private asks for it; otherwise it is replaced)",
    "one-sided": "nothing said, or nothing answered",
    "duplicate": "said in the same words before",
    "near-duplicate": "said in nearly the same words before",
}
"""Why something is left out."""
UNASKED = ("unfit", "private")
"""Reasons that do not count unless they are asked for."""


@dataclass(frozen=True)
class Limits:
    """Longest turn in words (Chinese: characters); the lexicon; how many different mild words are too many."""

    longest: int
    lexicon: Lexicon
    mild: int = 3
    unfit: float = 0.5


def check(message: Message, limits: Limits, wanted: Callable[[str], bool]) -> str:
    """The first reason to leave a message out; empty where there is none."""
    text = message.text
    tests: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("damaged", lambda: text.count("\ufffd") > 0.005 * len(text)),
        ("long", lambda: message.role != "system" and len(text) > limits.longest and len(units(text)) > limits.longest),
        ("markup", lambda: markup(text)),
        ("garbled", lambda: garbled(text)),
        ("nsfw", lambda: limits.lexicon.indecent(text, limits.mild)),
        ("unfit", lambda: _unfit(text, limits.unfit)),
        ("private", lambda: _private(text)),
    )
    return next((reason for reason, test in tests if wanted(reason) and test()), "")


def markup(text: str) -> bool:
    """Whether it is code, or has more than two tags."""
    return len(_TAG.findall(text)) > 2 or ("\n" in text and len(_CODE.findall(text)) > 2) or "```" in text


def garbled(text: str) -> bool:
    """Whether it repeats itself without end, or hardly has a letter."""
    if _RUN.search(text):
        return True
    if len(text) > 30 and sum(c.isalnum() for c in text) < 0.4 * len(re.sub(r"\s", "", text)):
        return True
    words = units(text)
    return len(words) > 60 and len(set(words)) < 0.2 * len(words)


def _unfit(text: str, threshold: float) -> bool:
    from echoless.workshop.mind.safety.classifier import shipped

    return shipped()(text) >= threshold


def _private(text: str) -> bool:
    from echoless.workshop.mind.clean.private import find

    return bool(find(text))
