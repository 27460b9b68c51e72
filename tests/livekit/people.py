"""People for rooms: microphones that say things, and loudspeakers that come back into them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import soxr
from bench.livekit.caller import Caller

from echoless.lines.livekitpeer import RATE
from echoless.voice.choose import open_voice


def spoken(text: str, level: float = 0.2) -> np.ndarray:
    """`text` as espeak says it: float32 at the room's rate, at this peak."""
    voice = open_voice("espeak", "en", 1.0)
    sound = np.concatenate([chunk.samples for chunk in voice.speak(text)])
    sound = soxr.resample(sound, voice.traits.rate, RATE).astype(np.float32)
    return sound * np.float32(level / np.abs(sound).max())


class Person(Caller):
    """A caller in this process: `echo` is the gain from its loudspeaker to its microphone, 0 is a headset."""

    def loud(self, pieces: int = 10) -> bool:
        """Whether the agent was heard in the last 10 ms pieces."""
        return any(np.abs(piece).max() > 0.01 for _, piece in self.heard[-pieces:])


async def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something to become true. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)
