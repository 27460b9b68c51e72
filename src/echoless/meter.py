"""Where compute time is spent and counted: the one door between a call and work that takes real time.

A live call runs heavy work in one worker thread a part, so that the audio never waits. A rehearsal runs the
same work in place and charges its cost to the audio clock (`rooms.virtual`). Organs never choose: they get a
meter.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Protocol, TypeVar

T = TypeVar("T")
_END = object()
GIVES_WAY, BY = frozenset({"turn_end"}), 5
"""Parts that leave the processor to the others where there is too little of it, and by how much (nice): what is said
is wanted first, how finished it sounds a little later."""
REMEMBERED = 4096
"""Times that a live call remembers of each part: a call may last for days."""


class Meter(Protocol):
    """Runs work for a part of a call ("recognise", "speak", "turn_end", "think", ...)."""

    @property
    def spent(self) -> Mapping[str, Sequence[float]]:
        """Seconds of each piece of work, by part: all of a rehearsal's, the latest of a live call's."""
        ...

    async def run(self, part: str, work: Callable[[], T]) -> T:
        """The result of blocking `work`, once its time has passed."""
        ...

    def stream(self, part: str, make: Callable[[], Iterator[T]]) -> AsyncIterator[T]:
        """The items of a blocking iterator, each once its time has passed. Close it to stop the work."""
        ...

    def outside(self, part: str, source: AsyncIterator[T]) -> AsyncIterator[T]:
        """The items of something that answers from outside this process (a server), charged likewise."""
        ...

    def inline(self, part: str) -> AbstractContextManager[None]:
        """Counts short work done in place on the audio path (canceller, voice activity); charges nothing."""
        ...

    def retire(self, part: str, last: Callable[[], object]) -> None:
        """Give a part up that hangs: `last` is done, and its worker goes, once the call that hangs has come back."""
        ...

    async def aclose(self) -> None:
        """Let go of the workers."""
        ...


class Worker:
    """A thread that does one thing after another. It is a daemon: native code that hangs must not keep the process."""

    def __init__(self, name: str, gives_way: bool = False) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._gives_way = gives_way
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        if self._gives_way and sys.platform == "linux":  # where threads have a niceness of their own
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BY)
        while (job := self._jobs.get()) is not None:
            job()

    def post(self, job: Callable[[], object]) -> None:
        """Have `job`, which must not raise, done in its turn."""
        self._jobs.put(job)

    async def do(self, work: Callable[[], T]) -> T:
        """The result of `work`. Cancelled before its turn comes, it is not begun."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def deliver(settle: Callable[..., None], value: object) -> None:
            if not future.done():
                settle(value)

        def job() -> None:
            if future.cancelled():
                return
            settle: Callable[..., None]
            value: object
            try:
                settle, value = future.set_result, work()
            except Exception as error:
                settle, value = future.set_exception, error
            with suppress(RuntimeError):  # nobody waits any more: the loop is closed
                loop.call_soon_threadsafe(deliver, settle, value)

        self.post(job)
        return await future

    def close(self) -> None:
        """Let the thread go when it has done what is before it."""
        self._jobs.put(None)


class LiveMeter:
    """The meter of a live call: one worker thread a part; nothing is charged, the wall clock does that."""

    def __init__(self) -> None:
        self.spent: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._workers: dict[str, Worker] = {}

    def _worker(self, part: str) -> Worker:
        if part not in self._workers:
            self._workers[part] = Worker(f"echoless-{part}", part in GIVES_WAY)
        return self._workers[part]

    async def run(self, part: str, work: Callable[[], T]) -> T:
        def timed() -> T:
            with self.inline(part):
                return work()

        return await self._worker(part).do(timed)

    async def stream(self, part: str, make: Callable[[], Iterator[T]]) -> AsyncIterator[T]:
        worker = self._worker(part)
        stop = threading.Event()
        items: Iterator[T] | None = None

        def step() -> T | object:
            nonlocal items
            if stop.is_set():
                return _END
            with self.inline(part):
                if items is None:
                    items = make()
                return next(items, _END)

        def close() -> None:
            if items is not None and hasattr(items, "close"):
                with suppress(Exception):
                    items.close()

        try:
            while (item := await worker.do(step)) is not _END:
                yield item  # type: ignore[misc]
        finally:
            stop.set()
            worker.post(close)

    async def outside(self, part: str, source: AsyncIterator[T]) -> AsyncIterator[T]:
        begun = time.perf_counter()
        try:
            async for item in source:
                self.spent[part].append(time.perf_counter() - begun)
                yield item
                begun = time.perf_counter()
        finally:
            if hasattr(source, "aclose"):
                await source.aclose()

    @contextmanager
    def inline(self, part: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.spent[part].append(time.perf_counter() - begun)

    def retire(self, part: str, last: Callable[[], object]) -> None:
        def end() -> None:
            with suppress(Exception):
                last()

        if worker := self._workers.pop(part, None):
            worker.post(end)
            worker.close()

    async def aclose(self) -> None:
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()
