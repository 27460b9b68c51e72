"""Collect: every source through its reader into one file, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from echoless.workshop.mind.collect import hub
from echoless.workshop.mind.collect.find import expand
from echoless.workshop.mind.collect.kinds import KINDS, PRIVATE, Kind, tell
from echoless.workshop.mind.collect.source import Item, Source, SourceError, Wish
from echoless.workshop.mind.collect.store import Entry, Store
from echoless.workshop.mind.disk import told, write_whole
from echoless.workshop.mind.form import Talk

SAVE_EVERY = 5.0
"""Seconds between checkpoints."""
SAFE = "what was collected is safe; free some space and run the same command again, it goes on from there"
CONSENT = (
    "There are chats of people in it, their words and names. Ask them before you train on it, and share neither "
    "the data nor what was trained on it without asking. 'echoless mind clean' takes out names, numbers and addresses."
)


@dataclass
class Collected:
    """What came of it. `new` are the sources that this run read; `errors` one line each."""

    entries: dict[str, Entry]
    new: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def private(self) -> bool:
        """Whether people's chats are in it."""
        return any(entry.dialogues and entry.kind in PRIVATE for entry in self.entries.values())

    @property
    def dialogues(self) -> int:
        """How many dialogues the folder holds."""
        return sum(entry.dialogues for entry in self.entries.values())


class Watch(Protocol):
    """Told how it goes, as `progress.Bar`."""

    def begins(self, name: str, size: int | None) -> None: ...
    def advances(self, count: int) -> None: ...
    def says(self, note: str) -> None: ...


def collect(given: list[str], folder: Path, wish: Wish, watch: Watch, kind: str = "") -> Collected:
    """Gather the sources into `folder`; those that are there already are left alone. A source that cannot be read is an
    error in the result and does not stop the others. Raises MindError where nothing can go on."""
    found = list(expand(given))
    with told(folder, SAFE), closing(Store(folder)) as store:
        result = Collected(store.entries)
        for source, named in found:
            name = source if isinstance(source, str) else source.name
            try:
                _one(store, source, wish, kind, watch, result)
            except SourceError as error:
                store.entries.setdefault(name, Entry(_stamp(source, wish, kind))).error = str(error)
                (result.errors if named or kind else result.skipped).append(str(error))
                store.checkpoint()
        write_whole(folder / "summary.md", summary(result))
    return result


def _one(store: Store, source: Source | str, wish: Wish, kind: str, watch: Watch, result: Collected) -> None:
    name = source if isinstance(source, str) else source.name
    stamp = _stamp(source, wish, kind)
    entry = store.entries.get(name)
    if entry and entry.stamp != stamp:
        store.forget(name)
        entry = None
    if entry and entry.done and not entry.error:
        return
    entry = store.entries.setdefault(name, Entry(stamp))
    entry.error = ""
    result.new.append(name)
    if isinstance(source, str):
        entry.kind, items = hub.KIND, hub.read(source, wish)
        watch.begins(name, None)
    else:
        how: Kind = KINDS[kind] if kind else tell(source)
        entry.kind, items = how.name, how.read(source, wish)
        entry.encoding = source.encoding
        watch.begins(name, source.size)
        source.on_progress(watch.advances)
    _read(store, entry, items, watch, lambda: getattr(source, "damaged", 0))
    if not entry.dialogues:
        why = max(entry.passed, key=lambda each: entry.passed[each], default="nothing in it")
        raise SourceError(f"{name}: no dialogue found: {why}")


def _read(store: Store, entry: Entry, items: Iterator[Item], watch: Watch, damaged: Callable[[], int]) -> None:
    """Everything the reader yields but for what an earlier run has taken already."""
    before, saved = entry.items, time.monotonic()
    try:
        for number, item in enumerate(items):
            if number < before:
                continue
            if isinstance(item, Talk):
                store.add(item)
                entry.kind = item.kind if item.kind in PRIVATE else entry.kind
            entry.count(item)
            if entry.items % 256 == 0:
                watch.says(f"{entry.dialogues:,} dialogues")
                if time.monotonic() - saved > SAVE_EVERY:
                    store.checkpoint()
                    saved = time.monotonic()
        entry.done = True
    except SourceError:
        entry.done = True
        raise
    finally:
        entry.damaged = damaged()
        store.checkpoint()


def _stamp(source: Source | str, wish: Wish, kind: str) -> str:
    asked = f"{wish.me}|{wish.licence}|{wish.pause}|{kind}"
    if isinstance(source, str):
        return f"{source}|{asked}"
    state = source.path.stat()
    return f"{state.st_size}|{state.st_mtime_ns}|{source.member}|{asked}"


def summary(result: Collected) -> str:
    """What was collected, as a page."""
    lines = ["# What was collected", "", "| source | kind | dialogues | turns | characters | passed over |"]
    lines.append("|---|---|---|---|---|---|")
    for name, entry in sorted(result.entries.items()):
        passed = "; ".join(f"{count:,} {why}" for why, count in sorted(entry.passed.items(), key=lambda pair: -pair[1]))
        passed = "; ".join(part for part in (passed, entry.error) if part)
        numbers = f"{entry.dialogues:,} | {entry.turns:,} | {entry.characters:,}"
        lines.append(f"| {name} | {entry.kind} | {numbers} | {passed.replace('|', '/')} |")
    totals = [
        sum(getattr(entry, name) for entry in result.entries.values()) for name in ("dialogues", "turns", "characters")
    ]
    lines.append("| all | | " + " | ".join(f"{total:,}" for total in totals) + " | |")
    for name, entry in sorted(result.entries.items()):
        if entry.damaged:
            lines += ["", f"{name} ({entry.encoding}): {entry.damaged:,} characters could not be read and are U+FFFD."]
        lines += [f"- {name}, {example}" for example in entry.examples]
    if result.private:
        lines += ["", CONSENT]
    return "\n".join(lines) + "\n"
