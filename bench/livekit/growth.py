"""What grows in a conversation's process with every turn: objects by type, memory, tasks and descriptors.

    python -m bench.livekit.growth [--turns 50]

A real server on loopback, agent and caller in this process (so the caller's objects count as well), turns in writing
that are answered aloud. Told is what was there after 10 turns, half of them and all, and which types of object had
become more in the second half. Half a minute of this finds what half an hour of `bench.livekit.soak` would show.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
from collections import Counter
from dataclasses import dataclass

import psutil
from bench.livekit.caller import Caller
from bench.livekit.failover import until
from bench.livekit.parts import ended_as_by_ctrl_c
from livekit import rtc

from echoless.livekit.client import Client, joined
from echoless.livekit.conversation import Conversation
from echoless.livekit.server import LocalServer
from echoless.settings import Settings

SHOWN = 12


@dataclass(frozen=True, slots=True)
class Moment:
    """This process after so many turns."""

    turns: int
    megabytes: float
    blocks: int
    descriptors: int
    tasks: int
    objects: Counter[str]

    @classmethod
    def now(cls, turns: int) -> Moment:
        gc.collect()
        objects = Counter(f"{type(each).__module__}.{type(each).__name__}" for each in gc.get_objects())
        process = psutil.Process()
        megabytes, tasks = process.memory_info().rss / 1e6, len(asyncio.all_tasks())
        return cls(turns, megabytes, sys.getallocatedblocks(), process.num_fds(), tasks, objects)

    def line(self) -> str:
        return (
            f"{self.turns} turns: {self.megabytes:.0f} MB, {self.blocks} blocks of Python's, "
            f"{self.descriptors} descriptors, {self.tasks} tasks, {self.objects.total()} objects"
        )


async def run(turns: int) -> list[Moment]:
    moments, caller = [], Caller()
    with LocalServer() as server:
        room = rtc.Room()
        await joined(room, server.access.url, server.access.token("growth", "agent", agent=True))
        settings = Settings(tts_model="espeak", greet=False)
        conversation = Conversation(settings, room, reply=lambda text: "Yes, of course it is.", patience=60.0)
        holding = asyncio.ensure_future(conversation.run())
        async with Client(server.access, "growth", "anna", microphone=caller.microphone, cancels_echo=True) as client:
            await until(lambda: conversation.line.heard, 90)
            assert conversation.call is not None
            said: list[str] = []
            conversation.call.subscribe(lambda e: said.append(e.event) if e.event == "agent.said" else None)
            for turn in range(1, turns + 1):
                await client.write("What about it?")
                await until(lambda wanted=turn: len(said) >= wanted, 60)
                caller.said.clear()
                client.said.clear()
                if turn in (10, turns // 2, turns):
                    moments.append(Moment.now(turn))
                    print(moments[-1].line(), flush=True)
        conversation.close()
        await asyncio.wait_for(holding, 30)
        await room.disconnect()
    return moments


def main() -> None:
    ended_as_by_ctrl_c()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=50)
    asked = parser.parse_args()
    *_, half, end = asyncio.run(run(max(asked.turns, 22)))
    print(f"more of, for each turn from {half.turns} to {end.turns}:")
    for name, more in (end.objects - half.objects).most_common(SHOWN):
        print(f"  {more / (end.turns - half.turns):6.2f}  {name}")


if __name__ == "__main__":
    main()
