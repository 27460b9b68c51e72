"""A person in a room by this machine's sound card: our linear canceller here, the guard where the agent is.

What is sent is the canceller's residual: the person whole, and what is left of the echo. The agent's guard is told
that it is so (`CANCELS`) and deals with the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from echoless.ears.guard import EchoGuard
from echoless.frames import BLOCK, RATE, Samples
from echoless.lines.door import Line
from echoless.lines.livekitpeer import FRAME
from echoless.lines.livekitpeer import RATE as ROOM_RATE
from echoless.lines.resample import Resampler
from echoless.lines.rings import Playback
from echoless.livekit.client import Client
from echoless.settings import Settings

_ROOM_BLOCK = BLOCK * ROOM_RATE // RATE
_QUEUE = round(0.04 * ROOM_RATE)
"""Samples that wait against unevenness: of the network on the way in, of this machine on the way out."""


class Ends:
    """Between a sound card (any line) and a room: the card's clock on one side, the room's frames on the other."""

    def __init__(self, card: Line) -> None:
        self.card = card
        self.guard = EchoGuard()
        self._in, self._out = Playback(ROOM_RATE, FRAME, _QUEUE), Playback(ROOM_RATE, _ROOM_BLOCK, _QUEUE)
        self._to_card = Resampler(ROOM_RATE, card.traits.rate, _ROOM_BLOCK)
        self._to_room = Resampler(RATE, ROOM_RATE, BLOCK)

    def microphone(self, count: int, now: float) -> Samples:
        """What the room gets: a client's `Pull`."""
        return self._out.pull(count, now)

    def play(self, samples: Samples, now: float) -> None:
        """What came from the room: a client's `Play`."""
        if len(samples) == FRAME:
            self._in.push(samples, 0)

    def hush(self) -> None:
        """The agent was cut off: forget what waits."""
        self._in.flush()
        self.card.flush()

    async def run(self) -> None:
        """Until the card goes away."""
        now = 0.0
        while True:
            out = self._to_card(self._in.pull(_ROOM_BLOCK, now))
            block = await self.card.exchange(out)
            if block is None:
                return
            self._out.push(self._to_room(self.guard.hear(block.microphone, block.reference).clean), 0)


async def talk(settings: Settings, url: str, token: str, say: Callable[[str], None]) -> None:
    """Be in the room until the card goes away or the task is cancelled. Raises LineError or LiveKitError."""
    from echoless.lines.soundcard import SoundCardLine

    card = SoundCardLine(*settings.devices, on_trouble=say)
    await card.open()
    try:
        ends = Ends(card)

        def on_message(message: dict[str, Any]) -> None:
            if message.get("type") == "hush":
                ends.hush()
            elif message.get("type") == "bubble" and message.get("done") and message.get("text"):
                say(f"{message.get('who', '')}: {message['text']}")

        client = Client(
            None,
            "",
            "",
            url=url,
            token=token,
            microphone=ends.microphone,
            play=ends.play,
            cancels_echo=True,
            buffered=card.traits.latency,
            on_message=on_message,
        )
        async with client, asyncio.TaskGroup() as tasks:
            say(f"in room {client.room.name!r}: speak; Ctrl-C leaves")
            running = tasks.create_task(ends.run())
            if not client.agent:
                say("nobody answers here yet: 'echoless worker' or 'echoless room' brings the agent")
            await running
    finally:
        await card.aclose()
