"""A text that is rewritten step by step and always knows which character came from where."""

from __future__ import annotations

import re
from collections.abc import Callable

from echoless.voice.speakable import Span, Speakable

Replacement = str | Callable[[re.Match[str]], str | None]
Rule = Callable[["Draft"], None]


class Draft:
    """The text so far, and for each of its characters where in the original it begins and ends.

    What a rule wrote belongs, as a whole, to what it stands for: half of "twenty three" is no part of "23".
    """

    def __init__(self, original: str) -> None:
        self.original = original
        self.text = original
        self._from = [(at, at + 1) for at in range(len(original))]

    def replace(self, pattern: re.Pattern[str], replacement: Replacement) -> None:
        """Rewrite every match; a function may return None to leave its match as it is."""
        pieces: list[str] = []
        origins: list[tuple[int, int]] = []
        at = 0
        for match in pattern.finditer(self.text):
            said = match.expand(replacement) if isinstance(replacement, str) else replacement(match)
            if said is None or said == match.group():
                continue
            begin, end = match.span()
            pieces += [self.text[at:begin], said]
            origins += self._from[at:begin]
            origins += self._origins(begin, end, said)
            at = end
        if pieces:
            self.text = "".join([*pieces, self.text[at:]])
            self._from = origins + self._from[at:]

    def done(self) -> Speakable:
        """Both texts with the spans in which they differ."""
        spans: list[Span] = []
        written = spoken = 0
        while spoken < len(self.text):
            begin, end = self._from[spoken]
            if begin == written and end == begin + 1 and self._same(spoken):
                written, spoken = end, spoken + 1
                continue
            if begin > written:
                spans.append(Span(written, begin, spoken, spoken))
            begin, end = max(begin, written), max(end, written)
            last = spoken
            while last < len(self.text) and self._from[last][0] < max(end, begin + 1):
                end = max(end, self._from[last][1])
                last += 1
            spans.append(Span(begin, end, spoken, last))
            written, spoken = end, last
        if written < len(self.original):
            spans.append(Span(written, len(self.original), spoken, spoken))
        return Speakable(self.original, self.text, tuple(spans))

    def _same(self, spoken: int) -> bool:
        """Whether this character is said as it is written, and is the only one that comes from there."""
        begin, end = self._from[spoken]
        alone = spoken + 1 >= len(self.text) or self._from[spoken + 1][0] >= end
        return alone and self.text[spoken] == self.original[begin]

    def _origins(self, begin: int, end: int, said: str) -> list[tuple[int, int]]:
        """Where the characters of `said` come from: those that are kept from themselves, new ones from the match."""
        if begin == end:
            place = self._from[begin][0] if begin < len(self._from) else len(self.original)
            return [(place, place)] * len(said)
        kept = self.text[begin:end].find(said)
        if said and kept >= 0:
            return self._from[begin + kept : begin + kept + len(said)]
        return [(self._from[begin][0], max(e for _, e in self._from[begin:end]))] * len(said)
