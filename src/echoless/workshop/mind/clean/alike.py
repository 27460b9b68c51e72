"""Words that no list has, used as those on the list are: in the same places, between the same two neighbours.

What is used alike is alike (Harris 1954): of "a darn good one" and "a flipping good one" the list may know one word
only. This points at the other; whether it should go is for a person to say. English and its like: Chinese has no
spaces to tell words by.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from echoless.mind.lexicon import Lexicon, plain
from echoless.workshop.mind.form import DIALOGUES, REJECTED, read_talks

_TOKEN = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*|[.!?,;:]")
_LATIN = re.compile(r"[a-z][a-z'-]+")
LEAST, SHOWN, CAUTION = 20, 10, 10.0
"""Places of listed words to know them by; words that are shown; uses without a likeness that every word starts with,
so that a rare word does not come first by chance."""


@dataclass(frozen=True, slots=True)
class Alike:
    """A word, its uses in what stays, and how many of those are where a listed word stood."""

    word: str
    uses: int
    alike: int

    @property
    def weight(self) -> float:
        """The share of its uses that are alike, less for a rare word: 0 to 1."""
        return self.alike / (self.uses + CAUTION)


def triples(text: str) -> Iterator[tuple[str, str, str]]:
    """Each word with its neighbours; the edges of a text are empty."""
    words = ["", *_TOKEN.findall(plain(text)), ""]
    return zip(words, islice(words, 1, None), islice(words, 2, None), strict=False)


def find_alike(kept: Iterable[str], gone: Iterable[str], lexicon: Lexicon, least: int = LEAST) -> list[Alike]:
    """The words of `kept` texts that are used most like those of `lexicon` in `gone` ones, the most alike first: ones
    that are as often where such a word stood as elsewhere. None where the list was found fewer than `least` times."""
    places = Counter[tuple[str, str]]()
    for text in gone:
        if found := {find.word for find in lexicon.finds(text)}:
            places.update((before, after) for before, word, after in triples(text) if word in found)
    if places.total() < least:
        return []
    uses, alike = Counter[str](), Counter[str]()
    for text in kept:
        for before, word, after in triples(text):
            uses[word] += 1
            alike[word] += (before, after) in places
    found_words = [Alike(word, uses[word], count) for word, count in alike.items() if _LATIN.fullmatch(word)]
    likely = [one for one in found_words if one.weight >= 0.5]
    return sorted(likely, key=lambda one: one.weight, reverse=True)[:SHOWN]


def alike_in(folder: Path, lexicon: Lexicon) -> list[Alike]:
    """The same of a folder of `clean`. Raises MindError."""
    return find_alike(_texts(folder, DIALOGUES), _texts(folder, REJECTED), lexicon)


def _texts(folder: Path, name: str) -> Iterator[str]:
    return (message.text for talk in read_talks(folder, name) for message in talk.messages)
