"""What the lines need to know of English: articles, plurals, sums, and how recognisers write what people say."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

from echoless.workshop.mind.pocket.nearness import SHORT

FILLERS = (
    *("um", "uh", "well", "so", "oh", "okay", "hey", "hm", "and", "actually", "you know", "please", "echoless", "now"),
    *("but", "hello", "hi", "yeah", "right", "look", "anyway"),
)
TAILS = ("please", "then", "now", "you know", "though", "today", "my friend", "or something", "I guess", "by the way")
ASKING = frozenset(
    re.findall(
        r"[\w']+",
        "what what's who who's how how's where when why which whose is are am do does did can could will would should "
        "may have has shall was were any",
    )
)
DAYS = re.compile(
    r"\b(monday|tuesday|wednesday|thursday|friday|saturday|sunday|christmas|easter|english|chinese|god|paris|london)\b"
)
N = re.compile(r"\b([Aa]) (?=[ai]|e(?!u)|o(?!ne\b|nce\b)|u(?!ni|s[eu]|ku|k\b))")
NO_N = re.compile(r"\b([Aa])n (?=[bcdfgjklmnpqrstvwxyz][a-z])")
ODD_PLURALS = {
    "mouse": "mice",
    "sheep": "sheep",
    "deer": "deer",
    "goldfish": "goldfish",
    "wolf": "wolves",
    "fish": "fish",
}
ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def plural(word: str) -> str:
    """The plural of an English noun, well enough for the fillers in use."""
    if word in ODD_PLURALS:
        return ODD_PLURALS[word]
    if word.endswith(("s", "x", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def articles(text: str) -> str:
    """`a apple` → `an apple`, `an pear` → `a pear`."""
    return NO_N.sub(r"\1 ", N.sub(r"\1n ", text))


def spoken(number: int) -> str:
    """A number from 0 to 100 in words."""
    if number == 100:
        return "a hundred"
    return ONES[number] if number < 20 else TENS[number // 10 - 2] + (f" {ONES[number % 10]}" if number % 10 else "")


class English:
    """See tongue.Tongue."""

    space = " "
    prefaces: Sequence[str] = (
        *("Hello.", "Hi.", "Hey there.", "Thanks.", "Okay.", "I see.", "Nice.", "Good."),
        *("All right.", "Sorry.", "Yes.", "No.", "Wow.", "Really?", "Well."),
    )
    greetings: Sequence[str] = ("Hello! ?talk", "Hi! I'm listening. ?day", "Hello!")
    named = re.compile(r"\b(I'm|My name is|You can call me) Echoless\b")
    jumble: Sequence[str] = ("thing", "animal", "food", "place", "item", "topic", "hobby", "color")
    words: ClassVar[dict[str, tuple[str, ...]]] = {
        "plus": ("plus", "and"),
        "minus": ("minus",),
        "times": ("times",),
        "through": ("divided by",),
    }

    plural = staticmethod(plural)
    spoken = staticmethod(spoken)

    def finish(self, text: str) -> str:
        """An expanded line with its spaces and articles put right."""
        return articles(" ".join(text.split()))

    def pieces(self, text: str) -> list[str]:
        """The words of `text`."""
        return text.split()

    def swap(self, text: str, same: dict[str, list[str]], rng: random.Random) -> str:
        """`text` with one word or phrase put in other words of the same meaning, where `same` knows some."""
        found = [word for word in same if re.search(rf"\b{word}\b", text)] if same else []
        if not found:
            return text
        word = rng.choice(found)
        return re.sub(rf"\b{word}\b", rng.choice(same[word]), text, count=1)

    def as_written(self, text: str, rng: random.Random, kept: Iterable[str] = ()) -> str:
        """A user's line as recognisers write it: capitals and stops, or small and bare; sometimes not quite clean, but
        for the words `kept`."""
        words = text.split()
        if rng.random() < 0.15:
            words = " ".join(SHORT.get(word, word) for word in words).split()
        if len(words) > 3 and rng.random() < 0.05:
            place = rng.randrange(len(words))
            if words[place] not in " ".join(kept):
                del words[place]
        if rng.random() < 0.03:
            place = rng.randrange(len(words))
            words.insert(place, words[place])
        if rng.random() < 0.12:
            words.insert(0, rng.choice(FILLERS))
        if len(words) > 2 and rng.random() < 0.06:
            words.append(rng.choice(TAILS))
        text = " ".join(words)
        if rng.random() < 0.4:
            return re.sub(r"[^\w' -]", "", text.lower())
        asked = words[0].lower() in ASKING or (len(words) > 1 and words[1] in ASKING and words[0] in FILLERS)
        text = re.sub(r"\bi\b", "I", DAYS.sub(lambda day: day[0].capitalize(), text))
        text = text[0].upper() + text[1:]
        return text if text[-1] in ".!?" else text + ("?" if asked else "!" if rng.random() < 0.08 else ".")

    def cut_off(self, text: str, rng: random.Random) -> str:
        """What was heard of a reply that the user broke into: its first words."""
        words = text.split()
        return " ".join(words[: rng.randint(1, max(1, len(words) - 1))])
