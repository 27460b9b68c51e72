"""Reading ahead is never worth waiting for: whatever comes next ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Prefills:
    """At most one prefill at a time. Only for one event loop."""

    def __init__(self) -> None:
        self._running: asyncio.Timeout | None = None
        self._over = asyncio.Event()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Ends the one before; what runs inside is ended quietly by `end`."""
        await self.end()
        over = self._over = asyncio.Event()
        try:
            async with asyncio.timeout(None) as scope:
                self._running = scope
                yield
        except TimeoutError:
            if not scope.expired():
                raise
        finally:
            if self._running is scope:
                self._running = None
            over.set()

    async def end(self) -> None:
        """Stop the one that runs, if any, and wait until its connection is closed."""
        while self._running is not None:
            over = self._over
            if not self._running.expired():
                self._running.reschedule(asyncio.get_running_loop().time())
            await over.wait()
