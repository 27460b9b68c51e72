"""The languages that lines can be written in, and the sums that both can do."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from typing import ClassVar, Protocol

from echoless.workshop.mind.pocket.english import English
from echoless.workshop.mind.pocket.mandarin import Mandarin


class Tongue(Protocol):
    """What differs from language to language."""

    space: str
    prefaces: Sequence[str]
    greetings: Sequence[str]
    named: re.Pattern[str]
    jumble: Sequence[str]
    words: ClassVar[dict[str, tuple[str, ...]]]

    def plural(self, word: str) -> str: ...
    def spoken(self, number: int) -> str: ...
    def finish(self, text: str) -> str: ...
    def pieces(self, text: str) -> list[str]: ...
    def swap(self, text: str, same: dict[str, list[str]], rng: random.Random) -> str: ...
    def as_written(self, text: str, rng: random.Random, kept: Iterable[str] = ()) -> str: ...
    def cut_off(self, text: str, rng: random.Random) -> str: ...


TONGUES: dict[str, Tongue] = {"en": English(), "zh": Mandarin()}


def small_sums() -> list[tuple[int, str, int, int]]:
    """Sums that a tiny model can learn by heart: left, sign, right, result."""
    found = [(a, "plus", b, a + b) for a in range(21) for b in range(11)]
    found += [(a, "minus", b, a - b) for a in range(21) for b in range(min(a, 10) + 1)]
    found += [(a, "times", b, a * b) for a in range(1, 11) for b in range(1, 11)]
    return found + [(a * b, "through", b, a) for a in range(1, 11) for b in range(1, 11)]


def sums(tongue: Tongue) -> list[tuple[str, str]]:
    """The small sums in words and in digits, with their results in words."""
    rows = []
    signs = {"plus": "+", "minus": "-", "times": "x", "through": "/"}
    for left, sign, right, result in small_sums():
        for word in tongue.words[sign]:
            said = tongue.space.join([tongue.spoken(left), word, tongue.spoken(right)])
            rows.append((said, tongue.spoken(result)))
        digits = tongue.space.join([str(left), tongue.words[sign][0], str(right)])
        rows.append((digits, tongue.spoken(result)))
        rows += [(f"{left}{gap}{signs[sign]}{gap}{right}", tongue.spoken(result)) for gap in (" ", "")]
    return rows


def hard_sums(tongue: Tongue) -> list[str]:
    """Sums that are too hard: larger numbers, nothing known of their results."""
    rng = random.Random(7)
    found = []
    for _ in range(400):
        left, right = rng.randint(21, 99), rng.randint(12, 99)
        word = rng.choice(tongue.words[rng.choice(["plus", "minus", "times", "times", "through"])])
        pair = (left, right) if rng.random() < 0.4 else (tongue.spoken(left), tongue.spoken(right))
        found.append(tongue.space.join([str(pair[0]), word, str(pair[1])]))
    return found
