"""Several callers at once on one worker: what the measurements of load and of endurance share."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from bench.livekit.parts import Call, Program

from echoless.livekit.access import Access


@dataclass(frozen=True, slots=True)
class Sample:
    """A worker with all its processes at one moment. `tasks` are asyncio's in the conversations' processes."""

    at: float
    megabytes: float
    cpu_seconds: float
    threads: int
    descriptors: int
    processes: int
    tasks: int
    server_megabytes: float
    server_descriptors: int


async def converse(call: Call, say: list[Path], until: float, draw: random.Random) -> None:
    """Ask, hear the answer, think for a moment, ask again; now and then cut in."""
    await asyncio.wait_for(call.there.wait(), 240)
    await asyncio.sleep(draw.uniform(1.0, 6.0))
    while time.monotonic() < until:
        call.loud.clear()
        await call.say(draw.choice(say))
        with suppress(TimeoutError):
            await asyncio.wait_for(call.loud.wait(), 12)
            if draw.random() < 0.25:
                await asyncio.sleep(draw.uniform(1.0, 4.0))
                continue
            await asyncio.wait_for(call.quiet.wait(), 20)
        await asyncio.sleep(draw.uniform(0.5, 3.0))


async def crowd(
    access: Access, folder: Path, callers: int, say: list[Path], seconds: float, tell: asyncio.Event
) -> list[Path]:
    """So many callers for so long, `tell` set once all agents are there; where their sound is."""
    folders = [folder / f"caller-{k}" for k in range(callers)]
    async with AsyncExitStack() as stack:
        calls = [await stack.enter_async_context(Call(access, f"{folder.name}-{f.name}", f)) for f in folders]
        await asyncio.wait_for(asyncio.gather(*(call.there.wait() for call in calls)), 300)
        tell.set()
        until = time.monotonic() + seconds
        talks = (converse(call, say, until, random.Random(k)) for k, call in enumerate(calls))
        for k, end in enumerate(await asyncio.gather(*talks, return_exceptions=True)):
            if end is not None:
                print(f"caller {k} ended early: {end!r}", file=sys.stderr, flush=True)
        await asyncio.gather(*(call.hang_up() for call in calls), return_exceptions=True)
    return folders


def look(agent: Program, server_pid: int, tasks: int) -> Sample:
    """The worker and its processes now."""
    assert agent.process is not None
    root = psutil.Process(agent.process.pid)
    memory = cpu = 0.0
    threads = descriptors = processes = 0
    for each in (root, *root.children(recursive=True)):
        with suppress(psutil.Error), each.oneshot():
            memory += _own_memory(each)
            times = each.cpu_times()
            cpu += times.user + times.system
            threads += each.num_threads()
            descriptors += each.num_fds()
            processes += 1
    server = psutil.Process(server_pid)
    return Sample(
        time.monotonic(),
        memory / 1e6,
        cpu,
        threads,
        descriptors,
        processes,
        tasks,
        server.memory_info().rss / 1e6,
        server.num_fds(),
    )


def _own_memory(process: psutil.Process) -> float:
    """Bytes, what it shares with its siblings divided among them (PSS), where the system tells."""
    full = process.memory_full_info()
    return float(getattr(full, "pss", 0) or full.rss)
