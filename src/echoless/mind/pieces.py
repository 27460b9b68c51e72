"""The pieces of one reply on their way from any source to the voice: bounded waits, filtered, never empty."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from echoless.mind.door import MindError
from echoless.mind.spoken import ReplyFilter
from echoless.mind.wire import Patience


class Waiting:
    """Counts the time spent waiting for one reply, and ends it with a MindError. Time that the listener takes
    between two pieces does not count."""

    def __init__(self, patience: Patience, who: str) -> None:
        self._patience = patience
        self._who = who
        self._silent = 0.0
        self._total = 0.0
        self._begun = False

    async def next(self, pieces: AsyncIterator[str]) -> str | None:
        """The next piece, None at the end."""
        async with self:
            return await anext(pieces, None)

    def heard(self) -> None:
        """Something came that can be spoken."""
        self._silent = 0.0
        self._begun = True

    async def __aenter__(self) -> None:
        limit = self._patience.between if self._begun else self._patience.first
        self._since = asyncio.get_running_loop().time()
        bounds = [
            most - spent
            for most, spent in ((limit, self._silent), (self._patience.whole, self._total))
            if most is not None
        ]
        self._timeout = asyncio.timeout(max(0.0, min(bounds)) if bounds else None)
        await self._timeout.__aenter__()

    async def __aexit__(self, kind: type[BaseException] | None, why: BaseException | None, where: object) -> None:
        spent = asyncio.get_running_loop().time() - self._since
        self._silent += spent
        self._total += spent
        try:
            await self._timeout.__aexit__(kind, why, where)  # type: ignore[arg-type]
        except TimeoutError:
            raise MindError(self._line()) from None

    def _line(self) -> str:
        if not self._begun:
            return f"{self._who} gave no word within {self._patience.first or self._patience.whole:g} s"
        return f"{self._who} fell silent in the middle of its reply"


async def speakable(
    source: AsyncGenerator[str, None], reply: ReplyFilter, waiting: Waiting, who: str
) -> AsyncGenerator[str, None]:
    """What of the raw pieces in `source` may be spoken, as soon as it may. Closes the source as soon as the reply is
    done. Raises MindError where a wait takes too long or nothing was said."""
    async with aclosing(source):
        while not reply.done and (piece := await waiting.next(source)) is not None:
            if text := reply.feed(piece):
                waiting.heard()
                yield text
    if text := reply.flush():
        yield text
    if not reply.spoke:
        raise MindError(f"{who} thought but said nothing" if reply.thought else f"{who} gave an empty reply")
