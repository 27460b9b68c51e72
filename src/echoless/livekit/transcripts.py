"""Captions as LiveKit's front ends know them: text streams on `lk.transcription`, one segment a contribution.

A person's words are sent whole each time, under one segment, until they are final. The agent's are one stream that
grows as it is heard and ends where it was cut off.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from livekit import rtc

from echoless.frames import Event
from echoless.livekit import wire


class Transcripts:
    """The call's events in, work to be done in its order out. `track`: the agent's track's identifier now."""

    def __init__(self, room: rtc.Room, track: Callable[[], str]) -> None:
        self._room, self._track = room, track
        self._turn = 0
        self._open = False
        self._writer: rtc.TextStreamWriter | None = None
        self._said: tuple[int, str] = (-1, "")
        self._finished = -1

    def feed(self, event: Event, speaker: str) -> Iterable[Awaitable[Any]]:
        """What an event changes; `speaker` is who it is about, where it is about a person."""
        match event.event:
            case "user.partial":
                self._open = True
                yield self._person(self._turn, speaker, str(event.data["text"]), final=False)
            case "user.said":
                self._open = False
                yield self._person(self._turn, speaker, str(event.data["text"]), final=True)
                self._turn += 1
            case "user.rejected" if self._open:
                self._open = False
                yield self._person(self._turn, speaker, "", final=True)
                self._turn += 1
            case "agent.said":
                generation, text = int(event.data["generation"]), str(event.data["text"])
                yield from self.saying(generation, text)
                self._finished = generation
                yield self._close(generation, text)

    def saying(self, generation: int, heard: str) -> Iterable[Awaitable[Any]]:
        """What was heard of the agent so far."""
        before = self._said[1] if self._said[0] == generation else ""
        if generation > self._finished and heard.startswith(before) and len(heard) > len(before):
            self._said = generation, heard
            yield self._agent(generation, heard[len(before) :])

    async def _person(self, turn: int, who: str, text: str, final: bool) -> None:
        """`turn` is that of the event: when this is done, another may have begun."""
        participant = self._room.remote_participants.get(who)
        attributes = {wire.SEGMENT: f"U{turn}", wire.FINAL: "true" if final else "false"}
        if participant and participant.track_publications:
            attributes[wire.TRACK] = next(iter(participant.track_publications))
        await self._whole(text, attributes, who or None)

    async def _whole(self, text: str, attributes: dict[str, str], who: str | None) -> None:
        writer = await self._room.local_participant.stream_text(
            topic=wire.TRANSCRIPTION, attributes=attributes, sender_identity=who
        )
        await writer.write(text)
        await writer.aclose()

    async def _agent(self, generation: int, more: str) -> None:
        if self._writer is None:
            attributes = {wire.SEGMENT: f"A{generation}", wire.FINAL: "false", wire.TRACK: self._track()}
            self._writer = await self._room.local_participant.stream_text(
                topic=wire.TRANSCRIPTION, attributes=attributes
            )
        await self._writer.write(more)

    async def _close(self, generation: int, text: str) -> None:
        writer, self._writer = self._writer, None
        if writer:
            await writer.aclose(attributes={wire.FINAL: "true"})
        elif text:
            attributes = {wire.SEGMENT: f"A{generation}", wire.FINAL: "true", wire.TRACK: self._track()}
            await self._whole(text, attributes, None)
