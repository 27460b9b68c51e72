"""Words that a decent reply does not hold, in English and Mandarin: found whole, and not where they only seem to be.

English words are found whole (Scunthorpe is a town), Mandarin ones anywhere but across the edge of a clean word: 我操
is not in 我操作, because 操作 goes on where it ends. Spellings that hide a word (f*ck, sh1t, fuuuck) are found as well.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

HERE = Path(__file__).parent / "indecent"
LANGUAGES = ("en", "zh")
SECTIONS = ("strong", "mild", "clean")
_HAN = r"\u3400-\u4dbf\u4e00-\u9fff"
_HIDDEN = {"a": "a4@*", "e": "e3*", "i": "i1!|*", "o": "o0*", "u": "uv*", "s": "s5$*", "c": "c*", "t": "t7*", "k": "k*"}
"""How letters are hidden. Only within a word: its first letter stays."""
_WIDTH = {0x3000: " ", 0x2019: "'", 0x200B: None, 0x200C: None, 0x200D: None, 0x00AD: None, 0xFEFF: None}


class LexiconError(Exception):
    """A list of words cannot be read. One line that says which and why."""


@dataclass(frozen=True, slots=True)
class Find:
    """A word that was found in a text: from character `start` to `end`, as `word` in the list."""

    word: str
    start: int
    end: int
    strong: bool


@dataclass(frozen=True)
class Lexicon:
    """Lists of words: `strong` ones are enough by themselves, `mild` ones are not; `clean` are harmless words that may
    hold one or lie across one."""

    strong: tuple[str, ...]
    mild: tuple[str, ...] = ()
    clean: tuple[str, ...] = ()

    def finds(self, text: str) -> list[Find]:
        """Every word of the lists in `text`, in order. Microseconds a sentence."""
        bare = plain(text)
        found = [
            Find(match.group(), *match.span(), strong)
            for pattern, strong in ((self._strong, True), (self._mild, False))
            for match in pattern.finditer(bare)
        ]
        if found and self.clean:
            clean = [match.span(1) for match in self._clean.finditer(bare)]
            found = [find for find in found if not any(_covers(span, find) for span in clean)]
        return sorted(found, key=lambda find: find.start)

    def indecent(self, text: str, mild: int = 3) -> bool:
        """Whether a strong word is in it, or so many different mild ones (0: they never suffice)."""
        found = self.finds(text)
        return any(find.strong for find in found) or 0 < mild <= len({find.word for find in found})

    def __or__(self, other: Lexicon) -> Lexicon:
        return Lexicon(self.strong + other.strong, self.mild + other.mild, self.clean + other.clean)

    @cached_property
    def _strong(self) -> re.Pattern[str]:
        return _pattern(self.strong, hidden=True)

    @cached_property
    def _mild(self) -> re.Pattern[str]:
        return _pattern(self.mild, hidden=False)

    @cached_property
    def _clean(self) -> re.Pattern[str]:
        # A look-ahead, so that clean words are found that lie across each other.
        return re.compile(f"(?=({_pattern(self.clean, hidden=False).pattern}))")


def _covers(span: tuple[int, int], find: Find) -> bool:
    """Whether a clean word holds the find, or lies across one of its edges."""
    start, end = span
    return start < find.end and end > find.start and (start < find.start or end > find.end)


def plain(text: str) -> str:
    """The text as it is compared, character by character as long as it was: small letters, no accents, plain widths."""
    return text.lower() if text.isascii() else "".join(map(_letter, text))


@lru_cache(maxsize=8192)
def _letter(character: str) -> str:
    if ord(character) in _WIDTH:
        return _WIDTH[ord(character)] or "\u00b7"
    bare = unicodedata.normalize("NFKD", character)
    small = bare[:1].lower() if bare else character
    return small if len(small) == 1 else character


def _pattern(words: Iterable[str], *, hidden: bool) -> re.Pattern[str]:
    latin, han = list[str](), list[str]()
    for word in sorted(set(words), key=len, reverse=True):
        (han if re.search(f"[{_HAN}]", word) else latin).append(word)
    parts = []
    if latin:
        parts.append(rf"(?<![^\W_])(?:{_by_first([_word(word, hidden) for word in latin])})(?![^\W_])")
    if han:
        parts.append(_by_first([re.escape(word) for word in han]))
    return re.compile("|".join(parts) or r"(?!)")


def _by_first(patterns: list[str]) -> str:
    """Alternatives, those that begin with the same letter together: most places are left after one look."""
    first: dict[str, list[str]] = {}
    for pattern in patterns:
        first.setdefault(pattern[0], []).append(pattern[1:])
    return "|".join(f"{letter}(?:{'|'.join(rests)})" for letter, rests in first.items())


def _word(word: str, hidden: bool) -> str:
    """A pattern. A space in the list may be a hyphen in the text; a hyphen is never a space: hard on yourself."""
    stem, rest = (word[:-1], r"[^\W_]*") if word.endswith("*") else (word, "")
    parts = [[_piece(piece, hidden and len(piece) > 3) for piece in part.split("-")] for part in stem.split()]
    return r"[\s-]+".join("-?".join(pieces) for pieces in parts) + rest


def _piece(piece: str, hidden: bool) -> str:
    """A word; where it may be hidden, with each letter after the first several times, or with what stands for it."""
    if not hidden:
        return re.escape(piece)
    inner = "".join(f"[{re.escape(_HIDDEN.get(c, c + '*'))}]+[.\u00b7]?" for c in piece[1:-1])
    return f"{re.escape(piece[0])}{piece[0]}*[.\u00b7]?{inner}[{re.escape(_HIDDEN.get(piece[-1], piece[-1]))}]+"


def load_words(path: Path) -> Lexicon:
    """Read a list: words a line under [strong], [mild] and [clean]; before any of them a word is strong; # begins a
    remark. Raises LexiconError."""
    lists: dict[str, list[str]] = {name: [] for name in SECTIONS}
    section = "strong"
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise LexiconError(f"cannot read the list of words {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise LexiconError(f"{path} is not UTF-8: save it as UTF-8") from None
    for number, line in enumerate(lines, 1):
        word = plain(" ".join(line.partition("#")[0].split()))
        if word.startswith("[") and word.endswith("]"):
            section = word[1:-1]
            if section not in lists:
                raise LexiconError(f"{path} line {number}: {word} is not one of [strong], [mild], [clean]")
        elif word.strip("* "):
            lists[section].append(word)
    return Lexicon(*(tuple(lists[name]) for name in SECTIONS))


@lru_cache(maxsize=8)
def shipped(language: str) -> Lexicon:
    """The list that comes with Echoless; `all` for both. Languages without one have an empty list."""
    if language == "all":
        return shipped("en") | shipped("zh")
    return load_words(HERE / f"{language}.txt") if language in LANGUAGES else Lexicon(())
