"""The door of the mind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from echoless.frames import Turn


class MindError(Exception):
    """The mind cannot be reached, loaded, or gave garbage. One line that says what to do."""


@dataclass(frozen=True, slots=True)
class MindTraits:
    """What a mind is. `context` in tokens, 0 where unknown."""

    name: str
    context: int = 0
    template: bool = False
    prefills: bool = False


@runtime_checkable
class Mind(Protocol):
    """Turns the conversation so far into words."""

    @property
    def traits(self) -> MindTraits: ...

    def reply(self, turns: Sequence[Turn]) -> AsyncIterator[str]:
        """Pieces of text answering the last (user) turn. Closing it stops the work at once. Raises MindError."""
        ...

    async def prefill(self, turns: Sequence[Turn]) -> None:
        """Get ready for a reply to these turns, the last one still being spoken. Cancelling it is harmless."""
        ...

    async def aclose(self) -> None: ...
