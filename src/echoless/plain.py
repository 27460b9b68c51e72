"""Other people's words on this terminal: what a model, a server or a file says can hold anything."""

from __future__ import annotations

import unicodedata


def plain(text: object) -> str:
    """One line of `text` that only prints: no control characters, no escape sequences, no turned writing direction."""
    return " ".join(_printing(str(text), keep="").split())


def piece(text: str) -> str:
    """The same for a piece of a longer text: its spaces and line breaks stay."""
    return _printing(text, keep=" \n")


def _printing(text: str, keep: str) -> str:
    return "".join(
        each if each in keep or unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") else " "
        for each in text
    )
