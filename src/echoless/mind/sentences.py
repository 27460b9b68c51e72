"""A stream of text in, speakable sentences out: each as early as it is certain, the first one sooner still.

Decisions depend only on the text so far, never on how it was cut into pieces, and no character is ever lost: the
texts of all sentences, joined, are the text that was fed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_STRONG = ".!?…。！？｡︒"
_WIDE = "。！？｡︒"
_CLAUSE = ",;:—–"
_WIDE_CLAUSE = "，、：；"
_CLAUSES = _CLAUSE + _WIDE_CLAUSE
_CLOSERS = "\"'”’»)]}*_`~」』）】》〉｝"
_TITLES = frozenset(
    re.findall(
        r"\S+",
        "mr mrs ms dr prof st sr jr gen col capt lt sgt rev hon pres gov sen rep vs approx fig eq vol ed cf ca e.g i.e "
        "u.s u.k e.u d.c z.b d.h bzw al dept est tel ext ave blvd rd mt ft op resp incl excl min max temp",
    )
)
"""After these a full stop ends nothing."""
_MAYBE = frozenset(
    re.findall(
        r"\S+",
        "etc inc ltd co corp a.m p.m ph.d b.a m.a no nos pp sec jan feb mar apr jun jul aug sep sept oct nov dec",
    )
)
"""After these it does where a capital letter follows (after `no`: where no number follows)."""
_LIST_MARK = re.compile(r"[ \t]*(?:\(?\d{1,3}|\(?[A-Za-z])$")
_LONG_ENOUGH = 6
_NO, _CUT, _WAIT = 0, 1, 2
FIRST, OPENING = 18, 2
"""Characters of the first clause that are worth saying by themselves: as a rule, and where the rest comes in time."""
QUICK = 40.0
"""Characters a second of a mind that has written a clause before an opening word ("Well,") and its pause are over."""
ENOUGH = 24
"""Characters by which a mind's pace is told."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A piece of the reply: `text` is the reply from character `start` to `end`, white space and all."""

    text: str
    start: int
    end: int

    @property
    def speakable(self) -> bool:
        """Whether it has a letter or a digit: the rest (a stray dash, an empty line) needs no voice."""
        return any(character.isalnum() for character in self.text)


class Pace:
    """How fast a mind writes, told by the beginning of its latest reply: how short a first clause is said at once.

    A slow mind's "Well," would be followed by a hole. `began` and `came` are told of each reply, times in seconds.
    """

    def __init__(self) -> None:
        self._rate = 0.0
        self._since: float | None = None
        self._count = 0

    @property
    def first(self) -> int:
        """`first` of the next reply's `SentenceBuffer`."""
        return OPENING if self._rate >= QUICK else FIRST

    def began(self) -> None:
        """A reply is asked for."""
        self._since, self._count = None, 0

    def came(self, characters: int, now: float) -> None:
        """So many more have come."""
        self._since = now if self._since is None else self._since
        before, self._count = self._count, self._count + characters
        if before < ENOUGH <= self._count:
            self._rate = self._count / max(now - self._since, 1e-3)


class SentenceBuffer:
    """Feed it pieces, take sentences.

    The first sentence is cut at a comma or its like once it has `first` characters (a third of that in wide scripts),
    so that sound starts early; what comes after an opening word, once it has `FIRST`. `Pace` knows what `first` may be.
    A sentence reaches at most `longest` characters, then it is cut at its last comma, else its last space, else
    anywhere.
    """

    def __init__(self, *, first: int = FIRST, longest: int = 280) -> None:
        self._least: int | None = first
        """Characters from which on a clause is cut off; None once that is over."""
        self._longest = max(8, longest)
        self._text = ""
        self._start = 0
        self._at = 0
        self._base = 0

    @property
    def pending(self) -> str:
        """What was fed and is in no sentence yet."""
        return self._text[self._start :]

    def feed(self, piece: str) -> list[Sentence]:
        """The sentences that this piece makes certain."""
        self._text += piece
        found = self._scan()
        self._forget()
        return found

    def flush(self) -> list[Sentence]:
        """The rest. The buffer is ready for more text of the same reply."""
        if not self.pending:
            return []
        self._at = len(self._text)
        return [self._take(len(self._text))]

    def _scan(self) -> list[Sentence]:
        found: list[Sentence] = []
        while self._at < len(self._text):
            limit = self._start + self._longest
            decision, end = self._decide(self._at, min(len(self._text), limit))
            if decision == _WAIT and len(self._text) < limit:
                break
            if decision == _CUT and self._worth_it(end):
                found.append(self._take(end))
            elif self._at + 1 >= limit:
                found.append(self._take(self._best_cut(self._at + 1)))
            else:
                self._at += 1
        return found

    def _take(self, end: int) -> Sentence:
        sentence = Sentence(self._text[self._start : end], self._base + self._start, self._base + end)
        self._start = self._at = end
        opened = self._least is not None and self._least < FIRST and sentence.text.rstrip()[-1:] in _CLAUSES
        self._least = FIRST if opened else None
        return sentence

    def _forget(self) -> None:
        """Lets go of what was given away, but for a little that abbreviations and list marks look back at."""
        keep = max(0, self._start - 16)
        self._text, self._base = self._text[keep:], self._base + keep
        self._start -= keep
        self._at -= keep

    def _worth_it(self, end: int) -> bool:
        return any(character.isalnum() for character in self._text[self._start : end])

    def _decide(self, at: int, stop: int) -> tuple[int, int]:
        """Whether a sentence ends at character `at`, and where the next one begins. Looks no further than `stop`."""
        character = self._text[at]
        if character == "\n":
            return _CUT, at + 1
        if character in _STRONG:
            return self._strong(at, stop)
        if character == "；" and at - self._start >= _LONG_ENOUGH:
            return _CUT, at + 1
        if self._least is not None and character in _CLAUSES:
            return self._clause(at, stop, self._least)
        return _NO, 0

    def _strong(self, at: int, stop: int) -> tuple[int, int]:
        """At a full stop and its like: looks at what follows, closing quotes skipped."""
        text = self._text
        after = self._past(at + 1, stop, _STRONG + _CLOSERS)
        if after == stop:
            return _WAIT, 0
        if any(character in _WIDE for character in text[at:after]):
            return _CUT, after
        if text[after] == "\n":
            return _CUT, after + 1
        if not text[after].isspace():
            wide = ord(text[after]) > 0x2E7F and text[at] != "."
            return (_CUT, after) if wide else (_NO, 0)
        end = after
        while end < stop and text[end].isspace():
            end += 1
        if end == stop:
            return _WAIT, 0
        return (_CUT, end) if self._ends(at, text[end]) else (_NO, 0)

    def _past(self, at: int, stop: int, characters: str) -> int:
        while at < stop and self._text[at] in characters:
            at += 1
        return at

    def _ends(self, at: int, following: str) -> bool:
        """Whether the mark at `at`, then white space, then `following` end a sentence."""
        if following.islower():
            return False
        if self._text[at] != "." or self._text[at - 1 : at] == ".":
            return True
        line = self._text[self._line_start(at) : at]
        if _LIST_MARK.fullmatch(line):
            return False
        word = re.split(r"[\s(\[\"'“‘*_/—–-]", line)[-1].lower()
        if word in _TITLES:
            return False
        if word in ("no", "nos"):
            return not following.isdigit()
        if word in _MAYBE:
            return following.isupper() or ord(following) > 0x2E7F
        return not (len(word) == 1 and word.isalpha() and word != "i") and not re.fullmatch(r"(\w\.)+\w", word)

    def _line_start(self, at: int) -> int:
        return max(self._start, self._text.rfind("\n", self._start, at) + 1)

    def _clause(self, at: int, stop: int, least: int) -> tuple[int, int]:
        """At a comma and its like in the first sentence of a reply, or in what comes after its opening word."""
        text, wide = self._text, self._text[at] in _WIDE_CLAUSE
        spoken = sum(3 if ord(character) > 0x2E7F else 1 for character in text[self._start : at] if character.isalnum())
        if spoken * 5 < least * 4:
            return _NO, 0
        after = self._past(at + 1, stop, _CLOSERS)
        if after == stop:
            return _WAIT, 0
        if wide:
            return _CUT, after
        return (_CUT, after + 1) if text[after].isspace() else (_NO, 0)

    def _best_cut(self, end: int) -> int:
        """Where to cut a sentence that became too long: after its last comma, else its last space, else here."""
        pending = self._text[self._start : end]
        for pattern in (r"[,;:—–]\s+|[，、：；]", r"\s+"):
            cuts = [match.end() for match in re.finditer(pattern, pending) if match.end() > self._longest // 3]
            if cuts and self._worth_it(self._start + cuts[-1]):
                return self._start + cuts[-1]
        return end
