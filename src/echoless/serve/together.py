"""`make livekit`: a LiveKit server, a worker and the page, all on loopback, until Ctrl-C ends all three.

    python -m echoless.serve.together [--port N] [--no-open] [what `echoless worker` takes ...]

The server's configuration and keys are made on the spot and go with it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from echoless.livekit.access import Access, LiveKitError
from echoless.livekit.server import HERE, LocalServer
from echoless.serve.command import Place, ServeError, Serving, serve
from echoless.serve.rooms import Rooms
from echoless.settings import load

READY_WITHIN = 120.0
"""Seconds that the worker has to stand ready: the first time models are loaded from a cold disk."""
READY = b"ready for "
"""How the worker begins to say so."""
GRACE = 2.0, 8.0
"""Seconds that the worker has to end in, and again once it was asked to hurry."""

Say = Callable[[str], None]


async def together(port: int | None, opens: bool, worker: Sequence[str], say: Say) -> int:
    """Hold it all until Ctrl-C; the exit code. Raises LiveKitError or ServeError."""
    with LocalServer(HERE) as server:
        say(f"LiveKit at {server.access.url}; its keys are in {HERE / 'env'} while it runs.")
        async with working(server.access, worker, say) as process:
            serving = Serving(load().settings, Place(port=port), rooms=Rooms(server.access))
            page = asyncio.ensure_future(serve(serving, opens))
            gone = asyncio.ensure_future(process.wait())
            try:
                await asyncio.wait([page, gone], return_when=asyncio.FIRST_COMPLETED)
                if gone.done() and not page.done():
                    raise LiveKitError("The worker has ended by itself; what it said stands above.")
                return await page
            finally:
                page.cancel()
                gone.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await page


@asynccontextmanager
async def working(access: Access, arguments: Sequence[str], say: Say) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker that stands ready, for as long as the block lasts; its own children end with it."""
    command = (
        sys.executable,
        "-m",
        "echoless",
        "worker",
        "--health-port",
        str(_free_port()),
        "--drain",
        "1",
        *arguments,
    )
    say("starting the worker ...")
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **access.environment()},
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    ready = asyncio.Event()
    relaying = asyncio.ensure_future(_relay(process, ready))
    try:
        await _until_ready(process, ready, relaying)
        yield process
    finally:
        await _end(process)
        await relaying


async def _relay(process: asyncio.subprocess.Process, ready: asyncio.Event) -> None:
    """Pass on what the worker says. A room that is made before it is ready would never get an agent."""
    assert process.stderr is not None
    async for line in process.stderr:
        if line.startswith(READY):
            ready.set()
        else:
            print(line.decode(errors="replace").rstrip(), file=sys.stderr, flush=True)


async def _until_ready(
    process: asyncio.subprocess.Process, ready: asyncio.Event, relaying: asyncio.Future[None]
) -> None:
    """Raises LiveKitError."""
    waiting: asyncio.Future[Any] = asyncio.ensure_future(ready.wait())
    try:
        await asyncio.wait([waiting, relaying], timeout=READY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if relaying.done() and not ready.is_set():
        raise LiveKitError("The worker did not start; what it said stands above.")
    if not ready.is_set():
        raise LiveKitError(f"The worker was not ready within {READY_WITHIN:.0f} s.")


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the worker, politely at first, and whatever is left of its session."""
    for seconds in GRACE:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), seconds)
            break
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(arguments: list[str] | None = None) -> int:
    """Until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m echoless.serve.together", description=__doc__)
    parser.add_argument("--port", type=int, help="of the page")
    parser.add_argument("--no-open", action="store_true", help="do not open the page in this machine's browser")
    asked, worker = parser.parse_known_args(arguments)
    try:
        return asyncio.run(together(asked.port, not asked.no_open, worker, lambda text: print(text, flush=True)))
    except (LiveKitError, ServeError) as error:
        print(f"livekit: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
