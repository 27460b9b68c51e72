"""WhatsApp's exported chats: text whose date follows the telephone's country, in brackets on iOS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import pairwise

from echoless.workshop.mind.collect.chat import LONGEST, Line, dialogues
from echoless.workshop.mind.collect.source import Item, Source, Wish

KIND = "whatsapp"
_MARKS = dict.fromkeys(map(ord, "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"))
_TIDY = _MARKS | {ord(c): " " for c in "\u00a0\u202f\u2009"}
_AFTERNOON = re.compile(r"p|下午|晚上|中午|午後|오후|م|अपराह्न", re.IGNORECASE)
_HALF = r"[ap]\.?\s?m\.?|上午|下午|凌晨|清晨|早上|中午|晚上|午前|午後|오전|오후|ص|م|पूर्वाह्न|अपराह्न"
_LINE = re.compile(
    r"^\[?(?P<a>\d{1,4})(?:\s?[./\-年년]\s?)(?P<b>\d{1,2})(?:\s?[./\-月월]\s?)(?P<c>\d{1,4})[.日일]?"
    r"[,،]?\s?(?:(?:um|at|à|a las|às|alle|kl\.?|om|в)\s)?"
    rf"(?P<before>{_HALF})?\s?(?P<hour>\d{{1,2}})[:.時时](?P<minute>\d{{2}})(?:[:.分](?P<second>\d{{2}}))?秒?"
    rf"\s?(?P<after>{_HALF})?(?:\]\s?|\s?[-–]\s|\s?,\s)(?P<rest>.*)$",
    re.IGNORECASE | re.DOTALL,
)
_SAID = re.compile(r"^(?P<who>[^:：]{1,80}?)\s?[:：]\s?(?P<text>.*)$", re.DOTALL)
_EDITED = re.compile(r"\s*<[^<>]{3,60}>$")
_MEDIA = re.compile(
    r"^(?:<[^<>]{2,120}>|\S+\.\w{2,5} \([^()]{5,40}\)|null|"
    r"(?:image|video|audio|sticker|gif|document|contact card) (?:omitted|weggelassen)|"
    r"(?:this message was|you) deleted(?: this message)?\.?|"
    r"(?:diese nachricht wurde|du hast diese nachricht) gelöscht\.?|此消息已[被]?删除。?|你删除了此消息。?|"
    r"se eliminó este mensaje\.?|ce message a été supprimé\.?|esta mensagem foi apagada\.?)$",
    re.IGNORECASE,
)
_ORDERS = {"dmy": "abc", "mdy": "bac", "ymd": "cba"}
"""Which of the three numbers are day, month, year."""


def matches(head: str) -> bool:
    """Whether at least two of the first lines, or the only one, begin as WhatsApp's do."""
    lines = [line for line in head.splitlines()[:40] if line.strip()]
    found = sum(bool(_LINE.match(line.translate(_TIDY))) for line in lines)
    return found >= 2 or (found == 1 and len(lines) <= 2)


def read(source: Source, wish: Wish) -> Iterator[Item]:
    """Dialogues of one exported chat. Media, deletions and the system's own lines are left out."""
    order = date_order(stamps(line for _, line in source.lines() if line))
    return dialogues(_lines(source, order), wish, source.name, KIND)


def stamps(lines: Iterable[str], most: int = 20_000) -> list[tuple[int, int, int, bool]]:
    """The three numbers of each date, and whether the clock has halves of a day as English writes them."""
    found = []
    for line in lines:
        if match := _LINE.match(line.translate(_TIDY)):
            half = match["before"] or match["after"] or ""
            found.append((int(match["a"]), int(match["b"]), int(match["c"]), half[:1].isascii() and bool(half)))
            if len(found) == most:
                break
    return found


def date_order(found: list[tuple[int, int, int, bool]]) -> str:
    """`dmy`, `mdy` or `ymd`: the one in which every date exists and time goes back least; where both would do, the
    one that goes with the clock: English halves of a day are written by those who put the month first."""
    usual = ["mdy", "dmy", "ymd"] if found and found[0][3] else ["dmy", "mdy", "ymd"]

    def badness(order: str) -> tuple[int, int]:
        days = [_date(order, a, b, c) for a, b, c, _ in found]
        known = [day for day in days if day]
        return len(days) - len(known), sum(b < a for a, b in pairwise(known))

    return min(usual, key=badness)


def _date(order: str, a: int, b: int, c: int) -> datetime | None:
    if a >= 1000:
        order = "ymd"
    day, month, year = (dict(zip("abc", (a, b, c), strict=True))[name] for name in _ORDERS[order])
    try:
        return datetime(year + 2000 if year < 100 else year, month, day)
    except ValueError:
        return None


def _lines(source: Source, order: str) -> Iterator[Line]:
    held: Line | None = None
    for _, raw in source.lines():
        if raw is None:
            continue
        match = _LINE.match(raw.translate(_TIDY))
        if match is None:
            if held is not None and len(held.text) < LONGEST:
                held = Line(held.speaker, f"{held.text}\n{raw.translate(_TIDY)}".strip(), held.time)
            continue
        if held is not None and (line := _kept(held)):
            yield line
        held = _said(match, raw, order)
    if held is not None and (line := _kept(held)):
        yield line


def _said(match: re.Match[str], raw: str, order: str) -> Line | None:
    said = _SAID.match(match["rest"])
    if said is None or re.search(r"[:：] ?\u200e", raw[match.start("rest") :]):  # iOS marks what is not typed
        return None
    day = _date(order, int(match["a"]), int(match["b"]), int(match["c"]))
    return Line(said["who"].strip().removeprefix("~").strip(), said["text"].strip(), _time(day, match))


def _time(day: datetime | None, match: re.Match[str]) -> datetime | None:
    hour, half = int(match["hour"]), match["before"] or match["after"]
    if half:
        hour = hour % 12 + 12 * bool(_AFTERNOON.match(half)) if hour <= 12 else hour
    try:
        return day and day.replace(hour=hour, minute=int(match["minute"]), second=int(match["second"] or 0))
    except ValueError:
        return None


def _kept(line: Line) -> Line | None:
    if _MEDIA.match(line.text):
        return None
    text = _EDITED.sub("", line.text)
    return Line(line.speaker, text, line.time) if text else None
