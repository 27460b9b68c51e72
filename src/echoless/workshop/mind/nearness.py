"""The check that keeps the judged openings, and near-copies of them, out of the training lines.

Two lines are near when, in lower case, without punctuation and without words that carry nothing (hey, please, um),
their characters agree by `LIMIT` percent, in their order or with the words sorted (normalised indel similarity).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from rapidfuzz import fuzz, process

LIMIT = 85.0
EMPTY = frozenset(re.findall(r"\w+", "hey hi hello okay ok oh um uh well so please then now just really very and"))
SHORT = {
    "i'm": "i am",
    "what's": "what is",
    "can't": "cannot",
    "it's": "it is",
    "don't": "do not",
    "you're": "you are",
}


def plain(text: str) -> str:
    """Lower case, contractions opened, no punctuation, no empty words (unless nothing else is left)."""
    words = re.findall(r"[\w']+", text.lower().replace("’", "'"))
    words = " ".join(SHORT.get(word, word) for word in words).replace("can not", "cannot").split()
    return " ".join([word for word in words if word not in EMPTY] or words)


def read_openings(path: Path) -> list[tuple[str, ...]]:
    """The openings of a file: one dialogue a line, its user turns parted by ` / `; `#` starts a remark."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [tuple(line.split(" / ")) for line in lines if line and not line.startswith("#")]


class Nearness:
    """Tells whether a line is a near-copy of one of `openings`."""

    def __init__(self, openings: Iterable[tuple[str, ...]]) -> None:
        self.barred = sorted({plain(turn) for turns in openings for turn in turns})
        self.near = lru_cache(maxsize=200_000)(self._near)

    def _near(self, text: str) -> str:
        said = plain(text)
        for scorer in (fuzz.ratio, fuzz.token_sort_ratio):
            found = process.extractOne(said, self.barred, scorer=scorer, score_cutoff=LIMIT)
            if found:
                return found[0]
        return ""

    def __call__(self, text: str) -> str:
        """The opening (as `plain` has it) that `text` is a near-copy of, or an empty string."""
        return self.near(text)
