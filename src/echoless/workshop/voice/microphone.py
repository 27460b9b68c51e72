"""The sound card as a recorder."""

from __future__ import annotations

import asyncio

from echoless.frames import Samples
from echoless.settings import load
from echoless.workshop.voice.studio import listen


def take(seconds: float, device: str | None = None) -> Samples:
    """So many seconds of the microphone, float32 at 16 kHz. Raises LineError."""
    from echoless.lines.soundcard import SoundCardLine

    async def run() -> Samples:
        line = SoundCardLine(*load({"device": device}).settings.devices, on_trouble=lambda what: None)
        await line.open()
        try:
            return await listen(line, seconds)
        finally:
            await line.aclose()

    return asyncio.run(run())
