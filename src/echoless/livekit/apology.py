"""For a caller for whom there is no room, or no agent that works: said at once, in writing and aloud; then we leave."""

from __future__ import annotations

import asyncio
import contextlib

import numpy as np
import soxr
from livekit import rtc

from echoless.catalogue import pulled
from echoless.frames import Samples
from echoless.house import language
from echoless.lines.livekitpeer import RATE, Mouth
from echoless.livekit import wire
from echoless.settings import Settings
from echoless.voice.choose import open_voice
from echoless.voice.door import VoiceError

SORRY = {
    "en": "I am sorry, everybody here is in a conversation already. Please try again in a few minutes.",
    "zh": "抱歉，现在大家都在通话中，请过几分钟再试。",
}
BROKEN = {
    "en": "I am sorry, something is wrong at my end. Please try again in a few minutes.",
    "zh": "抱歉，我这边出了点问题，请过几分钟再试。",
}
_TAIL = 0.5
"""Seconds of silence after the last word: it is still on its way."""
_PEOPLE = 5.0
"""Seconds in which the caller should be there to hear it."""


async def apologise(settings: Settings, room: rtc.Room, broken: bool = False) -> None:
    """Say it in a room that is connected. A voice that fails leaves the written word. `broken`: we cannot talk at all;
    what is wrong is for who runs the worker, not for callers."""
    said, kind = (BROKEN, "trouble") if broken else (SORRY, "full")
    text = said.get(language(settings), said["en"])
    await _somebody(room)
    await room.local_participant.send_text(text, topic=wire.CHAT)
    attributes = {wire.SEGMENT: kind, wire.FINAL: "true"}
    await room.local_participant.send_text(text, topic=wire.TRANSCRIPTION, attributes=attributes)
    await _tell(room, kind, text)
    with contextlib.suppress(VoiceError):
        await _speak(room, await asyncio.to_thread(_sound, settings, text))
    await _tell(room, kind, text)  # again: what came before the caller had heard of us was nobody's


async def _tell(room: rtc.Room, kind: str, text: str) -> None:
    data = wire.packed({"type": kind, "text": text})
    if data:
        await room.local_participant.publish_data(data, topic=wire.TOPIC)


async def _somebody(room: rtc.Room) -> None:
    """Until somebody can be told something: what is sent to a caller who is still connecting is lost."""
    active = rtc.ParticipantState.PARTICIPANT_STATE_ACTIVE
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PEOPLE):
            while not any(each.state == active for each in room.remote_participants.values()):
                await asyncio.sleep(0.05)


def _sound(settings: Settings, text: str) -> Samples:
    """The words, float32 at the room's rate, by the quickest voice there is. Raises VoiceError."""
    voice = open_voice("espeak", language(settings), settings.voice_speed, pulled)
    sound = np.concatenate([chunk.samples for chunk in voice.speak(text)])
    return soxr.resample(sound, voice.traits.rate, RATE).astype(np.float32)


async def _speak(room: rtc.Room, sound: Samples) -> None:
    at = 0

    def pull(count: int, now: float) -> Samples:
        nonlocal at
        piece = sound[at : at + count]
        at += count
        return np.pad(piece, (0, count - len(piece)))

    mouth = Mouth(room, pull)
    await mouth.open()
    try:
        async with asyncio.timeout(len(sound) / RATE + 10):
            while at < len(sound) + _TAIL * RATE:
                await asyncio.sleep(0.05)
    finally:
        await mouth.aclose()
