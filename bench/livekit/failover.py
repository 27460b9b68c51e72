"""What a caller notices of a worker that is killed in mid-call: how long until another agent is there and listens.

    python -m bench.livekit.failover [--times 5] [--what worker|conversation] [--json FILE]

A real server on loopback and two workers of ours. One is killed with all its processes (`kill -9`, as if its machine
had died), or only the conversation's own process is. Told are the seconds from the kill until another agent was sent
for, was in the room, listened, and had begun to answer what was written as soon as it listened.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import psutil
from bench.livekit.parts import Program, ended_as_by_ctrl_c, keep, ours
from bench.peers.canned import Canned, Manner

from echoless.livekit import wire
from echoless.livekit.access import Access
from echoless.livekit.client import Client
from echoless.livekit.memory import unpacked
from echoless.livekit.server import LocalServer

STEPS = ("sent_for", "in_the_room", "listens", "answers")
ANSWER = "The barn is red."
SETTLE = 6.0
"""Seconds for a worker to have a process ready again, and to hear of the others."""


async def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something to become true. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


class Fleet:
    """Two workers; one that was killed comes back with `mend`."""

    def __init__(self, access: Access, llm: str, folder: Path, stack: AsyncExitStack) -> None:
        self._access, self._llm, self._folder, self._stack = access, llm, folder, stack
        self.workers: list[Program] = []
        self._made = 0

    async def mend(self) -> None:
        """Have two workers, ready and acquainted."""
        self.workers = [each for each in self.workers if each.process and each.process.returncode is None]
        while len(self.workers) < 2:
            self._made += 1
            log = self._folder / f"worker-{self._made}.log"
            self.workers.append(
                await self._stack.enter_async_context(
                    ours(
                        self._access,
                        self._llm,
                        log,
                        "--spare",
                        "1",
                        watch=True,
                        environment={"TMPDIR": str(self._folder)},
                    )
                )
            )
            await self.workers[-1].until_says("ready for")
        await asyncio.sleep(SETTLE)

    def holder(self) -> tuple[Program, psutil.Process]:
        """The worker that holds the conversation, and the conversation's own process."""
        for report in self._folder.glob("echoless-worker-*/*.json"):
            with suppress(psutil.Error):
                process = psutil.Process(json.loads(report.read_text())["pid"])
                above = {each.pid for each in process.parents()}
                for worker in self.workers:
                    if worker.process and worker.process.pid in above:
                        return worker, process
        raise RuntimeError("no worker holds a conversation")


async def once(access: Access, fleet: Fleet, room: str, what: str) -> dict[str, float]:
    """One call, one kill; seconds from it."""
    async with Client(access, room, "anna", dispatch="echoless") as client:
        await asyncio.wait_for(client.agent_sounds.wait(), 90)
        await client.write("What colour is the barn?")
        before = client.agent
        assert before is not None
        await until(lambda: len(unpacked(client.room.metadata)) == 2, 60)
        await asyncio.sleep(2.0)
        worker, process = fleet.holder()
        assert worker.process is not None
        logs = {each: len(each.log.read_text(errors="replace")) for each in fleet.workers}
        begun = time.monotonic()
        found: dict[str, float] = {}

        def step(name: str) -> None:
            found[name] = round(time.monotonic() - begun, 3)

        os.killpg(worker.process.pid, signal.SIGKILL) if what == "worker" else process.kill()
        said = "had lost its agent"
        await until(lambda: any(said in each.log.read_text(errors="replace")[at:] for each, at in logs.items()))
        step("sent_for")
        await until(lambda: client.agent and client.agent.identity != before.identity)
        step("in_the_room")
        await until(lambda: client.agent and client.agent.attributes.get(wire.STATE) == "listening")
        step("listens")
        after = client.agent
        assert after is not None
        await client.write("Are you still there?")
        await until(lambda: any(client.said.get(after.identity, {}).values()))
        step("answers")
        await until(lambda: len(unpacked(client.room.metadata)) == 4)  # the history travelled along
        if what == "worker":
            await worker.process.wait()
    return found


async def run(times: int, what: str, folder: Path) -> list[dict[str, float]]:
    rows = []
    manner = Manner(reply=ANSWER, first=0.01)
    with LocalServer() as server, Canned(manner) as canned:
        async with AsyncExitStack() as stack:
            fleet = Fleet(server.access, canned.url, folder, stack)
            for k in range(times):
                await fleet.mend()
                rows.append(await once(server.access, fleet, f"failover-{k}", what))
                print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    ended_as_by_ctrl_c()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--what", choices=("worker", "conversation"), default="worker", help="what is killed")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        rows = asyncio.run(run(asked.times, asked.what, Path(scratch)))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; a {asked.what} killed {len(rows)} times")
    for name in STEPS:
        values = [row[name] for row in rows]
        print(f"{name}: {statistics.median(values):.2f} s ({min(values):.2f}-{max(values):.2f})")
    keep(rows, asked.json)


if __name__ == "__main__":
    main()
