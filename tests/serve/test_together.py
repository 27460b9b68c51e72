"""`make livekit`: server, worker and page come up together and go together."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from echoless.livekit.server import missing as no_server
from tests.serve.browser import FLOOR, browser, missing, pause

ROOT = Path(__file__).parents[2]


def why_not() -> str | None:
    if importlib.util.find_spec("livekit.agents") is None:
        return "no livekit-agents: make livekit-setup"
    return no_server() or (None if Path("/proc").is_dir() else "no /proc to see who is left")


pytestmark = [pytest.mark.slow, pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]


def session_of(parent: int) -> set[int]:
    """All processes below this one, by what /proc says."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    below, fresh = set(), {parent}
    while fresh:
        fresh = {each for each, above in parents.items() if above in fresh} - below
        below |= fresh
    return below


def alive(process: int) -> bool:
    try:
        return (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@asynccontextmanager
async def together(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[str]]]:
    """The whole house; what it has said so far."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "echoless.serve.together", "--no-open", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    said: list[str] = []
    try:
        yield process, said
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            try:
                await asyncio.wait_for(process.wait(), 40)
            except TimeoutError:
                os.killpg(process.pid, signal.SIGKILL)
                raise


async def until_said(process: asyncio.subprocess.Process, said: list[str], wanted: str, seconds: float = 120) -> str:
    assert process.stdout
    async with asyncio.timeout(seconds):
        while line := (await process.stdout.readline()).decode():
            said.append(line.strip())
            if wanted in line:
                return line.strip()
    raise AssertionError(f"it never said {wanted!r}: {said}")


async def test_a_written_turn_is_answered_by_a_worker_and_ctrl_c_leaves_nothing_behind() -> None:
    async with together("--port", "0", "--no-greet", "--busy", "1.0", "--answer", "60") as (process, said):
        url = (await until_said(process, said, "The page: ")).partition(": ")[2]
        await until_said(process, said, "Ctrl-C")
        below = session_of(process.pid)
        assert len(below) >= 3  # server, worker, model
        if missing() is None:
            async with browser(pause(60.0)) as page:
                await page("goto", url=url)
                await page.until("!document.getElementById('name-row').hidden")
                await page("write", selector="#text", text="Hello! How are you?")
                await page("press", key="Enter")
                await page.until("document.querySelector('#log .agent.done .said')?.innerText.length > 3", 90)
                assert await page("tell", what="location.hash.startsWith('#room=')")
                assert await page("tell", what=FLOOR) in ("writing", "listening", "speaking", "idle", "thinking")
                below |= session_of(process.pid)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 40) == 0
        await asyncio.sleep(0.5)
        assert [each for each in below if alive(each)] == []


async def test_a_worker_that_cannot_start_ends_it_all_in_one_line() -> None:
    async with together("--port", "0", "--model", "/nowhere/to/be/found.gguf") as (process, said):
        await until_said(process, said, "livekit: The worker did not start")
        assert await asyncio.wait_for(process.wait(), 30) == 1
        assert any("found.gguf" in line for line in said)
        assert not any("Traceback" in line for line in said)
