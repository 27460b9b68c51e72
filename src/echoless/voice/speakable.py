"""Text as it is written beside text as it is said, with the way back: what was heard is told in the written text."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass

# Scripts written without spaces, where the unit that can be cut off is the character: kana, Han, Hangul is not one.
_CJK = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003134f"
_UNIT = re.compile(rf"\s*(?:[{_CJK}][^\w\s]*|[^\s{_CJK}]+)\s*")
_NOT_FOR_C = re.compile("[\0\ud800-\udfff]")
_IS_CJK = re.compile(rf"[{_CJK}]")
_CJK_EDGE = re.compile(rf"[{_CJK}。！？；：，、…）」』】]")


def encodable(text: str) -> str:
    """The text with spaces for what no C library takes: NUL and lone surrogates. Offsets stay."""
    return _NOT_FOR_C.sub(" ", text)


def has_cjk(text: str) -> bool:
    """Whether any character of `text` belongs to a script that is counted in characters."""
    return _IS_CJK.search(text) is not None


def units(text: str) -> list[tuple[int, int]]:
    """Begin and end of each unit that is heard or not as a whole: words, and single characters of Chinese or kana.

    Punctuation and white space belong to a unit, so the units cover the text; text with no unit at all gives [].
    """
    found = [match.span() for match in _UNIT.finditer(text)]
    if not found:
        return []
    edges = [0, *(begin for begin, _ in found[1:]), len(text)]
    return list(itertools.pairwise(edges))


def join(sentences: Iterable[str]) -> str:
    """Sentences as one text: a space between two unless one is there or the script has none."""
    text = ""
    for sentence in sentences:
        bare = not text or not sentence or text[-1].isspace() or sentence[0].isspace()
        text += sentence if bare or _CJK_EDGE.match(text[-1]) else " " + sentence
    return text


@dataclass(frozen=True, slots=True)
class Span:
    """`original[begin:end]` is said as `spoken[spoken_begin:spoken_end]`; either may be empty."""

    begin: int
    end: int
    spoken_begin: int
    spoken_end: int


@dataclass(frozen=True, slots=True)
class Speakable:
    """A sentence as written and as said. Outside of `spans` (rising, apart) both are the same text."""

    original: str
    spoken: str
    spans: tuple[Span, ...] = ()

    @classmethod
    def plain(cls, text: str) -> Speakable:
        """Text that is said as it stands."""
        return cls(text, text)

    @classmethod
    def build(cls, original: str, replacements: Iterable[tuple[int, int, str]]) -> Speakable:
        """From (begin, end, what is said instead), rising and apart."""
        spoken, spans, at, length = [], [], 0, 0
        for begin, end, said in replacements:
            spoken.append(original[at:begin])
            length += begin - at
            spans.append(Span(begin, end, length, length + len(said)))
            spoken.append(said)
            length += len(said)
            at = end
        spoken.append(original[at:])
        return cls(original, "".join(spoken), tuple(spans))

    def until(self, spoken: int) -> Speakable:
        """The beginning of both texts, as far as `spoken` characters are said."""
        written = self.written_until(spoken)
        spans = tuple(span for span in self.spans if span.spoken_end <= spoken and span.end <= written)
        return Speakable(self.original[:written], self.spoken[:spoken], spans)

    def written_until(self, spoken: int) -> int:
        """End of the written text that is wholly said once `spoken` characters are said. Nothing said gives 0."""
        if spoken <= 0:
            return 0
        shift = 0
        for span in self.spans:
            if span.spoken_begin >= spoken and span.spoken_end > spoken:
                break
            if span.spoken_begin < spoken < span.spoken_end:
                return span.begin
            if span.spoken_end > spoken:
                break
            shift = span.end - span.spoken_end
        return min(len(self.original), spoken + shift)

    def written_at(self, spoken: int) -> int:
        """Where in the written text the spoken character `spoken` comes from."""
        shift = 0
        for span in self.spans:
            if span.spoken_begin > spoken:
                break
            if spoken < span.spoken_end:
                return span.begin
            shift = span.end - span.spoken_end
        return min(len(self.original), max(0, spoken + shift))
