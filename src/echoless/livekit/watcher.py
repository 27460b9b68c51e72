"""The watch over agents, on a server: signs of life in a room of the workers' own, new agents where one is gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from livekit import api, rtc  # type: ignore[attr-defined]  # of the extra

from echoless.livekit import wire
from echoless.livekit.access import Access
from echoless.livekit.client import joined
from echoless.livekit.watch import BEAT, LOOK, Served, Watch

ROOM = "echoless-watch"
"""Where workers meet; a fleet of many hundred takes several, one for each group."""
_TOPIC = "echoless.alive"
_MOST = 20
"""Agents that a room gets one after another; what ends so many ends the next one as well."""
Rooms = Callable[[], Mapping[str, Served]]
Say = Callable[[str], None]


class Watcher:
    """Beats and looks until it is cancelled. `room` is where workers meet.

    `rooms` tells what this worker serves, `broken` which of its conversations have just ended without having been
    ended (their process was killed), `full` whether it takes no more.
    """

    def __init__(
        self,
        access: Access,
        me: str,
        agent_name: str,
        *,
        rooms: Rooms,
        say: Say,
        broken: Rooms = dict,
        full: Callable[[], bool] = lambda: False,
        room: str = ROOM,
    ) -> None:
        self.watch = Watch(me)
        self._access, self._agent_name, self._rooms, self._say, self._full = access, agent_name, rooms, say, full
        self._name, self._broken = room, broken
        self._room = rtc.Room()

    async def run(self) -> None:
        """Raises LiveKitError where the server cannot be reached at the start."""
        token = self._access.token(self._name, self.watch.me, hours=24 * 365)
        self._room.on("data_received", self._on_data)
        await joined(self._room, self._access.url, token)
        try:
            async with self._access.admin() as admin:
                due = time.monotonic()
                while True:
                    if (now := time.monotonic()) >= due:
                        due = now + BEAT
                        await self._beat(self._rooms())
                    lost = {**self.watch.look(time.monotonic()), **self._broken()}
                    if lost:
                        await asyncio.gather(*(self.replace(admin, room, served) for room, served in lost.items()))
                    await asyncio.sleep(LOOK)
        finally:
            with contextlib.suppress(Exception):  # the server may have gone first
                await asyncio.shield(self._leave())

    async def _leave(self) -> None:
        await self._publish({"bye": True})
        await self._room.disconnect()

    async def _beat(self, rooms: Mapping[str, Served]) -> None:
        served = {room: [each.identity, each.generation] for room, each in rooms.items()}
        with contextlib.suppress(Exception):  # reconnecting: the others will take us for dead, and they may
            await self._publish({"rooms": served, "full": self._full()})

    async def _publish(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode()
        await self._room.local_participant.publish_data(data, reliable=len(data) > 1000, topic=_TOPIC)

    def _on_data(self, packet: rtc.DataPacket) -> None:
        if packet.topic != _TOPIC or packet.participant is None:
            return
        message, peer = wire.unpacked(packet.data), packet.participant.identity
        if message.get("bye"):
            self.watch.farewell(peer)
            return
        rooms = message.get("rooms")
        found = {}
        for room, served in rooms.items() if isinstance(rooms, dict) else ():
            match served:
                case [str() as identity, int() as generation]:
                    found[room] = Served(identity, generation)
        self.watch.hear(peer, found, time.monotonic(), full=message.get("full") is True)

    async def replace(self, admin: api.LiveKitAPI, room: str, gone: Served) -> bool:
        """Send for a new agent where `gone` was, if anybody is still there; whether it was sent for."""
        if gone.generation >= _MOST:
            self._say(f"room {room!r} has lost {gone.generation} agents and gets no more")
            return False
        try:
            there = await admin.room.list_participants(api.ListParticipantsRequest(room=room))
            people = [each for each in there.participants if each.kind != api.ParticipantInfo.Kind.AGENT]
            if not people:
                return False
            later = [_generation(each) for each in there.participants if each.kind == api.ParticipantInfo.Kind.AGENT]
            if any(generation > gone.generation for generation in later):
                return False  # somebody was quicker
            await admin.agent_dispatch.create_dispatch(
                api.CreateAgentDispatchRequest(
                    agent_name=self._agent_name, room=room, metadata=json.dumps({"generation": gone.generation + 1})
                )
            )
            self._say(f"room {room!r} had lost its agent: another is on its way")
            with contextlib.suppress(api.TwirpError):  # the server may have noticed by now
                await admin.room.remove_participant(api.RoomParticipantIdentity(room=room, identity=gone.identity))
        except (api.TwirpError, OSError, TimeoutError) as error:
            self._say(f"room {room!r} has lost its agent, and no other could be sent for: {error}")
            return False
        return True


def _generation(participant: api.ParticipantInfo) -> int:
    value = participant.attributes.get(wire.GENERATION, "")
    return int(value) if value.isdecimal() and len(value) < 9 else 0
