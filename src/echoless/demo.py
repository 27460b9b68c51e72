"""A short conversation with nobody there: a synthetic person in a simulated room, heard over its loudspeaker's echo.

The person asks, listens, cuts in and asks again; everything of the agent is the real thing, at real pace.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from echoless.captions import watch
from echoless.frames import RATE
from echoless.settings import Settings

SECONDS = 32.0
LINES = (
    {"text": "Hello. Who are you?", "at": 1.0},
    {"text": "Do you like music?", "after": "agent.stopped", "nth": 1, "plus": 0.9},
    {"text": "Stop. What can you do?", "after": "agent.started", "nth": 2, "plus": 0.9, "kind": "interrupt"},
    {"text": "Thank you. Goodbye.", "after": "agent.stopped", "nth": 3, "plus": 1.2},
)
"""What the person says, and when: at a second, or after a burst of the agent."""
PERSON = "en-us+f3"


def demonstrate(settings: Settings, folder: Path) -> int:
    """Hold the conversation and leave its record, sound and picture in `folder`; the exit code."""
    from echoless.show import show

    record = folder / "call"
    _say(f"about {SECONDS:.0f} s of conversation, recorded in {record}")
    asyncio.run(_hold(settings.model_copy(update={"record": record, "greet": False, "keep_days": 0})))
    both = folder / "conversation.wav"
    _mix(record, both)
    for line in show(record, folder / "conversation.png").splitlines():
        print(line)
    print(f"{both} (left: what the microphone heard, right: the agent)")
    return 0


async def _hold(settings: Settings) -> None:
    from echoless.house import open_call
    from echoless.rooms.line import RoomLine
    from echoless.rooms.script import Script

    room = {"rt60": 0.3, "echo_db": 0, "delay_ms": 80, "noise_db": -65}
    with tempfile.TemporaryDirectory(prefix="echoless-") as sounds:
        talkers = [{"wav": _spoken(sounds, number, str(line["text"])), **line} for number, line in enumerate(LINES)]
        line = RoomLine(Script.model_validate({"seconds": SECONDS, "room": room, "talkers": talkers}))
    async with open_call(settings, line=line, tell=_say) as call:
        await watch(call.events())


def _spoken(folder: str, number: int, text: str) -> str:
    """The WAV of a line, in a voice that is not the agent's."""
    from echoless.voice.espeak import Espeak

    voice = Espeak(PERSON)
    try:
        sound = np.concatenate([chunk.samples for chunk in voice.speak(text)])
    finally:
        voice.close()
    path = Path(folder) / f"person-{number + 1}.wav"
    soundfile.write(path, sound, voice.traits.rate)
    return str(path)


def _mix(record: Path, path: Path) -> None:
    """Both sides in one WAV, left and right."""
    sides = [soundfile.read(record / f"{name}.wav", dtype="float32")[0] for name in ("mic", "speaker")]
    length = min(len(side) for side in sides)
    soundfile.write(path, np.stack([side[:length] for side in sides], axis=1), RATE)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
