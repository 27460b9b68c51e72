"""The live meter: one worker a part, streams that stop, and nothing that keeps the process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from echoless.meter import REMEMBERED, LiveMeter


async def test_each_part_has_a_thread_of_its_own_and_is_timed() -> None:
    meter = LiveMeter()
    names = [await meter.run(part, lambda: threading.current_thread().name) for part in ("speak", "recognise", "speak")]
    assert names == ["echoless-speak", "echoless-recognise", "echoless-speak"]
    assert len(meter.spent["speak"]) == 2
    await meter.aclose()


async def test_what_work_raises_reaches_who_awaits_it() -> None:
    meter = LiveMeter()
    with pytest.raises(ZeroDivisionError):
        await meter.run("speak", lambda: 1 // 0)
    assert await meter.run("speak", lambda: 2) == 2


async def test_a_closed_stream_closes_its_iterator_in_its_worker() -> None:
    meter = LiveMeter()
    closed = threading.Event()

    def numbers() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.set()

    async with aclosing(meter.stream("speak", numbers)) as stream:  # type: ignore[type-var]
        got = [await anext(stream) for _ in range(3)]
    assert got == [0, 1, 2]
    await meter.run("speak", lambda: None)
    assert closed.is_set()


async def test_cancelled_work_is_not_begun() -> None:
    meter = LiveMeter()
    gate = threading.Event()
    begun: list[str] = []
    first = asyncio.create_task(meter.run("speak", gate.wait))
    await asyncio.sleep(0)
    second = asyncio.create_task(meter.run("speak", lambda: begun.append("second")))
    await asyncio.sleep(0)
    second.cancel()
    gate.set()
    await first
    await meter.run("speak", lambda: begun.append("third"))
    assert begun == ["third"]


async def test_memory_of_times_is_bounded() -> None:
    meter = LiveMeter()
    for _ in range(REMEMBERED + 10):
        with meter.inline("guard"):
            pass
    assert len(meter.spent["guard"]) == REMEMBERED


def test_work_that_hangs_does_not_keep_the_process() -> None:
    program = (
        "import asyncio, threading\n"
        "from echoless.meter import LiveMeter\n"
        "async def main():\n"
        "    meter = LiveMeter()\n"
        "    try:\n"
        "        async with asyncio.timeout(0.05):\n"
        "            await meter.run('recognise', threading.Event().wait)\n"
        "    except TimeoutError:\n"
        "        print('gave up')\n"
        "    await meter.aclose()\n"
        "asyncio.run(main())\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == "gave up\n"


async def test_a_part_that_hangs_is_closed_once_it_comes_back() -> None:
    meter = LiveMeter()
    hangs, closed = threading.Event(), threading.Event()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await meter.run("recognise", lambda: hangs.wait(20))
    meter.retire("recognise", closed.set)
    assert not closed.is_set()
    assert await meter.run("recognise", lambda: "another") == "another"  # by a worker of its own
    hangs.set()
    assert await asyncio.to_thread(closed.wait, 20)
    meter.retire("never there", closed.clear)
    assert closed.is_set()
    await meter.aclose()
