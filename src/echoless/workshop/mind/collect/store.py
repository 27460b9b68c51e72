"""What was collected: the file of dialogues, and how far each source was read, kept in step with each other."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from echoless.workshop.mind.collect.source import Passed
from echoless.workshop.mind.disk import private_folder, write_whole
from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.form import DIALOGUES, Talk, dumps, lines_of, loads

STATE = "sources.json"
EXAMPLES = 3


@dataclass
class Entry:
    """How far one source was read. `stamp` tells whether it is still the same file, asked for in the same way."""

    stamp: str
    kind: str = ""
    encoding: str = ""
    items: int = 0
    dialogues: int = 0
    turns: int = 0
    characters: int = 0
    damaged: int = 0
    passed: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    done: bool = False
    error: str = ""

    def count(self, item: Talk | Passed) -> None:
        """Take account of what a reader yielded."""
        self.items += 1
        if isinstance(item, Talk):
            self.dialogues += 1
            self.turns += len(item.messages)
            self.characters += sum(len(message.text) for message in item.messages)
            return
        self.passed[item.why] = self.passed.get(item.why, 0) + 1
        if item.where and len(self.examples) < EXAMPLES:
            self.examples.append(f"{item.where}: {item.why}")


class Store:
    """A folder of `collect`. `checkpoint` puts on disk what was added; whatever came after the last one is dropped when
    the folder is opened again, so that no dialogue is there twice or in part. Raises MindError."""

    def __init__(self, folder: Path) -> None:
        private_folder(folder)
        self.folder, self.path = folder, folder / DIALOGUES
        self.entries: dict[str, Entry] = {}
        self._end = 0
        self._read()
        self._file = self.path.open("ab")
        self._file.truncate(self._end)
        self.path.chmod(0o600)

    def _read(self) -> None:
        state = self.folder / STATE
        if not state.exists():
            if self.path.exists() and self.path.stat().st_size:
                raise MindError(f"{self.path} is there already, but no {STATE} of 'mind collect': take another --out")
            return
        try:
            kept = json.loads(state.read_text("utf-8"))
            self._end = int(kept["end"])
            self.entries = {name: Entry(**entry) for name, entry in kept["sources"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise MindError(f"{state} cannot be read: take another --out, or remove {self.folder}") from None
        if not self.path.exists() or self.path.stat().st_size < self._end:
            raise MindError(f"{self.path} is shorter than {STATE} says: remove {self.folder} and collect anew")

    def add(self, talk: Talk) -> None:
        """Append a dialogue."""
        self._file.write(dumps(talk.as_json()).encode())

    def checkpoint(self) -> None:
        """Make sure of everything that was added so far."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._end = self._file.tell()
        kept = {"end": self._end, "sources": {name: asdict(entry) for name, entry in self.entries.items()}}
        write_whole(self.folder / STATE, json.dumps(kept, indent=1, ensure_ascii=False))

    def forget(self, source: str) -> None:
        """Take out the dialogues of a source that has changed."""
        self._file.close()
        part = self.path.with_suffix(".part")
        with self.path.open("rb") as old, part.open("wb") as new:
            for _, line in lines_of(old):
                if line is not None and loads(line).get("source") != source:
                    new.write(line + b"\n")
        part.replace(self.path)
        self.entries.pop(source, None)
        self._file = self.path.open("ab")
        self.checkpoint()

    def close(self) -> None:
        """Close the file; what no checkpoint made sure of may be lost. After a full disk that is what is wanted."""
        try:
            self._file.close()
        except OSError:
            os.truncate(self.path, self._end)
