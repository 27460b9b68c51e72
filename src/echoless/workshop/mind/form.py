"""The one form of text in this workshop: a folder of JSON lines, which `collect` writes and `train` reads.

A line of `dialogues.jsonl` (and of every file below but `preferences.jsonl`) is one dialogue:

    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}],
     "id": "3f0c…", "source": "chat.json", "kind": "telegram", "language": "en", "licence": "…",
     "speakers": ["Anna", "Ben"], "time": "2024-05-01T18:30:00"}

`messages` is what chat templates and trl read; roles are `system`, `user`, `assistant`; the other keys may be
missing. A line of `preferences.jsonl` is what trl's DPO reads:

    {"prompt": [messages], "chosen": [message], "rejected": [message]}
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from echoless.workshop.mind.errors import MindError

DIALOGUES = "dialogues.jsonl"
"""Every dialogue that was kept: train on these."""
REJECTED = "rejected.jsonl"
"""What went, each with `reasons`."""
STYLED = "styled.jsonl"
"""Dialogues whose replies are in the style that was asked for, and those about the persona: train on these as well."""
NEUTRAL = "neutral.jsonl"
"""Neutral answers to what should not be answered in kind: train on these as well."""
PREFERENCES = "preferences.jsonl"
"""Pairs of a chosen and a rejected reply, for preference training."""
HELD_OUT = "held_out.jsonl"
"""Dialogues that nothing else holds: prompts to judge replies on, and plain text to judge the loss on."""

ROLES = ("system", "user", "assistant")
LONGEST_LINE = 8 * 2**20
"""Bytes: a longer line is no dialogue."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one side said. `speaker` is the name in the source, `time` ISO 8601; both empty where unknown."""

    role: str
    text: str
    speaker: str = ""
    time: str = ""


@dataclass(frozen=True, slots=True)
class Talk:
    """One dialogue and where it came from."""

    messages: tuple[Message, ...]
    source: str = ""
    kind: str = ""
    language: str = ""
    licence: str = ""
    id: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    def with_texts(self, texts: Iterable[str]) -> Talk:
        """The same dialogue in other words, one text a message."""
        messages = tuple(replace(old, text=new) for old, new in zip(self.messages, texts, strict=True))
        return replace(self, messages=messages)

    @property
    def key(self) -> str:
        """The id, or one made of what was said: 16 hexadecimal digits."""
        if self.id:
            return self.id
        said = "\x1e".join(f"{message.role}\x1f{message.text}" for message in self.messages)
        return hashlib.sha256(f"{self.source}\x1d{said}".encode("utf-8", "replace")).hexdigest()[:16]

    def as_json(self) -> dict[str, Any]:
        """A line of a file, its empty keys left out."""
        known = {
            "messages": [{"role": message.role, "content": message.text} for message in self.messages],
            "id": self.key,
            "source": self.source,
            "kind": self.kind,
            "language": self.language,
            "licence": self.licence,
            "speakers": [message.speaker for message in self.messages],
            "times": [message.time for message in self.messages],
        }
        return {name: value for name, value in known.items() if value and value not in _nothing(value)} | self.more


def _nothing(value: Any) -> tuple[Any, ...]:
    return ([""] * len(value),) if isinstance(value, list) else ("",)


_OWN = {"messages", "id", "source", "kind", "language", "licence", "speakers", "times"}


def from_json(line: Any) -> Talk:
    """The dialogue of a line in this form. Raises ValueError that says what is wrong with it."""
    if not isinstance(line, dict) or not isinstance(line.get("messages"), list):
        raise ValueError("no list of messages")
    count = len(line["messages"])
    speakers, times = (_column(line, name, count) for name in ("speakers", "times"))
    messages = []
    for message, speaker, time in zip(line["messages"], speakers, times, strict=True):
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise ValueError(f"a message's role is not one of {', '.join(ROLES)}")
        if not isinstance(message.get("content"), str):
            raise ValueError("a message has no content")
        messages.append(Message(message["role"], message["content"], speaker, time))
    said = {name: line.get(name) or "" for name in ("source", "kind", "language", "licence", "id")}
    more = {name: value for name, value in line.items() if name not in _OWN}
    return Talk(tuple(messages), **{name: str(value) for name, value in said.items()}, more=more)


def _column(line: dict[str, Any], name: str, count: int) -> list[str]:
    values = line.get(name) or [""] * count
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"{name} are not as many as messages")
    return [str(value or "") for value in values]


def no_constant(name: str) -> float:
    """For `json.loads(parse_constant=)`: NaN and Infinity are no JSON."""
    raise ValueError(f"{name} is not JSON")


def finite(text: str) -> float:
    """For `json.loads(parse_float=)`: 1e999 is no number either."""
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def loads(text: str | bytes) -> Any:
    """JSON as the standard has it. Raises ValueError: also for NaN, numbers out of range and too deep a nesting."""
    try:
        return json.loads(text, parse_constant=no_constant, parse_float=finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def dumps(value: Any) -> str:
    """One line. A lone surrogate, which UTF-8 cannot hold, becomes U+FFFD."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace").decode() + "\n"


def lines_of(file: IO[bytes], longest: int = LONGEST_LINE) -> Iterator[tuple[int, bytes | None]]:
    """Number (from 1) and bytes of each line, without its end; None for one longer than `longest` bytes, which is
    passed over without being held."""
    number = 0
    while line := file.readline(longest + 1):
        number += 1
        if len(line) <= longest or line.endswith(b"\n"):
            yield number, line.rstrip(b"\r\n")
            continue
        while (rest := file.readline(2**20)) and not rest.endswith(b"\n"):
            pass
        yield number, None


def find(folder: Path, name: str = DIALOGUES) -> Path:
    """The file of a folder of `collect` or `clean`, or the file itself where a file is given. Raises MindError."""
    path = folder if folder.is_file() else folder / name
    if path.is_file():
        return path
    if not folder.exists():
        raise MindError(f"{folder} does not exist: 'echoless mind collect SOURCES --out {folder}' makes it")
    raise MindError(f"{folder} has no {name}: 'echoless mind collect SOURCES --out {folder}' makes one")


def read_talks(path: Path, name: str = DIALOGUES) -> Iterator[Talk]:
    """The dialogues of a file or folder, one at a time. Raises MindError at the first bad line: the file is ours."""
    path = find(path, name)
    with path.open("rb") as file:
        for number, line in lines_of(file):
            if line is None:
                raise MindError(f"{path} line {number}: longer than {LONGEST_LINE >> 20} MB, which is no dialogue")
            try:
                yield from_json(loads(line))
            except ValueError as error:
                raise MindError(f"{path} line {number}: {error}; make it anew with 'echoless mind collect'") from None


def count_lines(path: Path) -> int:
    """Lines of a file, which need not end with one."""
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(2**20):
            count, last = count + block.count(b"\n"), block
    return count + (not last.endswith(b"\n"))
