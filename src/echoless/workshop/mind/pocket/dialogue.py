"""What flows through the workshop: a dialogue to learn from."""

from __future__ import annotations

from dataclasses import dataclass

Said = tuple[str, str]
"""A turn: role (`system`, `user`, `assistant`) and text."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """`corpus` marks talk between people: a control token keeps it apart, so that its habits (football facts, coffee
    orders) stay there. `muted` are the numbers of turns that teach nothing."""

    turns: tuple[Said, ...]
    corpus: bool = False
    muted: frozenset[int] = frozenset()
