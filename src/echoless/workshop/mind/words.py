"""Words and sentences of replies in either script: how long they are, and which words they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
_UNIT = re.compile(rf"[{HAN}]|[^\W_{HAN}]+(?:['’-][^\W_{HAN}]+)*")
_ENDS = re.compile(r"""(?<=[.!?…])["'”’)\]]*\s+|(?<=[。！？；])["'”’」』）]*\s*|\n+""")
_HAN = re.compile(f"[{HAN}]")


def has_han(text: str) -> bool:
    """Whether a Chinese character is in it."""
    return bool(_HAN.search(text))


def units(text: str) -> list[str]:
    """Words, each Chinese character being one."""
    return _UNIT.findall(text)


def sentences(text: str) -> list[str]:
    """The sentences of a reply, without the spaces between them."""
    return [part.strip() for part in _ENDS.split(text) if part and any(c.isalnum() for c in part)]


@lru_cache(maxsize=256)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    parts = []
    for word in sorted(words, key=len, reverse=True):
        part = r"\s+".join(re.escape(piece) for piece in word.split())
        left = r"(?<!\w)" if word[0].isalnum() and not has_han(word[0]) else ""
        right = r"(?!\w)" if word[-1].isalnum() and not has_han(word[-1]) else ""
        parts.append(f"{left}{part}{right}")
    return re.compile("|".join(parts) or r"(?!)", re.IGNORECASE)


def finder(words: Iterable[str]) -> re.Pattern[str]:
    """Finds these words: whole ones in alphabets, anywhere in Chinese, capitals or not."""
    return _pattern(tuple(dict.fromkeys(" ".join(word.split()) for word in words if word.strip())))
