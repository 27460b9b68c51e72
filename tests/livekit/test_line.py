"""The line in a room of a real server, and the client at its other end; its contract is in tests/contracts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from livekit import rtc

from echoless.lines.door import LineError
from echoless.lines.livekit import LiveKitLine
from echoless.lines.livekitpeer import RATE
from echoless.livekit.client import Client, joined
from echoless.livekit.server import LocalServer


class Tone:
    """A microphone: a sine of `hertz` while `level` is not 0."""

    def __init__(self, hertz: float, level: float = 0.0) -> None:
        self.hertz, self.level, self._at = hertz, level, 0

    def __call__(self, count: int, now: float) -> np.ndarray:
        t = (self._at + np.arange(count)) / RATE
        self._at += count
        return (self.level * np.sin(2 * np.pi * self.hertz * t)).astype(np.float32)


class Tape:
    """A loudspeaker that keeps what it plays."""

    def __init__(self) -> None:
        self.pieces: list[tuple[float, np.ndarray]] = []

    def __call__(self, samples: np.ndarray, now: float) -> None:
        self.pieces.append((now, samples))

    def loud(self, last: int = 5) -> bool:
        return any(np.abs(piece).max() > 0.05 for _, piece in self.pieces[-last:])


@pytest.fixture
async def line(server: LocalServer, request: pytest.FixtureRequest) -> AsyncIterator[LiveKitLine]:
    room = rtc.Room()
    name = request.node.name
    await joined(room, server.access.url, server.access.token(name, "agent", agent=True))
    made = LiveKitLine(room)
    await made.open()
    yield made
    await made.aclose()
    await room.disconnect()


def quiet(line: LiveKitLine) -> np.ndarray:
    return np.zeros(line.traits.block, np.float32)


def loud(line: LiveKitLine) -> np.ndarray:
    return np.full(line.traits.block, 0.3, np.float32) * np.sign(np.sin(np.arange(line.traits.block) / 3)).astype("f4")


def strength(sound: np.ndarray, hertz: float) -> float:
    t = np.arange(len(sound)) / 16_000
    return float(2 * np.abs(np.mean(sound * np.exp(-2j * np.pi * hertz * t))))


async def test_people_are_heard_each_as_who_they_are(server: LocalServer, line: LiveKitLine) -> None:
    low, high = Tone(400, 0.3), Tone(1500, 0.3)
    async with (
        Client(server.access, line.room.name, "anna", microphone=low),
        Client(server.access, line.room.name, "ben", microphone=high),
    ):
        sounds: dict[str, list[np.ndarray]] = {"anna": [], "ben": []}
        async with asyncio.timeout(20):
            while min(map(len, sounds.values())) < 60:
                block = await line.exchange(quiet(line))
                assert block is not None
                for voice in line.heard:
                    sounds[voice.who].append(voice.microphone)
        for who, mine, other in (("anna", 400, 1500), ("ben", 1500, 400)):
            sound = np.concatenate(sounds[who][30:])
            assert strength(sound, mine) > 0.15 and strength(sound, other) < 0.03
        assert sorted(line.people) == ["anna", "ben"]


async def test_cut_off_speech_falls_silent_at_the_far_end(server: LocalServer, line: LiveKitLine) -> None:
    hushes: list[float] = []
    line.on_hush = hushes.append
    tape = Tape()
    async with Client(server.access, line.room.name, "anna", microphone=Tone(400), play=tape):
        async with asyncio.timeout(20):
            while not tape.loud():
                assert await line.exchange(loud(line)) is not None
        line.flush()
        for _ in range(40):
            await line.exchange(quiet(line))
        assert not tape.loud()
        assert len(hushes) == 1 and 0.05 < hushes[0] < 0.5


async def test_what_counts_as_heard_is_what_the_far_end_says(server: LocalServer, line: LiveKitLine) -> None:
    assert line.latency == 0.0  # nobody is there
    async with Client(server.access, line.room.name, "anna", microphone=Tone(400)):
        async with asyncio.timeout(20):
            while not line.heard:
                await line.exchange(quiet(line))
        for _ in range(12):
            line.playout("anna", 0.5)
        assert 0.45 < line.latency < 0.65
        for _ in range(30):
            line.playout("anna", 1e9)
            line.playout("nobody", 0.0)
        assert line.latency < 2.2


async def test_people_who_only_write_are_no_reason_to_stand_still(server: LocalServer, line: LiveKitLine) -> None:
    waiting = asyncio.ensure_future(line.exchange(quiet(line)))
    await asyncio.sleep(0.2)
    assert not waiting.done()  # nobody is there: time stands still
    async with Client(server.access, line.room.name, "anna"), asyncio.timeout(20):
        block = await waiting
        assert block is not None and block.index == 0
        for _ in range(10):
            assert await line.exchange(quiet(line)) is not None


async def test_an_empty_room_ends_the_call_after_patience(server: LocalServer) -> None:
    room = rtc.Room()
    await joined(room, server.access.url, server.access.token("empty", "agent", agent=True))
    line = LiveKitLine(room, patience=0.1)
    await line.open()
    assert await asyncio.wait_for(line.exchange(quiet(line)), 5) is None
    await line.aclose()
    await room.disconnect()


async def test_other_agents_are_not_listened_to(server: LocalServer, line: LiveKitLine) -> None:
    room = rtc.Room()
    await joined(room, server.access.url, server.access.token(line.room.name, "other", agent=True))
    other = LiveKitLine(room)
    await other.open()
    async with Client(server.access, line.room.name, "anna", microphone=Tone(400, 0.2)), asyncio.timeout(20):
        while not line.heard:
            await asyncio.gather(line.exchange(quiet(line)), other.exchange(loud(other)))
        for _ in range(20):
            await asyncio.gather(line.exchange(quiet(line)), other.exchange(loud(other)))
            assert {voice.who for voice in line.heard} <= {"anna"}
        assert line.people == ["anna"]
    await other.aclose()
    await room.disconnect()


async def test_a_room_that_was_never_entered_is_one_line() -> None:
    with pytest.raises(LineError, match="not connected"):
        await LiveKitLine(rtc.Room()).open()
