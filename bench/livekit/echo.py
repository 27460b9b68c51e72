"""Does the agent answer itself where a remote caller has no echo canceller at all?

    python -m bench.livekit.echo [--seconds 90] [--echo 0.3 1.0] [--delay 0.06 0.2] [--peer] [--json FILE]

A real server on loopback, a caller in a process of its own whose loudspeaker comes back into its microphone (a linear
path of that gain, so many seconds later, on top of what the network and two jitter buffers take). It asks a question
every half minute and says nothing else. Each reply beyond the questions is a self-answer: replies are counted in
the transcripts that everybody in the room gets. `bursts` counts every sound of the agent with nothing said since the
last one, also where it only went on after a pause in which it wondered whether somebody had spoken. `--peer` has
livekit-agents' own session do the same.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.livekit.latency import phrases
from bench.livekit.parts import Call, Sides, ended_as_by_ctrl_c, keep, ours, theirs
from bench.peers.canned import Canned

from echoless.livekit.server import LocalServer

EVERY = 30.0


async def call(
    name: str, server: LocalServer, canned: Canned, folder: Path, asked: argparse.Namespace
) -> dict[str, Any]:
    """One agent, one path; what came of it."""
    echo, delay = asked.path
    folder.mkdir(parents=True, exist_ok=True)
    say = phrases(folder, 8, asked.seed)
    mine = name == "echoless"
    agent = (ours if mine else theirs)(server.access, canned.url, folder / "agent.log")
    async with agent:
        await agent.until_says("ready for" if mine else "registered worker")
        path = ("--echo", str(echo), "--delay", str(delay))
        dispatch = "echoless" if mine else None
        async with Call(server.access, f"{name}-{folder.name}", folder, *path, dispatch=dispatch) as caller:
            await asyncio.wait_for(caller.there.wait(), 120)
            await asyncio.sleep(2.0)
            until = time.monotonic() + asked.seconds
            for question in itertools.cycle(say):
                await caller.say(question)
                await asyncio.sleep(min(EVERY, max(0.0, until - time.monotonic())))
                if time.monotonic() >= until:
                    break
            await caller.hang_up()
    sides = Sides.read(folder)
    minutes = asked.seconds / 60
    transcripts = json.loads((folder / "transcripts.json").read_text())
    replies = [t for who, said in transcripts.items() if who != "caller" for t in said.values() if t.strip()]
    return {
        "agent": name,
        "echo": echo,
        "delay": delay,
        "questions": len(sides.said),
        "answered": len(sides.responses()),
        "replies": len(replies),
        "self_answers": max(0, len(replies) - len(sides.said)),
        "bursts": sides.self_answers(),
        "minutes": minutes,
    }


async def run(asked: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    rows = []
    names = ["echoless", *(["livekit-agents"] if asked.peer else [])]
    with LocalServer() as server, Canned() as canned:
        for name, echo, delay in itertools.product(names, asked.echo, asked.delay):
            asked.path = echo, delay
            rows.append(await call(name, server, canned, folder / f"{name}-{echo:g}-{delay:g}", asked))
            print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    ended_as_by_ctrl_c()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--echo", type=float, nargs="+", default=[0.3, 1.0])
    parser.add_argument("--delay", type=float, nargs="+", default=[0.06, 0.2])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--out", type=Path, help="keep the sound files here")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        rows = asyncio.run(run(asked, asked.out or Path(scratch)))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for name in dict.fromkeys(row["agent"] for row in rows):
        mine = [row for row in rows if row["agent"] == name]
        total, minutes = (sum(row[key] for row in mine) for key in ("self_answers", "minutes"))
        print(f"{name}: {total} self-answers in {minutes:.1f} minutes, {sum(r['answered'] for r in mine)} answers")
    keep(rows, asked.json)


if __name__ == "__main__":
    main()
