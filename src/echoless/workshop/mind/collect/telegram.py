"""Telegram Desktop's exports: `result.json` of one chat or of all of them, and `messages.html`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from html.parser import HTMLParser
from itertools import groupby
from typing import Any

from echoless.workshop.mind.collect.chat import LONGEST, Line, dialogues
from echoless.workshop.mind.collect.source import Item, Source, Wish
from echoless.workshop.mind.collect.stream import elements

KIND = "telegram"
_ALL = re.compile(r'"chats"\s*:\s*\{')
_ONE = re.compile(r'"messages"\s*:\s*\[')
_OURS = re.compile(r'"(?:from_id|date_unixtime|actor_id)"\s*:')
_FROM_ZONE = re.compile(r"(\d\d)\.(\d\d)\.(\d{4}) (\d\d):(\d\d)(?::(\d\d))?")


def matches_json(head: str) -> bool:
    """Whether a JSON file begins as Telegram's do."""
    return bool(_ALL.search(head) or (_ONE.search(head) and _OURS.search(head)))


def matches_html(head: str) -> bool:
    """Whether a page is one of Telegram's."""
    return 'class="page_wrap"' in head and "history" in head


def read_json(source: Source, wish: Wish) -> Iterator[Item]:
    """Dialogues of every chat in it, read as the file streams. Raises SourceError."""
    for _, chat in groupby(elements(source, "messages"), key=lambda pair: pair[0]):
        yield from dialogues(_lines(message for _, message in chat), wish, source.name, KIND)


def _lines(messages: Iterator[Any]) -> Iterator[Line]:
    for message in messages:
        if not isinstance(message, dict) or message.get("type") != "message" or message.get("forwarded_from"):
            continue
        text = _flat(message.get("text")).strip()
        if text and message.get("from"):
            yield Line(str(message["from"]), text, _time(message))


def _flat(text: Any) -> str:
    """Text that is a string, or a list of strings and objects with one."""
    if isinstance(text, list):
        return "".join(_flat(part) for part in text)
    if isinstance(text, dict):
        return _flat(text.get("text"))
    return text if isinstance(text, str) else ""


def _time(message: dict[str, Any]) -> datetime | None:
    with suppress(TypeError, ValueError):
        return datetime.fromisoformat(str(message["date"])) if "date" in message else None
    return None


def read_html(source: Source, wish: Wish) -> Iterator[Item]:
    """Dialogues of a `messages.html`."""
    return dialogues(_page(source), wish, source.name, KIND)


def _page(source: Source) -> Iterator[Line]:
    page = _Page()
    with source.text() as file:
        while block := file.read(2**16):
            page.feed(block)
            yield from page.take()
    page.close()
    yield from page.take()


class _Page(HTMLParser):
    """Collects who wrote what when. A `joined` message goes on with the speaker of the one before."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._done: list[Line] = []
        self._open: list[str] = []
        self._who, self._text = "", ""
        self._time: datetime | None = None
        self._forwarded = False
        self._name = ""

    def take(self) -> list[Line]:
        """The messages that are complete."""
        done, self._done = self._done, []
        return done

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br" and "text" in self._open:
            self._text += "\n"
        if tag != "div":
            return
        given = dict(attrs)
        kinds = (given.get("class") or "").split()
        role = next((name for name in ("message", "from_name", "text", "forwarded") if name in kinds), "")
        if role == "message":
            self._text, self._time, self._forwarded = "", None, False
        elif role == "from_name" and "forwarded" not in self._open:
            self._name = ""
        elif role == "forwarded":
            self._forwarded = True
        elif "date" in kinds and (found := _FROM_ZONE.search(given.get("title") or "")):
            day, month, year, hour, minute, second = (int(part or 0) for part in found.groups())
            with suppress(ValueError):
                self._time = datetime(year, month, day, hour, minute, second)
        self._open.append(role)

    def handle_endtag(self, tag: str) -> None:
        if tag != "div" or not self._open:
            return
        role = self._open.pop()
        if role == "from_name" and "forwarded" not in self._open:
            self._who = " ".join(self._name.split())
        elif role == "message" and self._text.strip() and self._who and not self._forwarded:
            self._done.append(Line(self._who, self._text.strip(), self._time))

    def handle_data(self, data: str) -> None:
        if "text" in self._open and len(self._text) < LONGEST:
            self._text += data
        elif self._open and self._open[-1] == "from_name":
            self._name += data
