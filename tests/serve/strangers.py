"""An agent that is not ours, and another person: they know LiveKit's own ways and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from livekit import rtc

from echoless.livekit.access import Access

RATE = 24_000


class Participant:
    """Somebody in a room who speaks by a track, by transcriptions and in writing."""

    def __init__(self, room: rtc.Room) -> None:
        self.room = room
        self.read: list[tuple[str, str]] = []
        """What others wrote: (who, text)."""
        self._reading: set[asyncio.Task[None]] = set()
        room.register_text_stream_handler("lk.chat", self._on_chat)

    def _on_chat(self, reader: rtc.TextStreamReader, who: str) -> None:
        task = asyncio.ensure_future(self._take(reader, who))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _take(self, reader: rtc.TextStreamReader, who: str) -> None:
        self.read.append((who, await reader.read_all()))

    async def write(self, text: str) -> None:
        await self.room.local_participant.send_text(text, topic="lk.chat")

    async def state(self, state: str) -> None:
        await self.room.local_participant.set_attributes({"lk.agent.state": state})

    async def caption(self, text: str, segment: str, final: bool, who: str | None = None) -> None:
        attributes = {"lk.segment_id": segment, "lk.transcription_final": "true" if final else "false"}
        writer = await self.room.local_participant.stream_text(
            topic="lk.transcription", attributes=attributes, sender_identity=who
        )
        await writer.write(text)
        await writer.aclose()

    async def hum(self, seconds: float) -> None:
        """A tone on a track of one's own."""
        source = rtc.AudioSource(RATE, 1, queue_size_ms=0)
        track = rtc.LocalAudioTrack.create_audio_track("voice", source)
        await self.room.local_participant.publish_track(track)
        pcm = (8000 * np.sin(2 * np.pi * 440 * np.arange(RATE // 100) / RATE)).astype(np.int16)
        for _ in range(int(seconds * 100)):
            await source.capture_frame(rtc.AudioFrame(pcm.tobytes(), RATE, 1, RATE // 100))
            await asyncio.sleep(0.0095)


@asynccontextmanager
async def participant(
    access: Access, room: str, identity: str, name: str = "", agent: bool = False
) -> AsyncIterator[Participant]:
    """Somebody in the room for as long as the block lasts."""
    entered = rtc.Room()
    await entered.connect(access.url, access.token(room, identity, name=name or None, agent=agent))
    try:
        yield Participant(entered)
    finally:
        with contextlib.suppress(Exception):
            await entered.disconnect()
