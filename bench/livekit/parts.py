"""What the measurements are made of: callers and agents in processes of their own, and what two sound files say."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from echoless.frames import RATE
from echoless.livekit.access import Access
from echoless.rooms.bursts import Burst, BurstFinder

ROOT = Path(__file__).parents[2]
PEER = ROOT / ".venv-peers-livekit" / "bin" / "python"
SPEECH_DBFS = -50.0
"""Frames of what the caller says over this are speech."""
NOTICED = 3.0
"""Seconds within which an interruption has to work."""


def ended_as_by_ctrl_c() -> None:
    """Have SIGTERM do what Ctrl-C does: end, and leave no process behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def keep(figures: object, path: Path | None) -> None:
    """Write figures where `--json` says, if it does."""
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, indent=1))


class Program:
    """A child process in a group of its own; with `async with`, the group ends with the block."""

    def __init__(self, command: Sequence[str], log: Path, environment: dict[str, str], talks: bool = False) -> None:
        self._command, self.log, self._environment, self._talks = command, log, environment, talks
        self.process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Program:
        pipe = asyncio.subprocess.PIPE
        with self.log.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "OMP_WAIT_POLICY": "PASSIVE", **self._environment},
                stdin=pipe if self._talks else asyncio.subprocess.DEVNULL,
                stdout=pipe if self._talks else log,
                stderr=log,
                process_group=0,
            )
        return self

    async def until_says(self, word: str, seconds: float = 240.0) -> None:
        """Wait for a word in its log. Raises RuntimeError where it does not come."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while word not in self.log.read_text(errors="replace"):
                    if self.process is None or self.process.returncode is not None:
                        raise TimeoutError
                    await asyncio.sleep(0.1)
                return
        raise RuntimeError(f"{self._command[:4]} did not say {word!r}: {self.log.read_text(errors='replace')[-800:]}")

    async def __aexit__(self, *_: object) -> None:
        assert self.process is not None
        for how, patience in ((signal.SIGINT, 8), (signal.SIGINT, 8), (signal.SIGKILL, 5)):
            if self.process.returncode is not None:
                break
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, how)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), patience)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


LENIENT = ("--busy", "99", "--answer", "60", "--behind", "99", "--drain", "0")
"""Options with which a worker takes whoever comes: what is measured is not its admission."""


def ours(
    access: Access,
    llm: str,
    log: Path,
    *more: str,
    watch: bool = False,
    lenient: bool = True,
    environment: dict[str, str] | None = None,
) -> Program:
    """A worker of ours with the parts that everybody gets. Unless `lenient`, it admits whom it would admit."""
    command = [
        *(sys.executable, "-m", "echoless", "worker", "--livekit-url", access.url, "--llm-url", llm),
        *("--tts-model", "espeak", "--no-greet", "--health-port", "0", "--watch" if watch else "--no-watch"),
        *(LENIENT if lenient else ("--drain", "0")),
        *more,
    ]
    return Program(command, log, {**access.environment(), **(environment or {})})


def theirs(access: Access, llm: str, log: Path) -> Program:
    """livekit-agents' own session, with the same parts."""
    command = [str(PEER), str(ROOT / "bench" / "peers" / "agents" / "livekit_agent.py"), "start"]
    return Program(command, log, {**access.environment(), "CANNED_URL": llm})


class Call:
    """A caller's process in a room: says files, and knows when the agent is loud."""

    def __init__(self, access: Access, room: str, folder: Path, *more: str, dispatch: str | None = "echoless") -> None:
        token = access.token(room, "caller", dispatch=dispatch)
        command = [
            *(sys.executable, "-m", "bench.livekit.caller", "--url", access.url, "--token", token),
            *("--out", str(folder), *more),
        ]
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.loud, self.quiet, self.there = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._program = Program(command, folder / "caller.log", {}, talks=True)
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Call:
        await self._program.__aenter__()
        self._reading = asyncio.ensure_future(self._read())
        return self

    async def _read(self) -> None:
        process = self._program.process
        assert process is not None and process.stdout is not None
        while line := await process.stdout.readline():
            with suppress(ValueError):
                self._told(json.loads(line).get("event"))

    def _told(self, event: str) -> None:
        if event == "agent":
            self.there.set()
        elif event in ("loud", "quiet"):
            now, before = (self.loud, self.quiet) if event == "loud" else (self.quiet, self.loud)
            now.set()
            before.clear()

    async def say(self, wav: Path) -> None:
        await self._send({"say": str(wav)})

    async def _send(self, message: dict[str, object]) -> None:
        process = self._program.process
        assert process is not None and process.stdin is not None
        process.stdin.write(json.dumps(message).encode() + b"\n")
        await process.stdin.drain()

    async def hang_up(self) -> None:
        """End the call and have its sound written."""
        await self._send({"end": True})
        assert self._program.process is not None
        await asyncio.wait_for(self._program.process.wait(), 60)

    async def __aexit__(self, *_: object) -> None:
        await self._program.__aexit__()
        if self._reading:
            self._reading.cancel()


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides of a call in 10 ms frames: bursts of each."""

    said: list[Burst]
    heard: list[Burst]

    @classmethod
    def read(cls, folder: Path) -> Sides:
        said, heard = (_bursts(folder / f"{name}.wav") for name in ("said", "heard"))
        return cls(said, heard)

    def responses(self) -> list[float]:
        """Seconds from the end of each thing said to the first sound of an answer, where one came within 15 s."""
        found = []
        for k, said in enumerate(self.said):
            assert said.end is not None
            until = self.said[k + 1].begin if k + 1 < len(self.said) else 1 << 40
            begins = [each.begin for each in self.heard if said.end <= each.begin < until]
            if begins and begins[0] - said.end < 1500:
                found.append((begins[0] - said.end) / 100)
        return found

    def stops(self) -> list[float | None]:
        """For each thing said while the agent was loud: seconds to its silence, None where it went on."""
        found: list[float | None] = []
        for said in self.said:
            over = [each for each in self.heard if each.begin < said.begin - 30 and (each.end or 0) > said.begin + 5]
            if over:
                assert over[0].end is not None
                stop = (over[0].end - said.begin) / 100
                found.append(stop if stop < NOTICED else None)
        return found

    def self_answers(self) -> int:
        """Bursts of the agent with nothing said since the one before."""
        count = 0
        for before, after in zip(self.heard, self.heard[1:], strict=False):
            count += not any(before.begin < said.end and said.begin < after.begin for said in self.said if said.end)
        return count


def _bursts(path: Path) -> list[Burst]:
    sound, rate = soundfile.read(path, dtype="float32")
    finder = BurstFinder(SPEECH_DBFS)
    finder.feed(soxr.resample(sound, rate, RATE).astype(np.float32))
    return finder.finish()
