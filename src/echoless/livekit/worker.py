"""`echoless worker`: waits for rooms that want an agent, and holds each conversation in a process of its own.

Dispatch, draining, load and processes are livekit-agents'; ours are the conversation (`job`), when to take one more
(`admission`), and the watch over agents whose worker has died (`watcher`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

os.environ.setdefault("LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE", "0")  # their models are not for us

from livekit.agents import AgentServer, JobRequest

from echoless.house import KEY, language, model_path
from echoless.livekit import wire
from echoless.livekit.access import AGENT_NAME, Access
from echoless.livekit.admission import Headroom, Limits
from echoless.livekit.job import OPENING, Job, Warm, read_reports
from echoless.livekit.memory import generation_of
from echoless.livekit.watch import Served
from echoless.livekit.watcher import ROOM, Watcher
from echoless.mind.server import LlamaServer
from echoless.settings import Settings

HEALTH_PORT = 8081
PRELOAD = ["echoless.livekit.job", "echoless.house", "echoless.ears.guard", "onnxruntime"]
_LOOK = 1.0
"""Seconds between two looks at the machine."""
_SLOTS = 4
"""Conversations that one model server of ours thinks for at once."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a worker serves. `conversations`, `answer` and `behind` (seconds, p95) bound what it takes; `drain`: seconds
    that conversations get to end in; `spare`: processes that stand ready; `alone`: seconds in an empty room."""

    agent_name: str = AGENT_NAME
    port: int = HEALTH_PORT
    host: str = "127.0.0.1"
    conversations: int = 1_000
    answer: float = 2.5
    behind: float = 0.1
    busy: float = 0.8
    drain: float = 600.0
    spare: int = 1
    watch: bool = True
    watch_room: str = ROOM
    alone: float = 20.0


class Worker:
    """One worker. `run` serves until `stop`, and then until its conversations have ended."""

    def __init__(self, settings: Settings, access: Access, terms: Terms, say: Callable[[str], None]) -> None:
        self.settings, self.access, self.terms, self.say = settings, access, terms, say
        self.headroom = Headroom(
            Limits(len(own_cores()), busy=terms.busy, answer=terms.answer, lag=terms.behind, most=terms.conversations)
        )
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()
        self._reserved: dict[str, float] = {}
        self._held: dict[str, tuple[str, Served]] = {}
        self._server: AgentServer | None = None
        self._watcher: Watcher | None = None
        self._folder = Path()
        self._served: Path | None = None
        """The model behind `llm_url`, where the server is ours."""

    async def run(self) -> None:
        """Raises LiveKitError, MindError or whatever the server's refusal is."""
        logging.getLogger("livekit").setLevel(os.environ.get("ECHOLESS_LIVEKIT_LOG", "WARNING"))
        async with AsyncExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="echoless-worker-")))
            settings = await stack.enter_async_context(self._mind())
            server = self._server = self._made(settings)
            server.on("worker_registered", lambda *_: self.say(self._ready()))
            serving = asyncio.ensure_future(server.run())
            stopping = asyncio.ensure_future(self._stop.wait())
            beside = [asyncio.ensure_future(self._observe())]
            if self.terms.watch:
                beside.append(asyncio.ensure_future(self._watch()))
            try:
                await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not serving.done():
                    await self._drain(server)
            finally:
                for task in (*beside, stopping):
                    task.cancel()
                await asyncio.gather(*beside, stopping, return_exceptions=True)
                await server.aclose()
            await serving

    def stop(self) -> None:
        """Take no more conversations, end when the present ones have; a second time: end them."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def _drain(self, server: AgentServer) -> None:
        waiting = len(server.active_jobs)
        if waiting:
            self.say(f"waiting for {waiting} conversations to end, {self.terms.drain:.0f} s at most; Ctrl-C ends them")
        draining = asyncio.ensure_future(server.drain(timeout=max(1, round(self.terms.drain))))
        hurrying = asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait({draining, hurrying}, return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, hurrying):
            task.cancel()
        await asyncio.gather(draining, hurrying, return_exceptions=True)

    def _ready(self) -> str:
        return f"ready for {self.terms.agent_name!r} at {self.access.url}; health: http://127.0.0.1:{self.terms.port}/"

    def _made(self, settings: Settings) -> AgentServer:
        server = AgentServer(
            ws_url=self.access.url,
            api_key=self.access.key,
            api_secret=self.access.secret,
            host=self.terms.host,
            port=self.terms.port,
            load_fnc=self._load,
            load_threshold=math.inf,  # a full worker still tells callers so; others are asked first by its load
            num_idle_processes=self.terms.spare,
            initialize_process_timeout=60.0,
            shutdown_process_timeout=10.0,
            drain_timeout=round(self.terms.drain),
            setup_fnc=Warm(settings, self._folder),
            preload_modules=PRELOAD,
        )
        job = Job(settings, self._folder, self.terms.alone, self._served)
        server.rtc_session(job, agent_name=self.terms.agent_name, on_request=self._asked)
        return server

    @asynccontextmanager
    async def _mind(self) -> AsyncIterator[Settings]:
        """The settings of a conversation: where no model server was named, one of ours thinks for all of them."""
        if self.settings.llm_url:
            yield self.settings
            return
        path = model_path(self.settings.model, language(self.settings))
        server = LlamaServer(path, context=self.settings.context, slots=_SLOTS, threads=self.settings.threads)
        self.say(f"loading {self.settings.model}")
        await server.start()
        supervising = asyncio.ensure_future(server.supervise())
        try:
            os.environ[KEY] = server.endpoint.key
            self._served = path
            yield self.settings.model_copy(update={"llm_url": server.endpoint.url})
        finally:
            supervising.cancel()
            await server.stop()

    # --- when to take one more --------------------------------------------------------------------------------

    async def _observe(self) -> None:
        psutil.cpu_percent(percpu=True)
        while True:
            await asyncio.sleep(_LOOK)
            reports = await asyncio.to_thread(read_reports, self._folder)
            for job, since in list(self._reserved.items()):
                if job in reports or time.monotonic() - since > 15:
                    del self._reserved[job]
            each = psutil.cpu_percent(percpu=True)
            self.headroom.observe(sum(each[k] for k in own_cores() if k < len(each)) / 100, reports.values())

    def _load(self) -> float:
        return self.headroom.load(len(self._reserved))

    async def _asked(self, request: JobRequest) -> None:
        """LiveKit asks for an agent: come to talk, or to say that it cannot be."""
        if request.room.name == self.terms.watch_room:
            await request.reject()
            return
        generation = generation_of(request.job.metadata)
        attributes = {wire.GENERATION: str(generation), wire.STATE: "initializing"}
        why = self.headroom.refusal(len(self._reserved))
        if why and generation == 1:  # who was talking already is not sent away
            if self._watcher and self._watcher.watch.others_have_room:
                await request.reject(terminate=False)  # LiveKit asks the next one
                return
            self.say(f"room {request.room.name!r} is told to try later: {why}")
            await request.accept(name="Echoless", attributes={**attributes, wire.FULL: "true"})
            return
        self._reserved[request.id] = time.monotonic()
        (self._folder / OPENING).touch()
        await request.accept(name="Echoless", attributes=attributes)

    # --- the watch --------------------------------------------------------------------------------------------

    def _jobs(self) -> dict[str, tuple[str, Served]]:
        """Conversations under way: job → room and agent."""
        found = {}
        for running in self._server.active_jobs if self._server else ():
            if (running.accept_arguments.attributes or {}).get(wire.FULL) != "true":
                served = Served(running.accept_arguments.identity, generation_of(running.job.metadata))
                found[running.job.id] = running.job.room.name, served
        return found

    def _rooms(self) -> dict[str, Served]:
        return dict(self._jobs().values())

    def _broken(self) -> dict[str, Served]:
        """Rooms whose conversation's process has gone and left its report behind: it was killed, or crashed."""
        before, self._held = self._held, self._jobs()
        found: dict[str, Served] = {}
        for job in before.keys() - self._held.keys():
            report = self._folder / f"{job}.json"
            if report.exists():
                report.unlink()
                found.update([before[job]])
        return found

    async def _watch(self) -> None:
        self._watcher = Watcher(
            self.access,
            f"worker-{os.getpid()}-{int(time.time() * 1000):x}",
            self.terms.agent_name,
            rooms=self._rooms,
            broken=self._broken,
            full=lambda: self.headroom.refusal(len(self._reserved)) is not None,
            say=self.say,
            room=self.terms.watch_room,
        )
        try:
            await self._watcher.run()
        except Exception as error:
            self.say(f"no watch over other workers' conversations: {error}")


def own_cores() -> set[int]:
    """The processors that we may use: what others of the machine are busy with is not ours to count."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


async def serve(worker: Worker) -> int:
    """Run a worker until SIGINT or SIGTERM; the exit code."""
    loop = asyncio.get_running_loop()
    for which in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(which, worker.stop)
    await worker.run()
    return 0
