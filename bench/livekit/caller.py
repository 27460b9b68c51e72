"""A caller in a process of its own, as a remote one is: says WAV files when told to, keeps what it hears.

    python -m bench.livekit.caller --url ws://... --token ... --out FOLDER [--echo 0.5 --delay 0.12]

Standard input takes one JSON object a line: `{"say": "question.wav"}`, `{"end": true}`. Standard output has
`{"event": "agent"}` once the agent is in the room, and `loud` and `quiet` as it begins and ends to speak. At the end
FOLDER holds `said.wav` and `heard.wav`, both on the caller's wall clock from the same moment on: what left its
microphone, and what came out of its loudspeaker.

It has no echo canceller. `--echo` is the gain from its loudspeaker to its microphone, `--delay` seconds later: a
linear path, as of a loudspeaker beside a microphone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from echoless.frames import Samples
from echoless.lines.livekitpeer import RATE
from echoless.lines.rings import Ring
from echoless.livekit.client import Client

AUDIBLE = 0.004
"""Peak from which on a frame is audible (-48 dBFS)."""
GAP = 0.8
"""Seconds of silence that end what the agent says."""
NOISE = 3e-4
"""Root mean square of the caller's room."""
HEADERS = 28
"""Bytes of UDP and IPv4 before each packet."""
_SLACK = 0.03
"""Seconds by which frames may come early or late before the air itself would have to have moved."""


class Air:
    """What is played is heard `delay` seconds later, on the wall clock: whatever stalls, it stays so."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self._ring = Ring(8 * RATE)
        self._begun: float | None = None
        self._at = 0.0

    def play(self, samples: Samples, now: float) -> None:
        if self._begun is None:
            self._begun = now
            self._at = -self.delay * RATE
        due = round((now - self._begun) * RATE)
        if abs(due - self._ring.written) > _SLACK * RATE:
            self._ring.write(np.zeros(max(0, due - self._ring.written), np.float32))
        self._ring.write(samples)

    def hear(self, count: int, now: float) -> Samples:
        if self._begun is None:
            return np.zeros(count, np.float32)
        due = (now - self._begun - self.delay) * RATE
        if abs(due - self._at) > _SLACK * RATE:
            self._at = due
        found = self._ring.read(round(self._at), count)
        self._at += count
        return found


class Caller:
    """The caller's microphone and loudspeaker, and what went through them: (time, samples)."""

    def __init__(self, echo: float = 0.0, delay: float = 0.12, seed: int = 7) -> None:
        self.said: list[tuple[float, Samples]] = []
        self.heard: list[tuple[float, Samples]] = []
        self._echo = np.float32(echo)
        self._air = Air(delay)
        self._random = np.random.default_rng(seed)
        self._waiting: deque[Samples] = deque()
        self.loud_at = float("-inf")
        """When the agent was last audible."""

    def say(self, sound: Samples) -> None:
        """Speak: float32 at `RATE`."""
        self._waiting.append(sound)

    @property
    def talking(self) -> bool:
        return bool(self._waiting)

    def microphone(self, count: int, now: float) -> Samples:
        speech = np.zeros(count, np.float32)
        if self._waiting:
            piece, rest = self._waiting[0][:count], self._waiting[0][count:]
            speech[: len(piece)] = piece
            self._waiting[0] = rest
            if not len(rest):
                self._waiting.popleft()
        self.said.append((now, speech))
        noise = self._random.normal(0, NOISE, count).astype(np.float32)
        return speech + noise + self._echo * self._air.hear(count, now)

    def play(self, samples: Samples, now: float) -> None:
        self.heard.append((now, samples))
        if np.abs(samples).max() > AUDIBLE:
            self.loud_at = now
        self._air.play(samples, now)

    def keep(self, folder: Path) -> None:
        """Write both sides on one clock."""
        folder.mkdir(parents=True, exist_ok=True)
        begun = min(side[0][0] for side in (self.said, self.heard) if side)
        for name, side in (("said", self.said), ("heard", self.heard)):
            soundfile.write(folder / f"{name}.wav", on_the_clock(side, begun), RATE, subtype="PCM_16")


def on_the_clock(pieces: list[tuple[float, Samples]], begun: float) -> Samples:
    """Pieces where they belong in time, seconds from `begun` on: float32 at `RATE`; what overlaps comes right after."""
    if not pieces:
        return np.zeros(0, np.float32)
    out = np.zeros(round((pieces[-1][0] - begun + 2.0) * RATE), np.float32)
    at = 0
    for when, samples in pieces:
        due = round((when - begun) * RATE)
        at = due if abs(due - at) > 0.06 * RATE else at
        at = max(at, 0)
        out[at : at + len(samples)] = samples[: max(0, len(out) - at)]
        at += len(samples)
    return out


def load(path: Path) -> Samples:
    """A WAV file as the caller says it: float32 mono at `RATE`."""
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return soxr.resample(sound.mean(axis=1), rate, RATE).astype(np.float32)


async def run(arguments: argparse.Namespace) -> None:
    """Be in the room until told to end, or for `arguments.seconds`."""
    told: list[dict[str, Any]] = []
    caller = Caller(arguments.echo, arguments.delay, arguments.seed)
    client = Client(
        None,
        "",
        "",
        url=arguments.url,
        token=arguments.token,
        microphone=caller.microphone,
        play=caller.play,
        reports=not arguments.mute_reports,
        on_message=lambda message: told.append(message) if message.get("type") == "latency" else None,
    )
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    begun = time.monotonic()
    async with client:
        telling = asyncio.ensure_future(_tell(client, caller))
        try:
            async with asyncio.timeout(arguments.seconds):
                while line := await reader.readline():
                    command = json.loads(line)
                    if command.get("end"):
                        break
                    if path := command.get("say"):
                        caller.say(load(Path(path)))
        except TimeoutError:
            pass
        telling.cancel()
        traffic = await _traffic(client, begun)
    if arguments.out:
        caller.keep(arguments.out)
        (arguments.out / "traffic.json").write_text(json.dumps(traffic))
        (arguments.out / "latencies.json").write_text(json.dumps(told))
        (arguments.out / "transcripts.json").write_text(json.dumps(client.said, ensure_ascii=False, indent=1))


async def _traffic(client: Client, begun: float) -> dict[str, float]:
    """Kilobits a second on the wire, both ways, by WebRTC's own counters and `HEADERS` for each packet; cores."""
    stats = await client.room.get_rtc_stats()
    passed = max(1e-3, time.monotonic() - begun)
    all_stats = (*stats.publisher_stats, *stats.subscriber_stats)  # one connection carries both, as a rule
    ways = [each.transport.transport for each in all_stats if each.HasField("transport")]
    up = sum(each.bytes_sent + HEADERS * each.packets_sent for each in ways)
    down = sum(each.bytes_received + HEADERS * each.packets_received for each in ways)
    cores = time.process_time() / passed
    return {"up_kbit": up * 8 / 1000 / passed, "down_kbit": down * 8 / 1000 / passed, "cores": cores}


async def _tell(client: Client, caller: Caller) -> None:
    await client.agent_sounds.wait()
    print(json.dumps({"event": "agent"}), flush=True)
    loud = False
    while True:
        await asyncio.sleep(0.02)
        now_loud = time.monotonic() - caller.loud_at < GAP
        if now_loud != loud:
            loud = now_loud
            print(json.dumps({"event": "loud" if loud else "quiet"}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--echo", type=float, default=0.0)
    parser.add_argument("--delay", type=float, default=0.12)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument(
        "--mute-reports", action="store_true", help="tell nothing of the way: a client that is not ours"
    )
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
