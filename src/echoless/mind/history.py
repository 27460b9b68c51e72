"""What was said so far, as it was heard."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from echoless.frames import Turn


@dataclass(slots=True)
class _Entry:
    role: str
    text: str
    generation: int = 0


class History:
    """The turns of a call. A reply stands in it as far as it was heard; user turns that nothing audible separates are
    one turn. Holds at most `most_turns` turns and `most_characters` characters, dropping its oldest."""

    def __init__(self, most_turns: int = 1000, most_characters: int = 400_000) -> None:
        self._entries: list[_Entry] = []
        self._most_turns = max(2, most_turns)
        self._most_characters = most_characters

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns, oldest first; a reply of which nothing was heard yet is not among them."""
        return tuple(Turn(entry.role, entry.text.strip()) for entry in self._entries if entry.text.strip())

    def with_user(self, partial: str) -> tuple[Turn, ...]:
        """The turns as they will be if the user's turn ends with these words: what to prefill."""
        turns = self.turns
        if not partial.strip():
            return turns
        if turns and turns[-1].role == "user":
            return (*turns[:-1], Turn("user", joined(turns[-1].text, partial)))
        return (*turns, Turn("user", partial.strip()))

    def user(self, text: str) -> Turn:
        """The user said this. Goes on their last turn if no reply was heard since; returns the turn as it now is."""
        self._entries = [entry for entry in self._entries if entry.text.strip()]
        if self._entries and self._entries[-1].role == "user":
            self._entries[-1].text = joined(self._entries[-1].text, text)
        elif text.strip():
            self._entries.append(_Entry("user", text.strip()))
        self._trim()
        return Turn("user", self._entries[-1].text if self._entries else "")

    def agent(self, generation: int, text: str) -> None:
        """Of reply `generation` this is now the whole text that counts as said: grows as it is heard."""
        entry = self._find(generation)
        if entry is None:
            entry = _Entry("agent", "", generation)
            self._entries.append(entry)
        entry.text = text
        self._trim()

    def heard(self, generation: int, characters: int) -> tuple[str, str]:
        """Reply `generation` ended after this many characters of its text: keeps what was heard up to the last whole
        word (in scripts without spaces: character). Returns (heard, unheard); nothing heard takes the reply away.
        An unknown generation changes nothing and returns two empty texts."""
        entry = self._find(generation)
        if entry is None:
            return "", ""
        cut = last_word(entry.text, characters)
        heard, unheard = entry.text[:cut].rstrip(), entry.text[cut:].lstrip()
        entry.text = heard
        if not heard:
            self._entries.remove(entry)
        return heard, unheard

    def take_back(self, generation: int) -> str:
        """Reply `generation` was never heard: away with it, so that what the user says next joins what they said
        before. Returns its text."""
        return self.heard(generation, 0)[1]

    def _find(self, generation: int) -> _Entry | None:
        entries = reversed(self._entries)
        return next((entry for entry in entries if entry.role == "agent" and entry.generation == generation), None)

    def _trim(self) -> None:
        """Drops the oldest, an eighth more than needed, so that prompts begin alike for a while."""
        for entry in self._entries[:-1]:
            entry.text = entry.text[-self._most_characters // 2 :]
        if self._entries:
            self._entries[-1].text = self._entries[-1].text[-self._most_characters :]
        size = sum(len(entry.text) for entry in self._entries)
        if len(self._entries) <= self._most_turns and size <= self._most_characters:
            return
        turns, characters = self._most_turns * 7 // 8, self._most_characters * 7 // 8
        while len(self._entries) > 1 and (len(self._entries) > max(1, turns) or size > characters):
            size -= len(self._entries.pop(0).text)


def joined(first: str, second: str) -> str:
    """Two halves of one turn: a space between them unless the script has none."""
    first, second = first.strip(), second.strip()
    if not first or not second:
        return first or second
    spaceless = _spaceless(first[-1]) and _spaceless(second[0])
    return first + second if spaceless else f"{first} {second}"


def last_word(text: str, characters: int) -> int:
    """The largest cut of `text` at or before `characters` that splits no word. Punctuation right after the last
    heard word counts as heard."""
    cut = max(0, min(characters, len(text)))
    while 0 < cut < len(text) and _inside_word(text, cut):
        cut -= 1
    while cut and cut < len(text) and unicodedata.category(text[cut])[0] == "P" and not text[cut - 1].isspace():
        if unicodedata.category(text[cut]) in ("Ps", "Pi"):
            break
        cut += 1
    return cut


def _inside_word(text: str, cut: int) -> bool:
    before, after = text[cut - 1], text[cut]
    if unicodedata.combining(after) or after in "\u200d\ufe0f" or before == "\u200d":
        return True
    if _spaceless(before) or _spaceless(after):
        return False
    joins = "'’-.,:/@_"  # it's, 3.14, 10:30, and/or: inside a word if letters or digits stand on both sides
    if after in joins and cut + 1 < len(text):
        return before.isalnum() and text[cut + 1].isalnum() and not _spaceless(text[cut + 1])
    if before in joins and cut >= 2:
        return after.isalnum() and text[cut - 2].isalnum()
    return before.isalnum() and after.isalnum()


def _spaceless(character: str) -> bool:
    """Whether it belongs to a script written without spaces (Han, kana, Thai, Lao, Khmer, Burmese) or to its
    punctuation."""
    code = ord(character)
    return (
        0x2E80 <= code <= 0x30FF
        or 0x3400 <= code <= 0x9FFF
        or 0xF900 <= code <= 0xFAFF
        or 0xFF00 <= code <= 0xFF65
        or 0x0E00 <= code <= 0x0EFF
        or 0x1000 <= code <= 0x109F
        or 0x1780 <= code <= 0x17FF
        or 0x20000 <= code <= 0x3FFFF
    )
