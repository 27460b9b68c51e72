"""Virtual time: an asyncio loop whose clock jumps to the next timer, and the meter that charges compute time to it."""

from __future__ import annotations

import asyncio
import functools
import os
import selectors
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import numpy as np

from echoless.frames import RATE, Chunk

T = TypeVar("T")

PATIENCE = 2.0
"""Real seconds for which the clock stands still for somebody outside; after that it runs at real pace."""
FIXED: Mapping[str, tuple[float, float]] = {
    "recognise": (0.030, 0.030),
    "turn_end": (0.090, 0.0),
    "speak": (0.002, 0.050),
    "think": (0.020, 0.0),
    "voiceprint": (0.003, 0.003),
}
"""`--cost fixed`: seconds a piece of work, and seconds more a second of sound that goes in or comes out."""
FIXED_OTHER = (0.010, 0.0)
LOOK = 10
"""Of so many pieces of work done in line, one is timed."""


class _Selector(selectors.BaseSelector):
    """Polls for real events; when there are none, lets the loop's clock jump instead of waiting."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now = 0.0
        self.pending = 0
        """Things outside this process, or in its threads, that are waited for."""
        self._stood = 0.0
        self.hurried = True
        """False: time passes as on the wall."""

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        if not self.hurried and timeout is not None:
            return self._live(timeout)
        if self.pending or timeout is None:
            return self._wait(timeout)
        self._stood = 0.0
        self.now += timeout
        return []

    def _wait(self, timeout: float | None) -> list[Any]:
        """Stand still until something happens; too long of that, and time runs at real pace until it does."""
        if self._stood < PATIENCE or timeout is None:
            begun = time.monotonic()
            ready = self._real.select(PATIENCE)
            self._stood = 0.0 if ready else self._stood + time.monotonic() - begun
            return ready
        return self._live(timeout)

    def _live(self, timeout: float) -> list[Any]:
        begun = time.monotonic()
        ready = self._real.select(timeout)
        self.now += min(timeout, time.monotonic() - begun) if ready else timeout
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Any:
        return self._real.get_map()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.get_key(fileobj)

    def close(self) -> None:
        self._real.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time. `time()` begins at 0 and moves only by timers; sockets and threads stay real."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._virtual.now

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the clock while something is waited for that takes real time."""
        self._virtual.pending += 1
        try:
            yield
        finally:
            self._virtual.pending -= 1

    def hurry(self, hurried: bool) -> None:
        """False: time passes as on the wall, as servers being started and stopped need it. True: it jumps."""
        self._virtual.hurried = hurried

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        future = super().run_in_executor(executor, func, *args)
        self._virtual.pending += 1

        def done(_: Any) -> None:
            self._virtual.pending -= 1

        future.add_done_callback(done)
        return future


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class VirtualMeter:
    """Runs work in place and charges it to the loop's clock; see `meter.Meter`.

    `measured` charges the CPU time of this process; `fixed` charges the table `FIXED`, so that a rehearsal repeats
    bit for bit. A part does one thing at a time, as the one worker that a live call gives it: work that comes
    while it is busy waits its turn, and cancelled work is still done to its end.
    """

    def __init__(self, cost: Literal["measured", "fixed"] = "measured", local: Collection[str] = ()) -> None:
        """`local`: parts whose `outside` is in this process after all and keeps time by itself."""
        self.cost = cost
        self._local = frozenset(local)
        self.spent: dict[str, list[float]] = defaultdict(list)
        self._pieces: dict[str, int] = defaultdict(int)
        self._free: dict[str, float] = {}

    async def run(self, part: str, work: Callable[[], T]) -> T:
        result: Any = None
        failed: Exception | None = None
        with _timed() as took:
            try:
                result = work()
            except Exception as failure:
                failed = failure
        await self._charge(part, self._price(part, took[0], work, result))
        if failed is not None:
            raise failed
        return result

    async def stream(self, part: str, make: Callable[[], Iterator[T]]) -> AsyncIterator[T]:
        items: Any = None
        end = object()
        try:
            while True:
                with _timed() as took:
                    items = make() if items is None else items
                    item: Any = next(items, end)
                await self._charge(part, 0.0 if item is end else self._price(part, took[0], make, item))
                if item is end:
                    return
                yield item
        finally:
            if hasattr(items, "close"):
                items.close()

    async def outside(self, part: str, source: AsyncIterator[T]) -> AsyncIterator[T]:
        loop = asyncio.get_running_loop()
        if part in self._local:
            async for item in source:
                yield item
            return
        there = loop.time()  # the time over there, where nobody waits for us
        try:
            while True:
                begun = time.perf_counter()
                try:
                    if isinstance(loop, VirtualLoop):
                        with loop.held():
                            item = await anext(source)
                    else:
                        item = await anext(source)
                except StopAsyncIteration:
                    return
                took = time.perf_counter() - begun
                there += took if self.cost == "measured" else self._price(part, 0.0, None, item)
                left = max(0.0, there - loop.time())
                self.spent[part].append(left)
                await asyncio.sleep(left)
                yield item
        finally:
            if hasattr(source, "aclose"):
                await source.aclose()

    @contextmanager
    def inline(self, part: str) -> Iterator[None]:
        """Looks at every tenth piece of work, which stands for the ten: reading the clock of CPU time is slow,
        and two readings a block took a fifth of the rehearsal. At fixed cost nothing is looked at."""
        self._pieces[part] += 1
        if self.cost == "fixed" or self._pieces[part] % LOOK:
            yield
            return
        begun = time.process_time()
        try:
            yield
        finally:
            self.spent[part] += [time.process_time() - begun] * LOOK

    def retire(self, part: str, last: Callable[[], object]) -> None:
        last()

    async def aclose(self) -> None:
        self._free.clear()

    def _price(self, part: str, took: float, work: Any, result: Any) -> float:
        if self.cost == "measured":
            return took
        once, second = FIXED.get(part, FIXED_OTHER)
        return once + second * _seconds_of(work, result)

    async def _charge(self, part: str, cost: float) -> None:
        self.spent[part].append(cost)
        now = asyncio.get_running_loop().time()
        free = max(now, self._free.get(part, 0.0)) + cost
        self._free[part] = free
        await asyncio.sleep(free - now)


def _cpu() -> float:
    """CPU seconds of this process, its threads, and the programs that it ran to their end."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


@contextmanager
def _timed() -> Iterator[list[float]]:
    took = [0.0]
    begun = _cpu()
    try:
        yield took
    finally:
        took[0] = _cpu() - begun


def _seconds_of(work: Any, result: Any) -> float:
    """Seconds of sound that a piece of work made, or else took in (a `functools.partial` over samples at 16 kHz)."""
    if isinstance(result, Chunk):
        return len(result.samples) / result.rate
    if isinstance(work, functools.partial):
        return sum(len(a) / RATE for a in (*work.args, *work.keywords.values()) if isinstance(a, np.ndarray))
    return 0.0
