"""From what a server sends to what may be spoken: no reasoning, no stop strings, no broken characters, and an end.

Pure and incremental: text that may still turn out to be a tag or a stop string is held back, nothing else is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_NAMES = ("think", "thinking", "thought", "reasoning")
OPENING = (*(f"<{name}>" for name in _NAMES), "[THINK]")
CLOSING = (*(f"</{name}>" for name in _NAMES), "[/THINK]")
LEAKS = ("<|im_end|>", "<|im_start|>", "<|eot_id|>", "<|endoftext|>", "<|end|>", "<end_of_turn>", "</s>")
"""Chat tokens that badly converted models write out as text: what follows is the model talking to itself."""
CHARACTERS_A_TOKEN = 8
"""More characters a token than any real language has on average: bounds servers that ignore token limits."""
_SENTENCE_ENDS = ".!?…。！？\n"


def clean(text: str) -> str:
    """`text` without control characters, lone surrogates and replacement characters."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c for c in text if c in "\n\t" or (c != "\ufffd" and unicodedata.category(c) not in ("Cc", "Cs")))


def close_reasoning(prompt: str) -> str:
    """`prompt` with the reasoning closed that its template has opened: nobody waits a minute for an answer."""
    for opening, closing in zip(OPENING, CLOSING, strict=True):
        if prompt.rstrip().endswith(opening):
            return f"{prompt.rstrip()}\n\n{closing}\n\n"
    return prompt


class ReplyFilter:
    """Feed it the pieces of one reply; it gives back what may be spoken and says when the reply is `done`.

    A reply may have `limit` tokens (one a piece) and ends at the next sentence end after that, at the latest
    at `hard_limit`.
    """

    def __init__(self, stops: Iterable[str] = (), *, limit: int = 400) -> None:
        self.limit = limit
        self.hard_limit = limit + max(20, limit // 4)
        self.done = False
        self.spoke = False
        self.thought = False
        self._stops = (*stops, *LEAKS)
        self._thinking = False
        self._held = ""
        self._pieces = 0
        self._characters = 0

    def feed(self, piece: str) -> str:
        """What of the text so far may be spoken now."""
        if self.done:
            return ""
        self._pieces += 1
        self._held += piece
        spoken = self._passed()
        self._characters += len(spoken)
        return self._bounded(self._tidy(spoken))

    def flush(self) -> str:
        """What was held back and turned out to be plain text."""
        text = "" if self._thinking or self.done else self._held
        self._held = ""
        self.done = True
        return self._tidy(text)

    def _passed(self) -> str:
        """Moves text out of the held part up to what might yet become a mark."""
        out = ""
        while True:
            marks = CLOSING if self._thinking else (*OPENING, *CLOSING, *self._stops)
            at, mark = min(((i, -len(m), m) for m in marks if (i := self._held.find(m)) >= 0), default=(-1, 0, ""))[::2]
            if at < 0:
                keep = self._undecided(marks)
                ready, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
                return out if self._thinking else out + ready
            if not self._thinking:
                out += self._held[:at]
            self._held = self._held[at + len(mark) :]
            if mark in self._stops:
                self.done = True
                self._held = ""
                return out
            self._thinking = mark in OPENING
            self.thought = True

    def _undecided(self, marks: Iterable[str]) -> int:
        """Length of the longest end of the held text with which some mark begins."""
        longest = min(max(map(len, marks)) - 1, len(self._held))
        ends = (n for n in range(longest, 0, -1) if any(m.startswith(self._held[-n:]) for m in marks))
        return next(ends, 0)

    def _tidy(self, text: str) -> str:
        text = clean(text)
        if not self.spoke:
            text = text.lstrip()
        self.spoke = self.spoke or bool(text)
        return text

    def _bounded(self, text: str) -> str:
        over = self._pieces >= self.limit or self._characters >= self.limit * CHARACTERS_A_TOKEN
        if over and text.rstrip(" ").endswith(tuple(_SENTENCE_ENDS)):
            self.done = True
        if self._pieces >= self.hard_limit or self._characters >= self.hard_limit * CHARACTERS_A_TOKEN:
            self.done = True
        return text
