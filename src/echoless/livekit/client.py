"""A person's end of a room, without a browser: sends a microphone, hears the agent, does as the agent's messages say.

It mutes what it has buffered when the agent was cut off, and tells how long the agent's sound takes to its
loudspeaker: half of what a message there and back takes, and its own buffers.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from livekit import rtc
from livekit.rtc.participant import PublishDataError

from echoless.frames import Samples
from echoless.lines.livekit import CANCELS
from echoless.lines.livekitpeer import Ear, Mouth, Pull
from echoless.livekit import wire
from echoless.livekit.access import Access, LiveKitError

JITTER = 0.04
"""Seconds that sound waits in the receiver's jitter buffer, as a rule."""
_KNOWN = 10.0
"""Seconds to wait at most for an answer to a ping before anything else is sent."""
_PING = 1.0
"""Seconds between two measurements of the way."""

Play = Callable[[Samples, float], None]
"""(float32 samples at `livekitpeer.RATE`, time of arrival): what is to be played."""


def nothing(samples: Samples, now: float) -> None:
    """Play nothing."""


class Client:
    """In the room from `async with` on. Raises LiveKitError.

    `microphone` None sends none. Without `reports` it tells nothing of the way, as clients that are not ours do.
    `buffered`: seconds that the loudspeaker's own buffers hold. `on_message` is called
    with every message of the agent's, and nobody else's. `said` collects transcripts: identity → segment → text.
    """

    def __init__(
        self,
        access: Access | None,
        room: str,
        identity: str,
        *,
        token: str | None = None,
        url: str | None = None,
        microphone: Pull | None = None,
        play: Play = nothing,
        dispatch: str | None = None,
        cancels_echo: bool = False,
        buffered: float = 0.0,
        reports: bool = True,
        on_message: Callable[[dict[str, Any]], None] = lambda message: None,
    ) -> None:
        attributes = {CANCELS: "true"} if cancels_echo else {}
        if access and not token:
            token = access.token(room, identity, dispatch=dispatch, attributes=attributes)
        self._url, self._token = url or (access.url if access else ""), token or ""
        self._attributes = attributes
        self._microphone, self._play, self._buffered = microphone, play, buffered
        self._reports = reports
        self.on_message = on_message
        self.room = rtc.Room()
        self.said: dict[str, dict[str, str]] = {}
        self.agent: rtc.RemoteParticipant | None = None
        self.agent_came, self.agent_sounds = asyncio.Event(), asyncio.Event()
        self._known = asyncio.Event()
        self.muted_until = float("-inf")
        self._mouth: Mouth | None = None
        self._ears: dict[str, Ear] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._asked: dict[int, float] = {}

    async def __aenter__(self) -> Client:
        self.room.on("track_subscribed", self._on_track)
        self.room.on("track_unsubscribed", self._on_track_gone)
        self.room.on("participant_connected", self._on_participant)
        self.room.on("participant_disconnected", self._on_left)
        self.room.on("data_received", self._on_data)
        self.room.register_text_stream_handler(wire.TRANSCRIPTION, self._on_text)
        await joined(self.room, self._url, self._token)
        for participant in self.room.remote_participants.values():
            self._on_participant(participant)
        if self._microphone:
            self._mouth = Mouth(self.room, self._microphone, "microphone", pauses=False)
            await self._mouth.open()
        if self._reports:
            self._go(self._measure_way())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for ear in list(self._ears.values()):
            await ear.aclose()
        self._ears.clear()
        if self._mouth:
            await self._mouth.aclose()
        await self.room.disconnect()

    def _go(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what the person does ---------------------------------------------------------------------------------

    async def write(self, text: str) -> None:
        """A turn in writing, as LiveKit's front ends send it."""
        await self.room.local_participant.send_text(text, topic=wire.CHAT)

    async def tell(self, message: dict[str, Any]) -> None:
        """A message to the agent (`serve.messages`), once it knows us: what comes sooner is nobody's to it."""
        if message.get("type") != "ping" and self._reports:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._known.wait(), _KNOWN)
        data = wire.packed(message)
        if self.agent and data:
            to = [self.agent.identity]
            await self.room.local_participant.publish_data(data, topic=wire.TOPIC, destination_identities=to)

    # --- what comes from the room -----------------------------------------------------------------------------

    def _on_participant(self, participant: rtc.RemoteParticipant) -> None:
        if participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT:
            self.agent = participant
            self.agent_came.set()

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        if self.agent and participant.identity == self.agent.identity:
            self.agent = None
            for each in (self.agent_came, self.agent_sounds, self._known):
                each.clear()

    def _on_track(self, track: rtc.Track, _: object, participant: rtc.RemoteParticipant) -> None:
        if track.kind != rtc.TrackKind.KIND_AUDIO or participant.kind != rtc.ParticipantKind.PARTICIPANT_KIND_AGENT:
            return
        self._ears[track.sid] = Ear(track, self._hear)
        self.agent_sounds.set()

    def _on_track_gone(self, track: rtc.Track, *_: object) -> None:
        ear = self._ears.pop(track.sid, None)
        if ear:
            self._go(ear.aclose())

    def _hear(self, samples: Samples, now: float) -> None:
        self._play(np.zeros_like(samples) if now < self.muted_until else samples, now)

    def _on_data(self, packet: rtc.DataPacket) -> None:
        who = packet.participant
        if packet.topic != wire.TOPIC or who is None or who.kind != rtc.ParticipantKind.PARTICIPANT_KIND_AGENT:
            return
        message = wire.unpacked(packet.data)
        match message.get("type"), message.get("seconds"), message.get("n"):
            case "hush", int() | float() as seconds, _:
                self.muted_until = time.monotonic() + min(max(float(seconds), 0.0), 2.0)
            case "pong", _, int() as n:
                self._answered(n)
        self.on_message(message)

    def _on_text(self, reader: rtc.TextStreamReader, who: str) -> None:
        self._go(self._read(reader, who))

    async def _read(self, reader: rtc.TextStreamReader, who: str) -> None:
        segment = (reader.info.attributes or {}).get(wire.SEGMENT, reader.info.stream_id)
        kept = self.said.setdefault(who, {})
        kept[segment] = ""
        async for piece in reader:
            kept[segment] += piece

    # --- how long sound takes ---------------------------------------------------------------------------------

    async def _measure_way(self) -> None:
        for n in range(1 << 31):
            self._asked = {n: time.monotonic()}
            with contextlib.suppress(PublishDataError):
                await self.tell({"type": "ping", "n": n})
            await asyncio.sleep(_PING)

    def _answered(self, n: int) -> None:
        self._known.set()
        asked = self._asked.pop(n, None)
        if asked is not None:
            way = (time.monotonic() - asked) / 2 + JITTER + self._buffered
            self._go(self.tell({"type": "playout", "seconds": round(way, 3)}))


async def joined(room: rtc.Room, url: str, token: str) -> None:
    """Connect a room. Raises LiveKitError."""
    try:
        await room.connect(url, token)
    except rtc.ConnectError as error:
        said = " ".join(str(error.message).split())
        raise LiveKitError(f"{url} does not let us into the room: {said[:200]}") from None


def attribute(attributes: Mapping[str, str], name: str) -> int:
    """A number out of a participant's attributes; 0 where there is none."""
    value = attributes.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 9 else 0
