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


@dataclass(frozen=True, slots=True)
class Says:
    """A sentence to be spoken and recognised, the words of its first half, and a question for the mind."""

    sentence: str
    half: str
    question: str


SAYS = {
    "en": Says("The quick brown fox jumps over the lazy dog.", "the quick brown", "Hello, how are you?"),
    "zh": Says("今天天气很好，我们去公园散步吧。", "今天天气很好我们", "你好，最近怎么样？"),
}
Check = Callable[["Patient"], Iterator[Finding]]


@dataclass(slots=True)
class Patient:
    """What the checks share: the settings, and what one check made for the next."""

    settings: Settings
    speech: Any = None
    """A sentence as the voice says it: float32 at 16 kHz."""

    @property
    def says(self) -> Says:
        """What is said to the parts, in the language that is set."""
        return SAYS.get(self.settings.language, SAYS["en"])
