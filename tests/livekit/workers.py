"""Workers as people start them: `echoless worker` in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from echoless.livekit.server import LocalServer, any_port


class RunningWorker:
    """A worker in its own process group; with `with`, it and all that it started end with the block."""

    def __init__(self, server: LocalServer, folder: Path, llm: str, *more: str) -> None:
        self.port = any_port()
        self.log = folder / f"worker-{self.port}.log"
        self._command = [
            *(sys.executable, "-m", "echoless", "worker", "--livekit-url", server.access.url),
            *("--health-port", str(self.port), "--llm-url", llm, "--tts-model", "espeak", "--no-greet", *more),
        ]
        self._scratch = Path(tempfile.mkdtemp(prefix="w-"))  # short: sockets lie in it
        self._environment = {**os.environ, **server.access.environment(), "TMPDIR": str(self._scratch)}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RunningWorker:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        return self

    def wait_ready(self, seconds: float = 240.0) -> None:
        """Until it is registered. Raises AssertionError with its log."""
        until = time.monotonic() + seconds
        while "ready for" not in self.log.read_text(errors="replace"):
            assert self.process.poll() is None and time.monotonic() < until, self.log.read_text(errors="replace")
            time.sleep(0.1)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def jobs(self) -> int:
        """Conversations that it holds; from its health port."""
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/worker", timeout=5) as answer:
            return int(json.load(answer).get("active_jobs", 0))
        return -1

    @property
    def conversations(self) -> list[int]:
        """The processes of its conversations; from their reports."""
        return [json.loads(each.read_text())["pid"] for each in self._scratch.glob("echoless-worker-*/*.json")]

    def kill(self) -> None:
        """kill -9, it and its processes: as if the machine had died."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def __exit__(self, *_: object) -> None:
        for how, patience in ((signal.SIGINT, 10), (signal.SIGINT, 10), (signal.SIGKILL, 10)):
            if self.process.poll() is None:
                self.process.send_signal(how)
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(patience)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        shutil.rmtree(self._scratch, ignore_errors=True)
