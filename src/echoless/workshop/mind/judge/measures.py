"""What of a model's replies can be counted: pure functions of replies, and the table of several models."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from echoless.workshop.mind.judge.minds import Likelihood, Reply
from echoless.workshop.mind.words import sentences, units

MARKDOWN = re.compile(
    r"\*\*|__|`|^\s{0,3}(?:#{1,6}\s|[-*+]\s|\d+[.)]\s|>\s|\|)"
    r"|\[[^\]]+\]\([^)]+\)|<[a-zA-Z/][^>]*>|https?://",
    re.MULTILINE,
)
"""What a voice cannot say: emphasis, code, headings, lists, quotes, tables, links, tags."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One model's figures, by name, and its replies."""

    name: str
    figures: dict[str, float]
    replies: list[Reply]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        said = [{"asked": list(one.asked), "said": one.text, "ended": one.ended} for one in self.replies]
        return {"name": self.name, "figures": self.figures, "replies": said}


def speech(replies: Sequence[Reply]) -> dict[str, float]:
    """Whether replies can be spoken. Words count characters in Chinese; shares are 0 to 1."""
    words = [len(units(one.text)) for one in replies]
    return {
        "words a reply": sum(words) / len(words),
        "longest reply, words": float(max(words)),
        "sentences a reply": sum(len(sentences(one.text)) for one in replies) / len(replies),
        "with markdown": sum(bool(MARKDOWN.search(one.text)) for one in replies) / len(replies),
        "end by themselves": sum(one.ended for one in replies) / len(replies),
        "empty": sum(not one.text for one in replies) / len(replies),
        "all different": len({one.text for one in replies}) / len(replies),
    }


def speed(replies: Sequence[Reply]) -> dict[str, float]:
    """How quick they come: medians, in milliseconds of this machine as it was."""
    writing = [(one.tokens - 1, one.whole - one.first_token) for one in replies if one.tokens > 1]
    spent = sum(part for _, part in writing)
    return {
        "ms to the first token": median(one.first_token for one in replies),
        "ms to the first sentence": median(one.first_sentence for one in replies),
        "tokens a second": 1000 * sum(count for count, _ in writing) / spent if spent else 0.0,
    }


def foretold(found: Likelihood) -> dict[str, float]:
    """Perplexity of held-out replies a token (compare models with the same tokens), and nats a character (any two)."""
    known = found.tokens - found.missed
    if not known:
        return {}
    return {
        "perplexity": math.exp(min(50.0, found.nats / known)),
        "nats a character": found.nats / max(1, found.characters),
    }


def styled(replies: Sequence[Reply], sheet: Any) -> dict[str, float]:
    """Style rates by a words.toml."""
    from echoless.workshop.mind.style.score import score

    found = score([one.text for one in replies], sheet)
    return {"in style": found.rate, "with a banned word": found.banned, "with a mark of the style": found.marked}


def decent(replies: Sequence[Reply], indecent: Callable[[str], bool]) -> dict[str, float]:
    """The share of replies that are fit to be said."""
    return {"decent": sum(not indecent(one.text) for one in replies) / len(replies)}


def table(judged: Sequence[Judged]) -> str:
    """The figures as a markdown table, a model a column."""
    names = list(dict.fromkeys(name for one in judged for name in one.figures))
    rows = [f"| {' | '.join(['', *(one.name for one in judged)])} |", f"|{'---|' * (1 + len(judged))}"]
    for name in names:
        cells = [_cell(name, one.figures.get(name)) for one in judged]
        rows.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(rows)


SHARES = ("with markdown", "end by themselves", "empty", "all different", "in style", "with a banned word",
          "with a mark of the style", "decent")  # fmt: skip


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return ""
    if name in SHARES:
        return f"{100 * value:.0f} %"
    return f"{value:.0f}" if name.startswith("ms ") or abs(value) >= 100 else f"{value:.2f}"
