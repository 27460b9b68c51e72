"""JSON and JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from echoless.workshop.mind.collect.shapes import dialogue
from echoless.workshop.mind.collect.source import Item, Passed, Source, SourceError, Wish
from echoless.workshop.mind.collect.stream import elements
from echoless.workshop.mind.form import LONGEST_LINE, loads

KIND = "json"
_WHOLE = 32 * 2**20
MOST = 10_000
"""Turns of a dialogue that is a file of its own."""
_INSIDE = ("data", "conversations", "dialogues", "dialogs", "examples", "rows", "items", "train", "messages")


def read_lines(source: Source, wish: Wish) -> Iterator[Item]:
    """A dialogue a line."""
    for number, line in source.lines():
        where = f"line {number}"
        if line is None:
            yield Passed(f"longer than {LONGEST_LINE >> 20} MB", where)
        elif line.strip():
            try:
                yield dialogue(loads(line), wish, source.name)
            except ValueError as error:
                yield Passed(f"no JSON: {_plain(error)}", where)


def read(source: Source, wish: Wish) -> Iterator[Item]:
    """One file of JSON: a list of dialogues, read as it streams, or an object that is one or holds such a list.

    Raises SourceError.
    """
    head = source.head().decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if head.startswith("["):
        yield from _listed(source, wish)
        return
    with source.text() as file:
        text = file.read(_WHOLE + 1)
    if len(text) > _WHOLE:
        raise SourceError(f"{source.name}: one object of more than {_WHOLE >> 20} MB: make it a list, or JSON lines")
    try:
        given = loads(text)
    except ValueError as error:
        raise SourceError(f"{source.name} is not JSON: {_plain(error)}") from None
    yield from (dialogue(found, wish, source.name) for found in inside(given))


def _listed(source: Source, wish: Wish) -> Iterator[Item]:
    """A list of dialogues; or of turns, which is one dialogue."""
    found = (each for _, each in elements(source))
    first = next(found, None)
    if isinstance(first, dict) and not _nested(first):
        yield dialogue([first, *islice(found, MOST)], wish, source.name)
        return
    if first is not None:
        yield dialogue(first, wish, source.name)
    yield from (dialogue(each, wish, source.name) for each in found)


def inside(given: Any) -> list[Any]:
    """The dialogues that an object holds: itself, or a list under one of the usual names."""
    if isinstance(given, dict):
        for name in _INSIDE:
            held = given.get(name)
            if isinstance(held, list) and held and all(isinstance(each, list) or _nested(each) for each in held):
                return held
    return [given]


def _nested(each: Any) -> bool:
    """Whether it is a dialogue, not a turn of one."""
    return isinstance(each, dict) and not any(name in each for name in ("role", "from", "speaker"))


def _plain(error: ValueError) -> str:
    return str(error).partition(": line")[0][:100]
