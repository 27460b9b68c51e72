"""What a file is: told by its name and by how it begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from echoless.workshop.mind.collect import jsonfile, plain, record, subtitles, tables, telegram, wechat, whatsapp
from echoless.workshop.mind.collect.encoding import detect
from echoless.workshop.mind.collect.source import Item, Source, SourceError, Wish

Reader = Callable[[Source, Wish], Iterator[Item]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file."""

    name: str
    what: str
    read: Reader


KINDS = {
    kind.name: kind
    for kind in (
        Kind("jsonl", "JSON lines: messages, ShareGPT, Alpaca, prompt and completion, turns", jsonfile.read_lines),
        Kind("json", "the same in one file of JSON", jsonfile.read),
        Kind("table", "csv or tsv: prompt and response, or speaker and text", tables.read),
        Kind("telegram", "Telegram's result.json", telegram.read_json),
        Kind("telegram-html", "Telegram's messages.html", telegram.read_html),
        Kind("whatsapp", "WhatsApp's exported chat (.txt)", whatsapp.read),
        Kind("wechat", "WeChat, copied or from a backup tool (.txt; their .csv is a table)", wechat.read),
        Kind("subtitles", "srt, vtt, ass", subtitles.read),
        Kind("call", "events.jsonl of a call record of Echoless", record.read),
        Kind("text", "dialogues as text: 'A: ...', '- ...', or a line each and empty lines between", plain.read),
    )
}
PRIVATE = ("telegram", "telegram-html", "whatsapp", "wechat", "call")
"""Kinds that hold what people said who may not know of this."""
_BY_SUFFIX = {
    ".srt": "subtitles",
    ".vtt": "subtitles",
    ".ass": "subtitles",
    ".ssa": "subtitles",
    ".csv": "table",
    ".tsv": "table",
}
KNOWN = "json, jsonl, csv, tsv, chats of Telegram, WhatsApp, WeChat, srt, vtt, ass, call records, dialogues as text"


def tell(source: Source) -> Kind:
    """The kind of a file. Raises SourceError: empty, no text, or of no kind that is known."""
    head = source.head()
    if not head.strip():
        raise SourceError(f"{source.name} is empty")
    encoding = detect(head)
    if encoding is None:
        raise SourceError(f"{source.name} is no text (known: {KNOWN})")
    source.encoding = encoding
    name = _tell(source, head.decode(encoding, "replace").lstrip("\ufeff"))
    if name is None:
        raise SourceError(f"{source.name} is of no kind that is known: {KNOWN}; --kind says which one to take it for")
    return KINDS[name]


def _tell(source: Source, head: str) -> str | None:
    if source.suffix in _BY_SUFFIX:
        return _BY_SUFFIX[source.suffix]
    start = head.lstrip()
    if start[:1] in "{[" and not whatsapp.matches(head):
        return _tell_json(source, start)
    if start[:1] == "<":
        return "telegram-html" if telegram.matches_html(head) else None
    if start.startswith("WEBVTT") or subtitles.begins(start):
        return "subtitles"
    for name, module in (("whatsapp", whatsapp), ("wechat", wechat), ("text", plain)):
        if module.matches(head):
            return name
    return None


def _tell_json(source: Source, start: str) -> str:
    if telegram.matches_json(start):
        return "telegram"
    if record.matches(start):
        return "call"
    first = start.partition("\n")[0].rstrip()
    lines = source.suffix in (".jsonl", ".ndjson") or (first.endswith("}") and start.count("\n") and start[0] == "{")
    return "jsonl" if lines else "json"
