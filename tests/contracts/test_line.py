"""What every line owes a call, whatever is behind it."""

from __future__ import annotations

import asyncio
import ctypes.util
import itertools
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from livekit import rtc

from echoless.frames import BLOCK, Block
from echoless.lines.door import Line, LineError, LineTraits
from echoless.lines.fake import ScriptedLine
from echoless.lines.files import FileLine
from echoless.lines.livekit import LiveKitLine
from echoless.lines.livekitpeer import RATE as ROOM_RATE
from echoless.lines.soundcard import SoundCardLine
from echoless.lines.webrtc import WebLine
from echoless.livekit.client import Client, joined
from echoless.livekit.server import LocalServer
from echoless.livekit.server import missing as no_livekit
from echoless.rooms.line import RoomLine
from echoless.rooms.script import Script

sys.path.insert(0, str(Path(__file__).parents[1] / "lines"))
import virtual_card
from tests.serve.pages import Page, Tape, until


def noise(seconds: float, rate: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(5).standard_normal(int(seconds * rate))).astype(np.float32)


def scripted(tmp_path: Path, rate: int) -> Line:
    return ScriptedLine(noise(1.0, 16_000), rate=rate)


def files(tmp_path: Path, rate: int) -> Line:
    soundfile.write(tmp_path / "in.wav", noise(1.0, rate), rate, subtype="PCM_16")
    return FileLine(tmp_path / "in.wav", tmp_path / "out.wav", pace="fast")


@pytest.fixture(scope="module")
def virtual() -> Iterator[virtual_card.VirtualCard]:
    missing = virtual_card.missing() or (None if ctypes.util.find_library("portaudio") else "no libportaudio2")
    if missing:
        pytest.skip(missing)
    with virtual_card.VirtualCard() as card, pytest.MonkeyPatch.context() as patch:
        for key, value in card.env.items():
            patch.setenv(key, value)
        card.loop()
        yield card


def room(tmp_path: Path, rate: int) -> Line:
    return RoomLine(Script.model_validate({"seconds": 8, "rate": rate, "room": {"rt60": 0.2, "noise_db": -70}}))


@asynccontextmanager
async def a_page(line: WebLine) -> AsyncIterator[None]:
    """A page that is connected and sends its microphone."""
    page = Page(Tape(noise(1.0, 48_000)))
    await page.take(await line.answer(await page.offer()))
    await until(lambda: line.latency > 0)
    line.begin()
    yield
    await page.aclose()


@pytest.fixture(scope="module")
def livekit() -> Iterator[LocalServer]:
    if why := no_livekit():
        pytest.skip(why)
    with LocalServer() as server:
        yield server


numbers = itertools.count()


@asynccontextmanager
async def in_a_room(server: LocalServer) -> AsyncIterator[LiveKitLine]:
    """A line that is open, with a person at the other end whose microphone is on."""
    room, name = rtc.Room(), f"room-{next(numbers)}"
    await joined(room, server.access.url, server.access.token(name, "agent", agent=True))
    line = LiveKitLine(room)
    await line.open()
    person = noise(1.0, ROOM_RATE)
    async with Client(server.access, name, "person", microphone=lambda count, now: person[:count]):
        async with asyncio.timeout(20):
            while not line.heard:
                await line.exchange(silence(line))
        yield line
        await line.aclose()
    await room.disconnect()


PLAIN = ["scripted-16", "scripted-48", "files-16", "files-48", "room-16", "room-48"]
KINDS = [*PLAIN, *(pytest.param(each, marks=pytest.mark.slow) for each in ("soundcard-48", "web-48", "livekit-24"))]


@pytest.fixture(params=KINDS)
async def line(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Line]:
    kind, rate = request.param.split("-")
    async with AsyncExitStack() as stack:
        if kind == "soundcard":
            request.getfixturevalue("virtual")
            made: Line = SoundCardLine(rate=int(rate) * 1000)
        elif kind == "web":
            made = WebLine(patience=20)
        elif kind == "livekit":
            made = await stack.enter_async_context(in_a_room(request.getfixturevalue("livekit")))
        else:
            made = {"scripted": scripted, "files": files, "room": room}[kind](tmp_path, int(rate) * 1000)
        if kind != "livekit":
            await made.open()
        stack.push_async_callback(made.aclose)
        if isinstance(made, WebLine):
            await stack.enter_async_context(a_page(made))
        if (
            kind in ("soundcard", "web", "livekit") and "reference" in request.node.name
        ):  # time stamps mean little at first, a sound server's for up to four seconds
            for _ in range(250 if kind == "soundcard" else 75):
                await made.exchange(silence(made))
        yield made


def silence(line: Line) -> np.ndarray:
    return np.zeros(line.traits.block, np.float32)


async def test_is_a_line(line: Line) -> None:
    assert isinstance(line, Line)
    traits = line.traits
    assert isinstance(traits, LineTraits)
    assert traits.rate % 1000 == 0
    assert traits.block * 16_000 == traits.rate * BLOCK
    assert traits.latency >= 0


async def test_blocks_are_whole_and_numbered(line: Line) -> None:
    first: int | None = None
    for k in range(10):
        block = await line.exchange(silence(line))
        assert isinstance(block, Block)
        first = block.index if first is None else first
        assert block.index == first + k
        for samples in (block.microphone, block.reference):
            assert samples.shape == (BLOCK,)
            assert samples.dtype == np.float32
            assert np.isfinite(samples).all()
            assert np.abs(samples).max() <= 1.5
        assert block.lost >= 0


async def test_silence_played_is_a_silent_reference(line: Line) -> None:
    for _ in range(5):
        block = await line.exchange(silence(line))
        assert block is not None
        assert not block.reference.any()


async def test_reference_carries_what_was_played_soon_and_once(line: Line) -> None:
    """A 1 kHz burst of two blocks shows up in the reference within half a second, with its own energy.

    Never with more. A line over a network may have it with less where its process was held up: what was not sent in
    time is left out at the far end, and in the reference. That is chance, so of three bursts one must be whole.
    """
    n = line.traits.block
    burst = (0.5 * np.sin(2 * np.pi * 1000 * np.arange(2 * n) / line.traits.rate)).astype(np.float32)
    whole = 0.125 * 2 * BLOCK
    for chance in range(3 if isinstance(line, WebLine | LiveKitLine) else 1):
        heard = []
        for k in range(32):
            block = await line.exchange(burst[k * n : (k + 1) * n] if k < 2 else silence(line))
            assert block is not None
            heard.append(block.reference)
        energy = float(np.sum(np.concatenate(heard) ** 2))
        assert energy <= 1.05 * whole, f"burst {chance + 1}: more came back than was played"
        if energy >= 0.95 * whole:
            return
    raise AssertionError(f"{energy:.1f} of {whole:.1f} came back")


@pytest.mark.parametrize("wrong", [(0,), (255,), (256, 2), (10_000,)])
async def test_a_wrong_block_is_refused_and_the_line_lives(line: Line, wrong: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="block"):
        await line.exchange(np.zeros(wrong, np.float32))
    assert await line.exchange(silence(line)) is not None


async def test_what_is_no_number_is_not_played(line: Line) -> None:
    bad = silence(line)
    bad[:3] = [np.nan, np.inf, -np.inf]
    for k in range(30):
        block = await line.exchange(bad if k == 0 else silence(line))
        assert block is not None
        assert np.isfinite(block.reference).all()


async def test_the_callers_block_is_neither_kept_nor_changed(line: Line) -> None:
    mine = np.full(line.traits.block, 0.25, np.float32)
    await line.exchange(mine)
    assert (mine == 0.25).all()


async def test_flush_counts_samples(line: Line) -> None:
    await line.exchange(silence(line))
    assert 0 <= line.flush() <= line.traits.rate


async def test_other_tasks_get_their_turn(line: Line) -> None:
    ran = 0

    async def other() -> None:
        nonlocal ran
        while True:
            ran += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    for _ in range(5):
        await line.exchange(silence(line))
    task.cancel()
    assert ran >= 5


async def test_a_cancelled_exchange_leaves_the_line_usable(line: Line) -> None:
    before = await line.exchange(silence(line))
    task = asyncio.create_task(line.exchange(silence(line)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])  # a live line may have had the block already
    block = await line.exchange(silence(line))
    assert before is not None and block is not None
    assert block.index == before.index + (1 if task.cancelled() else 2)


async def test_after_closing_the_far_end_is_gone(line: Line) -> None:
    await line.exchange(silence(line))
    await line.aclose()
    await line.aclose()
    assert await asyncio.wait_for(line.exchange(silence(line)), 5) is None


async def test_a_line_that_cannot_open_says_so_in_one_line(tmp_path: Path) -> None:
    line = FileLine(tmp_path / "absent.wav", tmp_path / "out.wav")
    with pytest.raises(LineError) as e:
        await line.open()
    assert "\n" not in str(e.value)
    await line.aclose()
