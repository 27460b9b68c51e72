"""The embedded llama.cpp server: a child process that we start, watch, restart and stop."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from echoless.mind.door import MindError
from echoless.mind.modelfile import check_gguf
from echoless.mind.wire import Endpoint, one_line

BATCH = 64
"""Tokens read at once. A prefill can only be cut short between two batches: on a 16 M model 64 is idle again four times
sooner than 128 and reads as fast; on a 170 M model 32 reads 1.4 times slower than 128 (docs/log/mind.md)."""
HEALTHY_WITHIN = 2.0
"""Seconds in which a server that is alive answers /health, also while it thinks."""
Note = Callable[[str, str, str], None]
"""Told by `supervise` of a failure: part, what happened, what was done (`restarted`, `gave_up`)."""


def _quiet(part: str, what: str, action: str) -> None:
    pass


def spare_threads() -> int:
    """All cores but one: the audio needs that one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)


class LlamaServer:
    """xllamacpp's server on a free loopback port, with a key that only we know.

    `context` is in tokens for each of `slots` conversations. `log` is overwritten at every first start; without one
    the log lies in a folder of its own that `stop` removes. More than `restarts` deaths within a minute are final.
    `exact` keeps what was read (keys and values) in float32 instead of halves: for comparing models, not for talking.
    """

    def __init__(
        self,
        model: Path | str,
        *,
        context: int = 4096,
        slots: int = 1,
        threads: int | None = None,
        gpu_layers: int = -1,
        batch: int = BATCH,
        exact: bool = False,
        log: Path | None = None,
        loading: float = 180.0,
        restarts: int = 3,
        note: Note | None = None,
    ) -> None:
        self.model = Path(model)
        self._settings: dict[str, Any] = {
            "model": str(self.model.absolute()),
            "context": context,
            "slots": slots,
            "threads": threads or spare_threads(),
            "gpu_layers": gpu_layers,
            "batch": batch,
            "exact": exact,
            "key": secrets.token_urlsafe(24),
            "parent": os.getpid(),
            "port": 0,
        }
        self._folder = None if log else tempfile.TemporaryDirectory(prefix="echoless-mind-")
        self.log = log or Path(self._folder.name) / "llama-server.log"  # type: ignore[union-attr]
        self._loading = loading
        self._most_restarts = restarts
        self._note = note if note is not None else _quiet
        self._process: asyncio.subprocess.Process | None = None
        self._endpoint: Endpoint | None = None
        self._deaths: deque[float] = deque()
        self._starting = asyncio.Lock()
        self._stopped = False

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens today; another port after a restart. Raises MindError where it does not."""
        if self._endpoint is None:
            raise MindError("the built-in model server is not running")
        return self._endpoint

    @property
    def pid(self) -> int | None:
        """Its process, None where none runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self, progress: Callable[[float], None] | None = None) -> Endpoint:
        """Start it and wait until it listens; `progress` is told the seconds so far, several times a second. Raises
        MindError, leaving nothing behind, where the model is missing, damaged or does not load in time."""
        check_gguf(self.model)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.touch(mode=0o600)
        self.log.write_bytes(b"")
        self._stopped = False
        async with self._starting:
            return await self._launch(progress)

    async def ensure(self) -> bool:
        """Restart it if it has died or hangs; says whether it had to. Raises MindError where it dies too often."""
        async with self._starting:
            if self._stopped or (self.pid is not None and await self._healthy()):
                return False
            await self._revive()
            return True

    async def supervise(self) -> None:
        """Runs beside a call: restarts the server whenever it dies, until `stop`. Raises MindError when it gives up."""
        while not self._stopped:
            if (process := self._process) is not None:
                await process.wait()
            async with self._starting:
                if self._stopped or self.pid is not None:
                    continue
                try:
                    await self._revive()
                except MindError as why:
                    self._note("mind", str(why), "gave_up")
                    raise
                self._note("mind", "the built-in model server died", "restarted")

    async def stop(self) -> None:
        """End it and clean up. May be called twice."""
        self._stopped = True
        await self._end()
        if self._folder is not None:
            self._folder.cleanup()

    async def __aenter__(self) -> LlamaServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _launch(self, progress: Callable[[float], None] | None = None) -> Endpoint:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", "echoless.mind.serve"),  # nothing of the folder that we happen to stand in is loaded
                cwd=self.log.parent,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C in a terminal is for us to handle
            )
        try:
            answer = await self._answer(self._process, progress)
        except BaseException:
            await self._end()
            raise
        self._endpoint = Endpoint(answer, self._settings["key"])
        return self._endpoint

    async def _answer(self, process: asyncio.subprocess.Process, progress: Callable[[float], None] | None) -> str:
        """The address that the child reports once it listens."""
        assert process.stdin is not None and process.stdout is not None
        loop = asyncio.get_running_loop()
        begun = loop.time()
        with suppress(ConnectionError):
            process.stdin.write(json.dumps(self._settings).encode() + b"\n")
            await process.stdin.drain()
        reading = asyncio.ensure_future(process.stdout.readline())
        try:
            while not (await asyncio.wait({reading}, timeout=0.1))[0]:
                spent = loop.time() - begun
                if progress:
                    progress(spent)
                if spent > self._loading:
                    raise MindError(f"{self.model.name} did not load within {self._loading:g} s: try a smaller model")
            line = reading.result()
        finally:
            reading.cancel()
        answer = json.loads(line) if line.startswith(b"{") else {}
        if "url" not in answer:
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 10)  # its log is complete only then
            why = self._reason() or one_line(answer.get("error") or f"its process ended with {process.returncode}")
            raise MindError(f"{self.model.name} does not load: {why}")
        return str(answer["url"])

    def _reason(self) -> str:
        """The first error in the log, without llama.cpp's prefixes."""
        with suppress(OSError):
            for line in self.log.read_text("utf-8", "replace").splitlines():
                if found := re.match(r"[\d.]+ E (?:.*?\w+: )?(.*)", line):
                    return one_line(found[1])
        return ""

    async def _revive(self) -> None:
        await self._end()
        now = asyncio.get_running_loop().time()
        while self._deaths and now - self._deaths[0] > 60:
            self._deaths.popleft()
        self._deaths.append(now)
        if len(self._deaths) > self._most_restarts:
            what = f"the built-in model server died {len(self._deaths)} times within a minute"
            raise MindError(f"{what}: try a smaller model or --threads")
        await self._launch()

    async def _healthy(self) -> bool:
        """Whether it still accepts connections and answers."""
        url = self.endpoint.url.removeprefix("http://")
        host, _, port = url.rpartition(":")
        try:
            async with asyncio.timeout(HEALTHY_WITHIN):
                reader, writer = await asyncio.open_connection(host, int(port))
                try:
                    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    return b" 200 " in await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False

    async def _end(self) -> None:
        """No process afterwards, whatever state it was in."""
        process, self._process, self._endpoint = self._process, None, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(1.0 if process.returncode is None else None):
                await process.wait()
        except (TimeoutError, asyncio.CancelledError) as why:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if isinstance(why, asyncio.CancelledError):
                raise
