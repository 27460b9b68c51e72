"""One agent in one room at real pace: `python -m bench.peers.session SCRIPT.json --agent NAME --llm URL --out DIR`.

The agent sees nothing but a sound card (a private PulseAudio). Between its loudspeaker and its microphone stands the
rehearsals' own room: every 16 ms what was played goes in, and what the microphone hears comes out.
Leaves user.wav, speaker.wav, mic.wav, run.json and agent.log in DIR.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from bench.peers.agents import AGENTS, Agent, Running, Started
from bench.peers.pulse import Player, PulseError, Recorder
from bench.peers.scripts import CARD_RATE
from tests.lines.virtual_card import VirtualCard, missing

from echoless.frames import BLOCK, BLOCK_SECONDS, RATE
from echoless.rooms.line import RoomLine
from echoless.rooms.script import Script, load
from echoless.rooms.virtual import run_virtual

PLAYED = CARD_RATE * BLOCK // RATE
"""Samples of the card's loudspeaker in a block."""
LEAD, QUEUE = 3, 5
"""Blocks of the microphone kept waiting in the card, and the most that may wait."""
LATE = 0.064
"""Seconds behind the card after which a block counts as late: what waits in the card has run out."""
MOST_LATE, MOST_GROWTH = 0.01, 0.040
"""Share of late blocks, and growth of the way through the card in seconds, above which a run is not valid."""
SETTLE, PATIENCE = 3.0, 120.0
"""Seconds an agent gets to itself once it listens, and at most until it does."""
PRIORITY = 10
"""Of the bridge and the sound server, among real-time processes."""
EVERY = 31
"""Blocks between two looks at the queues: about half a second."""


@dataclass(slots=True)
class Health:
    """Whether the bridge kept up."""

    lags: list[float] = field(default_factory=list)
    waiting: list[tuple[float, float]] = field(default_factory=list)
    """Seconds of loudspeaker and of microphone that waited in the card."""
    loads: list[float] = field(default_factory=list)
    trouble: str = ""

    def report(self) -> dict[str, object]:
        """For run.json; `valid` is what the table asks for."""
        lags = np.asarray(self.lags or [0.0])
        late = float(np.mean(lags - lags.min() > LATE))
        ways = np.asarray([a + b for a, b in self.waiting] or [0.0])
        part = max(1, len(ways) // 4)
        growth = float(np.median(ways[-part:]) - np.median(ways[:part]))
        return {
            "valid": not self.trouble and late <= MOST_LATE and growth <= MOST_GROWTH,
            "trouble": self.trouble,
            "late_share": round(late, 4),
            "worst_lag_ms": round(1000 * float(lags.max() - lags.min()), 1),
            "card_ms": [round(1000 * float(np.median([w[i] for w in self.waiting or [(0, 0)]])), 1) for i in (0, 1)],
            "growth_ms": round(1000 * growth, 1),
            "load": [round(f(self.loads or [0.0]), 2) for f in (min, np.mean, max)],
        }


class Bridge:
    """The room between a card's loudspeaker and its microphone."""

    def __init__(self, card: VirtualCard, stack: ExitStack) -> None:
        server = card.env["PULSE_SERVER"]
        self._ear = stack.enter_context(Recorder(server, "spk.monitor", CARD_RATE, PLAYED))
        self._mouth = stack.enter_context(Player(server, "mic_in", RATE, QUEUE * BLOCK, BLOCK))
        self.health = Health()

    def settle(self) -> None:
        """Forget what piled up; the microphone gets its lead."""
        self._ear.flush()
        self._mouth.flush()
        for _ in range(LEAD):
            self._mouth.write(np.zeros(BLOCK, np.float32))

    async def step(self, line: RoomLine) -> bool:
        """One block round. False when the line is over."""
        block = await line.exchange(self._ear.read(PLAYED))
        if block is None:
            return False
        self._mouth.write(block.microphone)
        return True

    async def warm(self, line: RoomLine, ready: threading.Event, agent: Running) -> None:
        """The room without people until the agent listens."""
        until = time.monotonic() + PATIENCE
        self.settle()
        while not ready.is_set():
            await self.step(line)
            if not agent.alive:
                raise PulseError("the agent ended before it listened: see agent.log")
            if time.monotonic() > until:
                raise PulseError(f"the agent did not begin to listen within {PATIENCE:g} s: see agent.log")

    async def hold(self, line: RoomLine, agent: Running) -> None:
        """The call, to its end."""
        self.settle()
        begun = None
        while await self.step(line):
            now = time.monotonic()
            begun = now if begun is None else begun
            self.health.lags.append(now - begun - line.index * BLOCK_SECONDS)
            if line.index % EVERY == 0:
                self.health.waiting.append((self._ear.latency(), self._mouth.latency()))
                self.health.loads.append(os.getloadavg()[0])
                if not agent.alive:
                    self.health.trouble = "the agent ended in the middle of the call"
                    return


def hurry() -> None:
    """Put this process and its children so far (the sound server) before everything else, as a real card's clock is.
    What is started later is not. Only root may; others need idle cores."""
    me = os.getpid()
    children = Path(f"/proc/{me}/task/{me}/children").read_text().split()
    with suppress(OSError):
        for process in (str(me), *children):
            for thread in Path(f"/proc/{process}/task").iterdir():
                os.sched_setscheduler(int(thread.name), os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))


def _watch(card: VirtualCard, agent: Running, ready: threading.Event) -> None:
    """Set `ready` some seconds after the agent has opened the microphone and says that it is ready."""
    since = None
    while not ready.is_set() and agent.alive:
        with suppress(Exception):
            sources = [row.split("\t") for row in card.pactl("list", "short", "sources").splitlines()]
            mic = next(row[0] for row in sources if row[1] == "mic")
            listening = [row.split("\t")[1] for row in card.pactl("list", "short", "source-outputs").splitlines()]
            if since is None and mic in listening and agent.says_ready():
                since = time.monotonic()
        if since is not None and time.monotonic() - since > SETTLE:
            ready.set()
        time.sleep(0.25)


def hold(script: Script, agent: Agent, llm: str, out: Path, seed: int) -> dict[str, object]:
    """Hold one call and leave it in `out`. Raises PulseError where no call came about."""
    out.mkdir(parents=True, exist_ok=True)
    empty = script.model_copy(update={"talkers": (), "seconds": 2 * PATIENCE})
    room, warming = RoomLine(script, seed), RoomLine(empty, seed)
    with ExitStack() as stack:
        card = stack.enter_context(VirtualCard())
        bridge = Bridge(card, stack)
        hurry()
        running = stack.enter_context(Running(agent, Started(llm, card.env, out)))
        ready = threading.Event()
        threading.Thread(target=_watch, args=(card, running, ready), daemon=True).start()

        async def call() -> None:
            await warming.open()
            await room.open()
            await bridge.warm(warming, ready, running)
            running.hurry()
            await bridge.hold(room, running)

        try:
            run_virtual(call())
        finally:
            ready.set()
    room.save(out)
    run = {
        "agent": agent.name,
        "seed": seed,
        "script": script.model_dump(mode="json"),
        **{k: v for k, v in room.report().items() if k != "late_blocks"},
        **bridge.health.report(),
        "cpu_share": running.cpu_share,
    }
    (out / "run.json").write_text(json.dumps(run, indent=1) + "\n")
    return run


def main() -> int:
    """The command line; errors are one line."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what runs in the background
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("script", type=Path)
    parser.add_argument("--agent", choices=sorted(AGENTS), required=True)
    parser.add_argument("--llm", required=True, metavar="URL")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if why := missing() or AGENTS[asked.agent].missing():
        print(f"peers: {why}", file=sys.stderr)
        return 2
    try:
        hold(load(asked.script), AGENTS[asked.agent], asked.llm, asked.out.resolve(), asked.seed)
    except (PulseError, ValueError, RuntimeError, asyncio.CancelledError) as wrong:
        print(f"peers: {asked.agent}: {wrong}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
