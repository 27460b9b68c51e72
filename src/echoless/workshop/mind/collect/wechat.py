"""WeChat: it exports nothing itself, so these are the forms that copying out of it and people's tools leave.

- copied or mailed from the desktop client: `Name  2024-5-1 18:30:00` or `Name 18:30` above each message, days between
  dashes; also `Name:` above it
- text of backup tools: `2024-05-01 18:30:00 Name` or `Name(2024-05-01 18:30:00):text`
- tables of backup tools (MemoTrace, PyWxDump): columns as in `TABLES`
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from echoless.workshop.mind.collect.chat import LONGEST, Line, dialogues
from echoless.workshop.mind.collect.source import Item, Source, Wish

KIND = "wechat"
_DAY = r"(?P<y>\d{4})[-/年.](?P<m>\d{1,2})[-/月.](?P<d>\d{1,2})日?"
_CLOCK = r"(?P<half>上午|下午|晚上|凌晨|早上|中午)?\s?(?P<H>\d{1,2})[:：](?P<M>\d{2})(?:[:：](?P<S>\d{2}))?"
_DAY_LINE = re.compile(rf"^[\s—–\-─=]*{_DAY}(?:\s*(?:星期|周)[一二三四五六日天])?[\s—–\-─=]*$")
_HEADS = (
    re.compile(rf"^(?P<who>\S[^:：]{{0,40}}?)\s*[(（]?(?:{_DAY}\s*)?{_CLOCK}[)）]?\s*[:：]?\s*(?P<text>)$"),
    re.compile(rf"^{_DAY}\s*{_CLOCK}\s+[‘'\"]?(?P<who>\S[^:：]{{0,40}}?)[’'\"]?\s*[:：]?(?P<text>)$"),
    re.compile(rf"^(?P<who>\S[^:：(（]{{0,40}}?)\s*[(（]{_DAY}\s*{_CLOCK}[)）]\s*[:：]\s*(?P<text>.+)$"),
    re.compile(rf"^{_DAY}\s*{_CLOCK}\s+(?P<who>\S[^:：]{{0,40}}?)[:：]\s?(?P<text>.+)$"),
)
_PLACEHOLDER = re.compile(
    r"^(?:\[[^\[\]]{1,12}\]|［[^［］]{1,12}］|【[^【】]{1,12}】)(?:.{0,40})$|^\"?.{1,30}\"?\s?撤回了一条消息$|^<msg>.*"
)
_SMILEY = re.compile(r"\[[\u4e00-\u9fffA-Za-z]{1,6}\]")
TABLES = (
    {"text": "StrContent", "mine": "IsSender", "time": "StrTime", "who": ("Remark", "NickName", "Sender")},
    {"text": "msg", "mine": "is_sender", "time": "CreateTime", "who": ("talker",)},
)
"""Columns of the tools' tables."""
_TEXT_TYPES = {"", "1", "文本", "text"}


def matches(head: str) -> bool:
    """Whether several of the first lines name a person and a time as one of these forms has it."""
    lines = [line for line in head.splitlines()[:60] if line.strip()]
    found = sum(any(form.match(line.strip()) for form in _HEADS) for line in lines)
    return found >= 2 and found >= 0.2 * len(lines)


def read(source: Source, wish: Wish) -> Iterator[Item]:
    """Dialogues of a chat as text."""
    return dialogues(_lines(source), wish, source.name, KIND)


def _lines(source: Source) -> Iterator[Line]:
    day: datetime | None = None
    who, time, text = "", None, list[str]()
    for _, raw in source.lines():
        bare = (raw or "").strip()
        if dated := _DAY_LINE.match(bare):
            day = _moment(dated, None) or day
            continue
        head = next((found for form in _HEADS if (found := form.match(bare))), None)
        if head is None:
            if len(text) < LONGEST // 20:
                text.append(bare[:LONGEST])
            continue
        yield from _kept(who, text, time)
        who, time, text = head["who"].strip(), _moment(head, day), [head["text"]]
    yield from _kept(who, text, time)


def _moment(found: re.Match[str], day: datetime | None) -> datetime | None:
    part = found.groupdict()
    try:
        if part.get("y"):
            day = datetime(int(part["y"]), int(part["m"]), int(part["d"]))
        if day is None or not part.get("H"):
            return day
        hour = int(part["H"])
        if part["half"] in ("下午", "晚上", "中午") and hour < 12:
            hour += 12 * (part["half"] != "中午" or hour < 11)
        return day.replace(hour=hour % 24, minute=int(part["M"]), second=int(part["S"] or 0))
    except ValueError:
        return day


def _kept(who: str, text: list[str], time: datetime | None) -> Iterator[Line]:
    said = tidy("\n".join(text).strip())
    if who and said:
        yield Line(who, said, time)


def tidy(text: str) -> str:
    """Without [smileys]; empty for what is no text: [图片], a message taken back, raw XML."""
    return "" if _PLACEHOLDER.match(text) and not _SMILEY.sub("", text).strip() else _SMILEY.sub("", text).strip()


def table(columns: list[str]) -> Mapping[str, object] | None:
    """Which of the tools' tables has these columns."""
    have = set(columns)
    return next((form for form in TABLES if {form["text"], form["mine"], form["time"]} <= have), None)


def rows(lines: Iterator[dict[str, str]], form: Mapping[str, object], me: str) -> Iterator[Line]:
    """The lines of such a table. Whoever exported it is called `me` here, whatever they call themselves."""
    for row in lines:
        kind = row.get("Type") or row.get("type_name") or ""
        text = tidy(row.get(str(form["text"])) or "")
        if kind.lower() not in _TEXT_TYPES or not text or text.startswith("<?xml"):
            continue
        other = next((row[name] for name in form["who"] if row.get(name)), "other")  # type: ignore[attr-defined]
        mine = (row.get(str(form["mine"])) or "0").strip() in ("1", "True", "true")
        yield Line(me if mine else other, text, _parsed(row.get(str(form["time"])) or row.get("CreateTime") or ""))


def _parsed(text: str) -> datetime | None:
    try:
        if text.strip().isdigit():
            return datetime.fromtimestamp(int(text) / (1000 if len(text.strip()) > 11 else 1), UTC)
        return datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError, OSError):
        return None
