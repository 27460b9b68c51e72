"""Endurance: callers that talk and cut in for half an hour; memory, tasks and file descriptors have to stay flat.

    make soak        or        python -m bench.livekit.soak [--minutes 30] [--sessions 4] [--out out/soak]

Leaves `soak.json` and `soak.png` in the folder. Flat: the last third is no more than 10 % (and 8 MB, 4 tasks or
descriptors) above the second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from bench.livekit.crowd import Sample, crowd, look
from bench.livekit.latency import phrases
from bench.livekit.parts import Sides, ended_as_by_ctrl_c, ours
from bench.peers.canned import Canned

from echoless.livekit.server import LocalServer

EVERY = 5.0
SLACK = {"megabytes": 8.0, "tasks": 4.0, "descriptors": 4.0, "threads": 4.0, "server_megabytes": 16.0}


async def run(minutes: float, sessions: int, folder: Path) -> tuple[list[Sample], list[Path]]:
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / "worker"
    scratch.mkdir(exist_ok=True)
    samples: list[Sample] = []
    with LocalServer() as server, Canned() as canned:
        agent = ours(
            server.access, canned.url, folder / "worker.log", "--spare", "1", environment={"TMPDIR": str(scratch)}
        )
        async with agent:
            await agent.until_says("ready for")
            there = asyncio.Event()
            say = phrases(folder, 24, 0)
            talking = asyncio.ensure_future(crowd(server.access, folder, sessions, say, 60 * minutes, there))
            waiting = asyncio.ensure_future(there.wait())
            await asyncio.wait({talking, waiting}, return_when=asyncio.FIRST_COMPLETED)
            while not talking.done():
                samples.append(look(agent, server.pid, tasks_in(scratch)))
                if len(samples) % 24 == 0:
                    print(f"{len(samples) * EVERY / 60:.0f} min: {samples[-1]}", flush=True)
                    keep(samples, folder)
                await asyncio.wait({talking}, timeout=EVERY)
            return samples, await talking


def tasks_in(scratch: Path) -> int:
    """asyncio tasks of all conversations, from their reports."""
    total = 0
    for path in scratch.glob("echoless-worker-*/*.json"):
        try:
            total += int(json.loads(path.read_text())["tasks"])
        except (OSError, ValueError, KeyError):
            continue
    return total


def grown(samples: list[Sample]) -> dict[str, tuple[float, float]]:
    """What stands higher in the last third than in the second: name → medians of both."""
    third = len(samples) // 3
    found = {}
    for name, slack in SLACK.items():
        second, last = (float(np.median([getattr(s, name) for s in part])) for part in
                        (samples[third : 2 * third], samples[2 * third :]))  # fmt: skip
        if last > 1.1 * second + slack:
            found[name] = second, last
    return found


def keep(samples: list[Sample], folder: Path) -> None:
    (folder / "soak.json").write_text(json.dumps([asdict(each) for each in samples]))
    draw(samples, folder / "soak.png")


def draw(samples: list[Sample], path: Path) -> None:
    """Memory, tasks, descriptors and cores over time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    minutes = [(each.at - samples[0].at) / 60 for each in samples]
    figure, rows = pyplot.subplots(3, 1, sharex=True, figsize=(8, 6), layout="constrained")
    rows[0].plot(minutes, [each.megabytes for each in samples], label="worker, all processes")
    rows[0].plot(minutes, [each.server_megabytes for each in samples], label="livekit-server")
    rows[0].set_ylabel("MB")
    for name in ("tasks", "descriptors", "threads"):
        rows[1].plot(minutes, [getattr(each, name) for each in samples], label=name)
    used = np.diff([each.cpu_seconds for each in samples]) / np.diff([each.at for each in samples])
    rows[2].plot(minutes[1:], np.clip(used, 0, None), label="cores busy")
    rows[2].set_xlabel("minutes")
    for row in rows:
        row.set_ylim(bottom=0)
        row.legend(loc="lower right", fontsize="small")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main() -> int:
    ended_as_by_ctrl_c()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("out/soak"))
    asked = parser.parse_args()
    begun = time.monotonic()
    samples, folders = asyncio.run(run(asked.minutes, asked.sessions, asked.out))
    keep(samples, asked.out)
    answers = [each for folder in folders for each in Sides.read(folder).responses()]
    used = (samples[-1].cpu_seconds - samples[0].cpu_seconds) / (samples[-1].at - samples[0].at)
    print(f"{(time.monotonic() - begun) / 60:.0f} min, {asked.sessions} sessions, {len(answers)} answers,")
    print(f"{used:.2f} cores, {samples[-1].megabytes:.0f} MB, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    more = grown(samples)
    for name, (second, last) in more.items():
        print(f"grows: {name} from {second:.0f} to {last:.0f}")
    print("flat" if not more else "NOT flat")
    return bool(more)


if __name__ == "__main__":
    sys.exit(main())
