"""Tables (csv, tsv): a question and an answer a row, or a turn a row, or what backup tools make of WeChat."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import groupby

from echoless.workshop.mind.collect import wechat
from echoless.workshop.mind.collect.chat import Line, dialogues
from echoless.workshop.mind.collect.plain import from_names
from echoless.workshop.mind.collect.shapes import PAIRS, dialogue
from echoless.workshop.mind.collect.source import Item, Passed, Source, SourceError, Wish
from echoless.workshop.mind.form import LONGEST_LINE

KIND = "table"
_WHO = ("role", "speaker", "from", "sender", "who", "name", "author", "说话人", "发送者", "昵称")
_TEXT = ("content", "text", "message", "utterance", "value", "内容", "消息", "消息内容")
_TIME = ("time", "date", "timestamp", "datetime", "created", "时间", "发送时间")
_GROUP = ("conversation_id", "dialogue_id", "dialog_id", "conversation", "dialogue", "session", "session_id", "thread")


def read(source: Source, wish: Wish) -> Iterator[Item]:
    """Dialogues of a table. Raises SourceError that names the columns where they say nothing."""
    csv.field_size_limit(LONGEST_LINE)
    rows = _rows(source)
    try:
        columns = next(rows, None)
    except csv.Error as error:
        raise SourceError(f"{source.name} is no table: {error}") from None
    if columns is None:
        raise SourceError(f"{source.name} is empty")
    columns = [name.strip().lstrip("\ufeff") for name in columns]
    yield from _dialogues(source, wish, columns, _named(rows, columns))


def _dialogues(source: Source, wish: Wish, columns: list[str], rows: Iterator[dict[str, str]]) -> Iterator[Item]:
    if form := wechat.table(columns):
        lines = wechat.rows(rows, form, wish.me or "me")
        yield from dialogues(lines, Wish(wish.me or "me", wish.licence, wish.pause), source.name, wechat.KIND)
        return
    low = {name.lower(): name for name in columns}
    who, text, time, group = (next((low[n] for n in names if n in low), "") for names in (_WHO, _TEXT, _TIME, _GROUP))
    if who and text and group:
        for _, turns in groupby(rows, key=lambda row: row[group]):
            said = [(row[who], row[text]) for row in turns if row[text].strip()]
            yield from_names(said, source.name, wish, KIND) if said else Passed("no text in it")
    elif who and text and time:
        lines = (Line(row[who], row[text], _time(row[time])) for row in rows if row[who] and row[text].strip())
        yield from dialogues(lines, wish, source.name, KIND)
    elif who and text:
        lines = (Line(row[who], row[text]) for row in rows if row[who] and row[text].strip())
        yield from dialogues(lines, wish, source.name, KIND)
    elif any(asked in low and answered in low for asked, answered in PAIRS):
        yield from (dialogue(row, wish, source.name, KIND) for row in rows)
    elif len(columns) == 2:
        yield _two(columns, wish, source.name)  # no header: the first row is a dialogue, too
        yield from (_two([row[name] for name in columns], wish, source.name) for row in rows)
    else:
        raise SourceError(
            f"{source.name}: none of its columns ({', '.join(columns[:8])}) are known: name them prompt and response, "
            "or speaker and text"
        )


def _two(row: list[str], wish: Wish, source: str) -> Item:
    return dialogue({"prompt": row[0], "response": row[1]}, wish, source, KIND)


def _rows(source: Source) -> Iterator[list[str]]:
    head = source.head().decode("utf-8", "replace").partition("\n")[0]
    delimiter = max("\t,;|", key=head.count) if source.suffix != ".tsv" else "\t"

    def lines() -> Iterator[str]:
        for _, line in source.lines():
            yield f"{line or ''}\n".replace("\0", "")

    yield from csv.reader(lines(), delimiter=delimiter)


def _named(rows: Iterable[list[str]], columns: list[str]) -> Iterator[dict[str, str]]:
    try:
        for row in rows:
            if row:
                yield dict(zip(columns, [*row, *[""] * (len(columns) - len(row))], strict=False))
    except csv.Error as error:
        raise SourceError(f"the table breaks off: {error}") from None


def _time(text: str) -> datetime | None:
    with suppress(ValueError):
        return datetime.fromisoformat(text.strip().replace("/", "-"))
    return None
