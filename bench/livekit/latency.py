"""How quick a conversation through a LiveKit server is, beside livekit-agents with the same parts, in one run.

    make bench-livekit        or        python -m bench.livekit.latency [--turns 6] [--rounds 2] [--json FILE]

A real server on loopback, a caller in a process of its own. Everybody gets the same recogniser (Moonshine tiny), voice
(espeak-ng), canned reply and questions. Every second answer is cut into after 3.6 s (livekit-agents is deaf for the
first three). Times are read off the caller's two sound files: its last sound to the agent's first one at its end,
and its first sound to the agent's silence there. Where the time of our answers went is told by records of our calls.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import soundfile
from bench.livekit.parts import PEER, Call, Program, Sides, ended_as_by_ctrl_c, keep, ours, theirs
from bench.peers.canned import Canned

from echoless import steps
from echoless.frames import RATE
from echoless.livekit.access import Access
from echoless.livekit.server import LocalServer
from echoless.recall import RecordError, recall
from echoless.rooms.levels import read_wav
from echoless.rooms.people import People
from echoless.rooms.talkers import trim
from echoless.timing import timing

CUT_AFTER = 3.6
LONGEST_WAIT = 15.0


@dataclass
class Figures:
    """Seconds. `missed`: interruptions that did not work, `unanswered`: questions without an answer."""

    response: list[float] = field(default_factory=list)
    stop: list[float] = field(default_factory=list)
    missed: int = 0
    unanswered: int = 0
    answers: list[steps.Answer] = field(default_factory=list)
    """Of ours: the steps of each answer, by its call's record."""


def phrases(folder: Path, count: int, seed: int, manner: str = "read") -> list[Path]:
    """Phrases that people recorded, trimmed to their speech, as files: `machine`, said to one (orders at a coffee
    machine), or `read` aloud."""
    draw = random.Random(seed)
    people = People()
    machine = [each for each in people.recordings if each.folder == "picovoice_barista"]
    read = [each for each in people.questions if each.language == "en" and each.text and each.seconds <= 4.0]
    among = machine if manner == "machine" else [each for each in read if each not in machine]
    chosen = [draw.choice(among) for _ in range(count)] if count > len(among) else draw.sample(among, count)
    paths = []
    folder.mkdir(parents=True, exist_ok=True)
    for k, recording in enumerate(chosen):
        paths.append(folder / f"say-{k}.wav")
        soundfile.write(paths[-1], trim(read_wav(recording.path)), RATE)
    return paths


async def hold(call: Call, say: Sequence[Path]) -> int:
    """Ask, hear, cut into every second answer; how many questions got none."""
    unanswered = 0
    for k, question in enumerate(say[::2]):
        call.loud.clear()
        await call.say(question)
        try:
            await asyncio.wait_for(call.loud.wait(), LONGEST_WAIT)
        except TimeoutError:
            unanswered += 1
            continue
        if k % 2:
            await asyncio.sleep(CUT_AFTER)
            await call.say(say[(2 * k + 1) % len(say)])
            await asyncio.sleep(1.0)
        try:
            await asyncio.wait_for(call.quiet.wait(), LONGEST_WAIT)
            await asyncio.sleep(1.0)
            await asyncio.wait_for(call.quiet.wait(), LONGEST_WAIT)
        except TimeoutError:
            pass
        await asyncio.sleep(1.0)
    return unanswered


def recorded(folder: Path) -> list[steps.Answer]:
    """The steps of the answers in the records below `folder`; of none where they cannot be read."""
    found: list[steps.Answer] = []
    try:
        for each in sorted(folder.iterdir()) if folder.is_dir() else ():
            call = recall(each)
            found += steps.of_record(call, timing(call))
    except RecordError as error:
        print(f"no steps: {error}", file=sys.stderr)
    return found


async def measure(name: str, access: Access, agent: Program, says: str, say: list[Path], folder: Path) -> Figures:
    """One agent, one call."""
    figures = Figures()
    async with agent:
        await agent.until_says(says)
        dispatch = "echoless" if name == "echoless" else None
        async with Call(access, f"{name}-{folder.name}", folder, dispatch=dispatch) as call:
            await asyncio.wait_for(call.there.wait(), 120)
            await asyncio.sleep(3.0)
            figures.unanswered = await hold(call, say)
            await call.hang_up()
    sides = Sides.read(folder)
    figures.response = sides.responses()
    stops = sides.stops()
    figures.stop = [each for each in stops if each is not None]
    figures.missed = sum(each is None for each in stops)
    figures.answers = recorded(folder / "record")
    return figures


async def run(turns: int, rounds: int, seed: int, manner: str, folder: Path) -> dict[str, Figures]:
    """All agents, in turn, `rounds` times."""
    total = {"echoless": Figures(), "livekit-agents": Figures()}
    with LocalServer() as server, Canned() as canned:
        for number in range(rounds):
            say = phrases(folder, 2 * turns, seed + number, manner)
            for name, figures in total.items():
                where = folder / f"{name}-{number}"
                where.mkdir(parents=True, exist_ok=True)
                if name == "echoless":
                    keep = {"ECHOLESS_RECORD": str(where / "record")}
                    agent = ours(server.access, canned.url, where / "agent.log", environment=keep)
                else:
                    agent = theirs(server.access, canned.url, where / "agent.log")
                says = "ready for" if name == "echoless" else "registered worker"
                found = await measure(name, server.access, agent, says, say, where)
                print(f"{name}, round {number + 1}: {summary(found)}", flush=True)
                figures.response += found.response
                figures.stop += found.stop
                figures.missed += found.missed
                figures.unanswered += found.unanswered
                figures.answers += found.answers
    return total


def spread(values: Sequence[float]) -> str:
    """Median with the least and the most."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})" if values else "none"


def summary(figures: Figures) -> str:
    return (
        f"answer {spread(figures.response)} s of {len(figures.response)}, silence {spread(figures.stop)} s of "
        f"{len(figures.stop)}, {figures.missed} missed, {figures.unanswered} unanswered"
    )


def whither(figures: Figures) -> str:
    """Where the time of our answers went, as they are heard in the room; the caller hears them later by both ways."""
    audible = [answer.at["audible"] / 1000 for answer in figures.answers if "audible" in answer.at]
    if not audible or not figures.response:
        return "no record says where the time of an answer went"
    ways = statistics.median(figures.response) - statistics.median(audible)
    return (
        f"{steps.table(figures.answers)}\n\n{steps.each(figures.answers)}\n\n"
        f"both ways through the server, with jitter buffers: {ways:.2f} s"
    )


def main() -> None:
    ended_as_by_ctrl_c()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--manner", choices=("machine", "read"), default="machine", help="what the callers' phrases are"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="keep the sound files here")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    if not PEER.exists() or not shutil.which("espeak-ng"):
        parser.exit(1, "no .venv-peers-livekit, or no espeak-ng: run 'make peers-setup'\n")
    with tempfile.TemporaryDirectory() as scratch:
        total = asyncio.run(run(asked.turns, asked.rounds, asked.seed, asked.manner, asked.out or Path(scratch)))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for name, figures in total.items():
        print(f"{name}: {summary(figures)}")
    mine, other = total.values()
    print(f"echoless, in the room:\n\n{whither(mine)}")
    for what in ("response", "stop"):
        a, b = getattr(mine, what), getattr(other, what)
        if a and b:
            print(f"{what}: {statistics.median(a) / statistics.median(b):.2f} of livekit-agents'")
    keep({name: asdict(figures) for name, figures in total.items()}, asked.json)


if __name__ == "__main__":
    main()
