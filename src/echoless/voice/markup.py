"""What is written but does not sound: markdown, HTML, emoji, links, invisible characters."""

from __future__ import annotations

import html
import re

from echoless.voice.rewriting import Draft, Rule
from echoless.voice.speakable import has_cjk

_M = re.MULTILINE
_INVISIBLE = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ud800-\udfff]"
)
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\U0001fb00-\U0001fbff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\u25a0-\u25ff\ufe0e\ufe0f\u20e3"
    "\U000e0020-\U000e007f\U0001f1e6-\U0001f1ff]+"
)
_EMOTICON = re.compile(r"(?<![\w])(?:[:;=8][-^']?[)(DPpOo3/|]|[xX]D|<3|\^_\^|¯\\_\(ツ\)_/¯)(?!\w)")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n`]*(?:\n(?:.*?\n)??[ \t]*(?:```|~~~)[ \t]*$|$)", _M | re.DOTALL)
_RULE = re.compile(r"^[ \t]*(?:[-*_][ \t]*){3,}$", _M)
_TABLE_RULE = re.compile(r"^[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)*\|?[ \t]*$", _M)
_ROW = re.compile(r"^[ \t]*\|(?P<cells>[^\n]*?)\|?[ \t]*$", _M)
_NUMBERED = re.compile(r"^([ \t]*\d{1,3})[.)](?=[ \t]+\S)", _M)
_LINE_MARK = re.compile(r"^[ \t]*(?:#{1,6}(?=[ \t])|>+|[-*+•‣◦](?=[ \t]+\S))[ \t]*(?:\[[ xX]\][ \t]+)?", _M)
_IMAGE = re.compile(r"!\[(?=[^\]\n]{0,200}\]\([^)\n]{0,500}\))")
_LINK_OPEN = re.compile(r"\[(?=[^\]\n]{1,200}\]\([^)\n]{0,500}\))")
_LINK_CLOSE = re.compile(r"\]\([^)\n]{0,500}\)")
_FOOTNOTE = re.compile(r"\[\^?\d{1,3}\](?!\()")
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,80}>")
_ENTITY = re.compile(r"&(?:#\d{1,6}|#x[0-9a-fA-F]{1,5}|[a-zA-Z]{2,8});")
_EMPHASIS = re.compile(
    r"\*{2,3}|~~|(?<!\w)_{1,3}(?=\S)|(?<=\S)_{1,3}(?!\w)|(?<![\w*])\*(?=[^\s*])|(?<=[^\s*])\*(?![\w*])"
)
_TICK = re.compile(r"`+")
_ESCAPE = re.compile(r"\\(?=[*_#`\[\](){}!.\\-])")
_URL = re.compile(
    r"(?:https?://|ftp://|www\.)(?:[\w-]+@)?(?P<host>[a-zA-Z0-9](?:[a-zA-Z0-9-]*\.)*[a-zA-Z0-9-]+)"
    r"(?::\d+)?(?:[/?#][^\s<>\"'，。！？；、）】》]*)?"
)
_EMAIL = re.compile(r"(?<![\w.+-])(?P<name>[a-zA-Z0-9][\w.+-]{0,63})@(?P<host>(?:[a-zA-Z0-9-]+\.)+[a-zA-Z]{2,})")
_REPEATED = re.compile(r"([!?！？,，])\1+|\.{4,}|…{2,}|。{2,}")
_DASH = re.compile(r"[ \t]*(?:—+|–(?!\d)|(?<=\s)--+(?=\s)|(?<=\s)-(?=\s))[ \t]*")
_STRAY = re.compile(r"[*_#|~^<>{}\[\]\\`=]+")
_MANY_SPACES = re.compile(r"[^\S\n]{2,}")
_MANY_LINES = re.compile(r"\n{3,}")
_LINE_END = re.compile(r"(?<=[^\s.,;:!?。！？；：，、…])[ \t]*\n\s*(?=\S)")
_SPACES = re.compile(r"\s+")
_SPACE_BEFORE = re.compile(r" +(?=[,.;:!?，。；：！？])")
_ORPHAN = re.compile(r"(?<=[,;:])[ ]*[,;:]+|^[ ]*[,;:]+[ ]*")
_ANYTHING = re.compile(r".+", re.DOTALL)


def _host(host: str, dot: str) -> str:
    return dot.join(host.removeprefix("www.").split("."))


def links(dot: str, at: str) -> Rule:
    """Addresses as a person says them: the host of a page, the whole of an e-mail address."""

    def rule(draft: Draft) -> None:
        draft.replace(_EMAIL, lambda m: m["name"].replace(".", dot) + at + m["host"].replace(".", dot))

        def page(match: re.Match[str]) -> str:
            end = match.group()[-1]
            return _host(match["host"], dot) + (end if end in ".,;:!?)" else "")

        draft.replace(_URL, page)

    return rule


def unmark(draft: Draft) -> None:
    """Take away markdown and HTML; what they mark stays, but for code blocks, images' addresses and rules."""
    draft.replace(_INVISIBLE, " ")
    draft.replace(_MANY_SPACES, " ")
    draft.replace(_MANY_LINES, "\n\n")
    for pattern in (_FENCE, _RULE, _TABLE_RULE):
        draft.replace(pattern, "")
    draft.replace(_ROW, lambda m: ", ".join(cell.strip() for cell in m["cells"].split("|") if cell.strip()) + ".")
    draft.replace(_NUMBERED, r"\1,")
    for pattern in (_LINE_MARK, _IMAGE, _LINK_OPEN, _LINK_CLOSE, _FOOTNOTE, _TAG):
        draft.replace(pattern, "")
    draft.replace(_ENTITY, lambda m: html.unescape(m.group()))
    for pattern in (_TICK, _EMPHASIS, _ESCAPE):
        draft.replace(pattern, "")


def drop_pictures(draft: Draft) -> None:
    """Emoji and emoticons are not read."""
    draft.replace(_EMOTICON, "")
    draft.replace(_EMOJI, "")


def calm(draft: Draft) -> None:
    """One mark where there were many; a dash or the end of an item is a comma."""
    draft.replace(_REPEATED, lambda m: m.group()[0] if m.group()[0] not in ".…。" else "…")
    draft.replace(_DASH, ", ")
    draft.replace(_LINE_END, lambda m: "，" if has_cjk(m.string[m.start() - 1]) else ", ")


def tidy(draft: Draft) -> None:
    """Symbols that nothing has read, and white space; nothing at all where no letter or number is left."""
    draft.replace(_STRAY, " ")
    draft.replace(_SPACES, " ")
    draft.replace(_SPACE_BEFORE, "")
    draft.replace(_ORPHAN, "")
    if not any(character.isalnum() for character in draft.text):
        draft.replace(_ANYTHING, "")


RULES: tuple[Rule, ...] = (unmark, drop_pictures, calm)
LAST: tuple[Rule, ...] = (tidy,)
