"""A mind that does not fail silently: one retry or a restart of our own server, then one clear line.

A reply that broke off in the middle is gone on with where it broke off, by minds that can (`go_on`); the listener
then notices a pause, nothing else. Otherwise the MindError goes to the call, which speaks and writes it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Protocol, runtime_checkable

from echoless.frames import Turn
from echoless.mind.door import Mind, MindError, MindTraits

Note = Callable[[str, str, str], None]
"""Told of each failure as the call record wants it: part, what, action (`retried`, `restarted`, `gave_up`)."""


def _quiet(part: str, what: str, action: str) -> None:
    pass


@runtime_checkable
class Continuing(Protocol):
    """A mind that can go on with a reply of which `said` is already out."""

    def go_on(self, turns: Sequence[Turn], said: str) -> AsyncIterator[str]: ...


class Revivable(Protocol):
    """A server of our own: `LlamaServer`."""

    async def ensure(self) -> bool:
        """Brings it back if it needs that; says whether it did. Raises MindError where it cannot."""
        ...


class ReliableMind:
    """`mind`, tried once more when it fails; before that its `server`, if it has one of ours, is brought back."""

    def __init__(self, mind: Mind, server: Revivable | None = None, note: Note | None = None) -> None:
        self._mind = mind
        self._server = server
        self._note = note if note is not None else _quiet

    @property
    def traits(self) -> MindTraits:
        return self._mind.traits

    def reply(self, turns: Sequence[Turn]) -> AsyncIterator[str]:
        """Pieces of the reply. Raises MindError when the second try has failed too."""
        return self._reply(turns)

    async def prefill(self, turns: Sequence[Turn]) -> None:
        """Reads ahead; failing at that matters to nobody, the reply will show."""
        try:
            await self._mind.prefill(turns)
        except MindError as why:
            self._note("mind", str(why), "degraded")

    async def aclose(self) -> None:
        await self._mind.aclose()

    async def _reply(self, turns: Sequence[Turn]) -> AsyncGenerator[str, None]:
        said = ""
        pieces = self._mind.reply(turns)
        try:
            async with aclosing(pieces):  # type: ignore[type-var]
                async for piece in pieces:
                    said += piece
                    yield piece
            return
        except MindError as why:
            await self._recover(why, said)
        pieces = (
            self._mind.go_on(turns, said) if said and isinstance(self._mind, Continuing) else self._mind.reply(turns)
        )
        try:
            async with aclosing(pieces):  # type: ignore[type-var]
                async for piece in pieces:
                    yield piece
        except MindError as why:
            self._note("mind", str(why), "gave_up")
            raise

    async def _recover(self, why: MindError, said: str) -> None:
        """Returns where a second try makes sense, raises where it does not."""
        revived = False
        try:
            revived = self._server is not None and await self._server.ensure()
        except MindError as final:
            self._note("mind", str(final), "gave_up")
            raise
        if revived:
            self._note("mind", str(why), "restarted")
        if said and not isinstance(self._mind, Continuing):
            self._note("mind", str(why), "gave_up")
            raise why
        if not revived:
            self._note("mind", str(why), "retried")
