"""What of a teacher's talk is fit to learn from: short spoken sentences, no markup, no loops, no judged opening."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from echoless.workshop.mind.pocket.nearness import Nearness, plain

WORDS = 30
"""Words of a turn at most."""
SAME = 3
"""Dialogues that may begin alike."""
SPOKEN = re.compile(r"[A-Za-z0-9 ,.!?'’\-—;:%$&]+")
ENDS = (".", "!", "?")


def loops(text: str) -> bool:
    """Does it say a word three times in a row, or three words twice?"""
    words = plain(text).split()
    if any(a == b == c for a, b, c in zip(words, words[1:], words[2:], strict=False)):
        return True
    threes = Counter(zip(words, words[1:], words[2:], strict=False))
    return any(count > 1 for count in threes.values())


def spoken(text: str) -> bool:
    """Is it something that a person might say, of `WORDS` words at most?"""
    words = text.split()
    return (
        0 < len(words) <= WORDS
        and SPOKEN.fullmatch(text) is not None
        and re.search("[A-Za-z]{2}|\\bI\\b", text) is not None
        and max(map(len, words)) <= 20
        and not loops(text)
    )


class Sieve:
    """Keeps the good beginning of each dialogue; counts how dialogues begin, so ask it once for each."""

    def __init__(self, near: Nearness) -> None:
        self.near = near
        self.begun = Counter[str]()

    def __call__(self, turns: Sequence[str]) -> tuple[str, ...]:
        """The exchanges before the first bad one; none where the opening is bad, or was met `SAME` times before."""
        kept: list[str] = []
        for user, reply in zip(turns[::2], turns[1::2], strict=False):
            if not (self.asked(user) and self.answered(user, reply)) or user in kept or reply in kept:
                break
            kept += (user, reply)
        if kept:
            self.begun[plain(kept[0])] += 1
        return tuple(kept if kept and self.begun[plain(kept[0])] <= SAME else ())

    def asked(self, text: str) -> bool:
        """Is it a user's turn to learn from?"""
        return spoken(text) and not self.near(text)

    def answered(self, user: str, text: str) -> bool:
        """Is it a reply: whole sentences, and not what the user said?"""
        return spoken(text) and text.endswith(ENDS) and text[0].isupper() and plain(text) != plain(user)
