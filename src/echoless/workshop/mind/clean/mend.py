"""What is put right in a text: wrong decodings, spaces, scripts, and what cannot be said aloud."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.text import need
from echoless.workshop.mind.words import HAN, has_han

SCRIPTS = {"simplified": "t2s", "traditional": "s2t", "taiwan": "s2twp", "hongkong": "s2hk"}
"""OpenCC's conversions."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")
_SPACES = re.compile(r"[^\S\n]+")
_HAN_GAP = re.compile(rf"(?<=[{HAN}，。！？；：、])[ \t]+(?=[{HAN}，。！？；：、])")
_MARKS = (
    (re.compile(r"```.*?(?:```|$)", re.DOTALL), " "),
    (re.compile(r"!?\[([^\]\n]{0,200})\]\((?:https?:|/|#|mailto:)[^)\s]{0,300}\)"), r"\1"),
    (re.compile(r"(?m)^\s{0,3}#{1,6}\s+"), ""),
    (re.compile(r"(?m)^\s{0,3}(?:[-*+•]|\d{1,2}[.)])\s+"), ""),
    (re.compile(r"(?m)^\s{0,3}>\s?"), ""),
    (re.compile(r"(\*\*|__|~~|`)(?=\S)(.{1,300}?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]{1,300}?)(?<=\S)\*(?![\w*])"), r"\1"),
)
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b50\u2b55\u231a-\u23ff\u200d\ufe0e\ufe0f\U0001f1e6-\U0001f1ff]+"
    r"|(?<!\w)[:;]-?[)(DPp](?!\w)"
)


def undo_mojibake(text: str) -> str:
    """Text that was decoded wrongly, as far as it can be told (ftfy)."""
    if text.isascii():
        return text
    return str(need("ftfy").fix_text(text, uncurl_quotes=False, fix_character_width=False, normalization=None))


def spaces(text: str) -> str:
    """NFC, no control characters, single spaces, no spaces between Chinese characters."""
    text = _CONTROL.sub("", unicodedata.normalize("NFC", text.replace("\r\n", "\n")))
    text = _SPACES.sub(" ", text)
    return re.sub(r" ?\n[ \n]*", "\n", _HAN_GAP.sub("", text)).strip()


def speakable(text: str) -> str:
    """A reply as one says it: no marks of formatting, no emoji, its lines joined to sentences."""
    for pattern, instead in _MARKS:
        text = pattern.sub(instead, text)
    lines = [line.strip() for line in _EMOJI.sub("", text).split("\n") if line.strip()]
    joined = ""
    for line in lines:
        if joined and not re.search(r"[.!?,;:…。！？，；：、—-][\"'”’)」』）]*$", joined):
            joined += "，" if has_han(joined[-1]) else "."
        joined += ("" if not joined or (has_han(joined[-1:]) or joined[-1] in "，。！？；：") else " ") + line
    return _SPACES.sub(" ", joined).strip()


@lru_cache(maxsize=4)
def _converter(script: str):  # type: ignore[no-untyped-def]  # a library without types
    if script not in SCRIPTS:
        raise MindError(f"--script is one of {', '.join(SCRIPTS)}, not {script!r}")
    return need("opencc").OpenCC(SCRIPTS[script])


def to_script(text: str, script: str) -> str:
    """Chinese in simplified or traditional characters (OpenCC); other text as it is. Raises MindError."""
    convert = _converter(script)
    return str(convert.convert(text)) if has_han(text) else text
