"""Which files the given sources are: folders are walked, archives opened, call records taken whole."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from echoless.workshop.mind.collect import hub
from echoless.workshop.mind.collect.source import Source, SourceError, members

MOST_MEMBERS = 10_000
TEXT = (
    ".json",
    ".jsonl",
    ".ndjson",
    ".csv",
    ".tsv",
    ".txt",
    ".html",
    ".htm",
    ".srt",
    ".vtt",
    ".ass",
    ".ssa",
    ".gz",
)
"""What is looked at in folders and archives; a file that is named is always looked at."""


def expand(given: list[str]) -> Iterator[tuple[Source | str, bool]]:
    """Each file, or `hf:` name, and whether it was named itself. Raises SourceError for what is not there."""
    for name in given:
        if name.startswith(hub.PREFIX):
            hub.parse(name)
            yield name, True
            continue
        path = Path(name).expanduser()
        if not path.exists():
            raise SourceError(f"{name} does not exist")
        for each in _walk(path) if path.is_dir() else [path]:
            for source in _unpacked(each, str(each)):
                yield source, path.is_file() and not source.member


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if "events.jsonl" in files and "call.json" in files:
            folders.clear()
            yield here / "events.jsonl"
            continue
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in (*TEXT, ".zip"):
                yield here / name


def _unpacked(path: Path, name: str) -> Iterator[Source]:
    if not (path.suffix.lower() == ".zip" or (path.is_file() and zipfile.is_zipfile(path))):
        yield Source(name, path)
        return
    inside = members(path)
    if len(inside) > MOST_MEMBERS:
        raise SourceError(f"{name} holds more than {MOST_MEMBERS:,} files: unpack what you want of it")
    for member in inside:
        if Path(member).suffix.lower() in TEXT:
            yield Source(f"{name}/{member}", path, member)
