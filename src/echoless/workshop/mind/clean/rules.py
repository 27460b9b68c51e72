"""What a cleaning is asked for, and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from echoless.workshop.mind.clean.alike import Alike
from echoless.workshop.mind.clean.checks import UNASKED
from echoless.workshop.mind.form import Talk

EXAMPLES = 5


@dataclass(frozen=True)
class Rules:
    """What is asked for. `off`: reasons and mends that do not count; `on`: reasons that do not count by themselves."""

    languages: tuple[str, ...] = ()
    script: str = ""
    longest: int = 200
    alike: float = 0.8
    hold_out: float = 0.02
    seed: int = 20
    off: frozenset[str] = frozenset()
    on: frozenset[str] = frozenset()
    words: Path | None = None

    def wants(self, what: str) -> bool:
        """Whether a reason or a mend counts."""
        return what not in self.off and (what not in UNASKED or what in self.on)


@dataclass
class Report:
    """What was read, kept and left out; examples are masked."""

    read: int = 0
    kept: int = 0
    held_out: int = 0
    turns_read: int = 0
    turns_kept: int = 0
    characters_kept: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    turns_lost: Counter[str] = field(default_factory=Counter)
    mends: Counter[str] = field(default_factory=Counter)
    private: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    samples: list[Talk] = field(default_factory=list)
    doubtful: list[tuple[float, str]] = field(default_factory=list)
    alike: list[Alike] = field(default_factory=list)

    def example(self, what: str, text: str) -> None:
        """Keep a few of each kind."""
        if len(kept := self.examples.setdefault(what, [])) < EXAMPLES:
            kept.append(text)
