"""What a worker's process does for one room: join, hold the conversation, report. Runs in a process of its own.

Nothing here loads any of LiveKit's models; `livekit-agents` does the dispatch and the processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livekit import api, rtc  # type: ignore[attr-defined]  # of the extra
from livekit.agents import AutoSubscribe, JobContext, JobProcess

from echoless.livekit import wire
from echoless.livekit.admission import Report
from echoless.livekit.apology import apologise
from echoless.livekit.conversation import Conversation
from echoless.livekit.memory import Memory, generation_of, unpacked
from echoless.settings import Settings, recorded_apart

PREPARED = "echoless.prepared"
"""Where a process keeps what it has ready for its conversation."""
OPENING = "opening"
"""The file in a worker's folder that is there while a conversation opens."""
GIVES_WAY = 2.0
"""Seconds for which a process at most waits with getting ready, so that a conversation opens first."""
NOTHING_YET: dict[str, Any] = {"tasks": 0, "answers": [], "lags": [], "cores": 0.0}
"""The report of a conversation that has just begun."""
REPORTS = 1.0
"""Seconds between two reports."""
SETTLED = 5.0
"""Seconds of a call after which it has caught up with what was said while it opened."""
STALE = 10.0
"""Seconds after which a report tells nothing any more."""


@dataclass(frozen=True, slots=True)
class Warm:
    """Makes a process ready before it has a room: what every conversation needs is imported and was read once."""

    settings: Settings
    folder: Path

    def __call__(self, process: JobProcess) -> None:
        from echoless.house import keep_loaded, prepare

        self._give_way()
        rtc.AudioResampler(48_000, 24_000)  # loads LiveKit's native part: 0.2 s
        process.userdata[PREPARED] = prepare(self.settings)
        keep_loaded()

    def _give_way(self) -> None:
        """A caller who waits is not to wait for the one after: getting ready takes a second of a processor."""
        with contextlib.suppress(OSError):
            while time.time() - (self.folder / OPENING).stat().st_mtime < GIVES_WAY:
                time.sleep(0.05)


@dataclass(frozen=True, slots=True)
class Job:
    """The work for one room. `folder` is where reports go: one file a job, gone when it ended in order. `served`: the
    model behind `llm_url`, where that is known."""

    settings: Settings
    folder: Path
    patience: float = 20.0
    served: Path | None = None

    async def __call__(self, ctx: JobContext) -> None:
        await ctx.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
        mine = ctx.room.local_participant
        report = self.folder / f"{ctx.job.id}.json"
        try:
            if mine.attributes.get(wire.FULL) == "true":
                await apologise(self.settings, ctx.room)
            else:
                write_report(report, NOTHING_YET)
                await self._converse(ctx, report)
        except Exception:
            with contextlib.suppress(Exception):  # the room may be what broke
                await apologise(self.settings, ctx.room, broken=True)
            raise
        finally:
            report.unlink(missing_ok=True)
            ctx.shutdown("the conversation has ended")

    async def _converse(self, ctx: JobContext, report: Path) -> None:
        generation = generation_of(ctx.job.metadata)
        # Not ctx.api: its session reads all certificates first, in which time no sound is handled.
        async with api.LiveKitAPI() as admin, Memory(admin, ctx.room.name, ctx.room.metadata) as memory:
            conversation = Conversation(
                recorded_apart(self.settings, ctx.job.id),
                ctx.room,
                past=unpacked(ctx.room.metadata),
                keep=memory.keep,
                generation=generation,
                patience=self.patience,
                prepared=ctx.proc.userdata.pop(PREPARED, None),
                served=self.served,
            )

            async def end() -> None:
                conversation.close()

            ctx.add_shutdown_callback(end)
            reporting = asyncio.ensure_future(keep_reporting(conversation, report))
            opening = asyncio.ensure_future(self._opened(conversation))
            try:
                await conversation.run()
            finally:
                for each in (reporting, opening):
                    each.cancel()
                await asyncio.gather(reporting, opening, return_exceptions=True)

    async def _opened(self, conversation: Conversation) -> None:
        while conversation.call is None:
            await asyncio.sleep(0.05)
        (self.folder / OPENING).unlink(missing_ok=True)


async def keep_reporting(conversation: Conversation, path: Path) -> None:
    """Write how this conversation fares, again and again: the worker's process reads it."""
    lags: deque[float] = deque(maxlen=120)
    spent = time.process_time()
    at = written = time.monotonic()
    while True:
        await asyncio.sleep(0.25)
        if conversation.call and conversation.call.seconds > SETTLED:
            lags.append(conversation.line.lag)
        if (now := time.monotonic()) - written < REPORTS:
            continue
        written, used = now, time.process_time()
        cores, spent, at = (used - spent) / (now - at), used, now
        said: dict[str, Any] = {
            "tasks": len(asyncio.all_tasks()),
            "answers": conversation.latencies[-20:],
            "lags": list(lags),
            "cores": round(cores, 4),
        }
        write_report(path, said)


def write_report(path: Path, said: dict[str, Any]) -> None:
    """Whole or not at all."""
    fresh = path.with_suffix(".tmp")
    fresh.write_text(json.dumps({**said, "pid": os.getpid()}), encoding="utf-8")
    fresh.replace(path)


def read_reports(folder: Path) -> dict[str, Report]:
    """Job → its latest report; those that have fallen silent are left out."""
    found = {}
    for path in folder.glob("*.json"):
        with contextlib.suppress(OSError, ValueError, TypeError):
            if time.time() - path.stat().st_mtime > STALE:
                continue
            said = json.loads(path.read_text("utf-8"))
            answers, lags = ([float(each) for each in said[name]] for name in ("answers", "lags"))
            found[path.stem] = Report(answers, lags, float(said["cores"]))
    return found
