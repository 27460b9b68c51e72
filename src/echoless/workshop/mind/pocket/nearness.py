"""The check that keeps the judged openings, and near-copies of them, out of the training lines.

Two lines are near when, in lower case, without punctuation and without words that carry nothing (hey, please,
um; 呢, 啊), their characters agree by `LIMIT` percent, in their order or with the words (in Chinese the characters)
sorted (normalised indel similarity).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from rapidfuzz import fuzz, process

LIMIT = 85.0
EMPTY = frozenset(re.findall(r"\w+", "hey hi hello okay ok oh um uh well so please then now just really very and"))
HAN = re.compile(r"[\u3400-\u9fff]")
PARTICLES = re.compile(r"那个|这个|就是|请|嗯|呃|啊|呀|吧|呢|嘛|哦|哎|诶|喂|啦|哈|嘿")
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
    if HAN.search(text):
        whole = "".join(words)
        return PARTICLES.sub("", whole) or whole
    words = " ".join(SHORT.get(word, word) for word in words).replace("can not", "cannot").split()
    return " ".join([word for word in words if word not in EMPTY] or words)


def in_order(text: str) -> str:
    """The words of `text` sorted, or its characters where it is Chinese."""
    return "".join(sorted(text)) if HAN.search(text) else " ".join(sorted(text.split()))


def read_openings(path: Path) -> list[tuple[str, ...]]:
    """The openings of a file: one dialogue a line, its user turns parted by ` / `; `#` starts a remark."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [tuple(line.split(" / ")) for line in lines if line and not line.startswith("#")]


class Nearness:
    """Tells whether a line is a near-copy of one of `openings`."""

    def __init__(self, openings: Iterable[tuple[str, ...]]) -> None:
        self.barred = sorted({plain(turn) for turns in openings for turn in turns})
        self.ordered = [in_order(text) for text in self.barred]
        self.near = lru_cache(maxsize=200_000)(self._near)

    def _near(self, text: str) -> str:
        said = plain(text)
        for asked, barred in ((said, self.barred), (in_order(said), self.ordered)):
            found = process.extractOne(asked, barred, scorer=fuzz.ratio, score_cutoff=LIMIT)
            if found:
                return self.barred[found[2]]
        return ""

    def __call__(self, text: str) -> str:
        """The opening (as `plain` has it) that `text` is a near-copy of, or an empty string."""
        return self.near(text)
