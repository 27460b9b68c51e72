"""What a check of the doctor's finds, and what checks share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from echoless.settings import Settings

State = Literal["ok", "missing", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination. `missing` is something that a call can do without; `failed` stops it."""

    part: str
    state: State
    what: str
    advice: str = ""
    milliseconds: float | None = None
    more: dict[str, Any] = field(default_factory=dict)


Check = Callable[["Patient"], Iterator[Finding]]


@dataclass(slots=True)
class Patient:
    """What the checks share: the settings, and what one check made for the next."""

    settings: Settings
    speech: Any = None
    """A sentence as the voice says it: float32 at 16 kHz."""
    sentence: str = "The quick brown fox jumps over the lazy dog."
