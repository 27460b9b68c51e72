"""A caller who cancels no echo: what it plays comes back into its microphone. How often does the agent answer itself?

    pytest -s tests/serve/measure_echo.py

Not part of the suite: it takes minutes and prints a table. `ECHO_ROUNDS` replies at each level (3), each in a call of
its own, so that the guard knows nothing of the room; `ECHO_RECORD` keeps the calls in a folder. The caller
(`far_end.py`) is a process of its own, as in life.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from scipy.stats import beta

from echoless.serve.command import Place, Serving, Terms
from echoless.settings import Settings
from tests.serve.test_server import Client

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("ECHO_ROUNDS", "3"))
RECORD = os.environ.get("ECHO_RECORD")
REPLY = (
    "The sea is wide and deep. Nobody has seen the bottom of it. Many ships sail over it every day. "
    "Some of them are very old. The water is cold in winter and warm in summer. Fish live in it, small and big. "
    "People have always loved to look at it. They stand on the shore for hours. The wind blows over the waves."
)
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def far_end(page: Client, gain: float) -> AsyncIterator[asyncio.subprocess.Process]:
    """A caller without a canceller, connected."""
    command = (sys.executable, "-m", "tests.serve.far_end", "--gain", str(gain))
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin and process.stdout
    await page.say(type="offer", **json.loads(await process.stdout.readline()))
    process.stdin.write((json.dumps({"sdp": (await page.until("answer"))["sdp"]}) + "\n").encode())
    try:
        yield process
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 20)


async def one_reply(serving: Serving, gain: float) -> tuple[list[tuple[str, str]], dict[str, float]]:
    """What was said in a call of one written question, by whom; and what the far end's loudspeaker did."""
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(serving.url + "/talk", origin=serving.url, max_msg_size=0) as ws,
    ):
        page = Client(ws)
        await page.say(type="hello", session=None)
        secret = (await page.until("session"))["id"]
        await page.until("ready")
        async with far_end(page, gain) as process:
            await asyncio.sleep(2)
            await page.say(type="type", text="Tell me about the sea.")
            await page.until(lambda each: each["type"] == "bubble" and each["who"] == "agent" and each["done"], 120)
            await asyncio.sleep(4)  # whatever is still on its way back
            session = serving.sessions.resume(secret)
            assert session is not None
            said = [(b.who, f"{b.text} | {b.rest}") for b in session._transcript.bubbles if b.who != "note"]
            process.stdin.close()  # type: ignore[union-attr]
            played = json.loads(await process.stdout.read())  # type: ignore[union-attr]
        await page.say(type="end")
        await page.closed()
        return said, played


@pytest.mark.parametrize("gain", [0.3, 1.0])
async def test_an_echo_from_far_away_is_not_answered(gain: float) -> None:
    settings = Settings(greet=False, record=Path(RECORD) if RECORD else None)
    answered = cut = 0
    async with Serving(settings, Place(port=0), Terms(1, 30), reply=lambda text: REPLY) as serving:
        for k in range(ROUNDS):
            said, played = await one_reply(serving, gain)
            assert played["loudest"] > 0.05  # there was an echo
            itself = [who for who, _ in said] != ["user", "agent"]
            answered += itself
            cut += not itself and not said[-1][1].endswith("| ")
            print(f"\n{gain} {k}: {'ANSWERED ITSELF' if itself else 'held'} {played} {said[1:]}", flush=True)
    most = float(beta.ppf(0.95, answered + 1, ROUNDS - answered)) if answered < ROUNDS else 1.0
    print(f"\necho {gain}: {answered} of {ROUNDS} answered (95 %: under {most:.2f}), {cut} more cut short, {load()}")
    assert answered == 0


def load() -> str:
    """How busy the machine is."""
    return f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
