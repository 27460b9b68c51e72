"""Who plays the agent in a rehearsal: its voice, drawn from the seed, and its mind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from echoless.frames import Turn
from echoless.meter import Meter
from echoless.mind.door import Mind
from echoless.mind.scripted import ScriptedMind
from echoless.rooms.script import Script, ScriptError
from echoless.settings import Settings
from echoless.voice.door import Voice

ESPEAK = (
    "en-us",
    "en-us+f2",
    "en-us+f3",
    "en-us+f5",
    "en-us+m3",
    "en-us+m5",
    "en-us+m7",
    "en-gb",
    "en-gb+f1",
    "en-gb+m1",
)
MANDARIN = ("cmn", "cmn+f3", "cmn+m3", "cmn+f5")
FLITE = ("slt", "rms", "awb")
FIRST, EACH = 0.15, 0.012
"""Seconds that the scripted mind takes for its first token and for each further one: a small model on a laptop."""


def voices(language: str) -> list[str]:
    """Names of the voices to draw from, as far as they are installed here."""
    from echoless.voice import flite

    if language == "zh":
        return [f"espeak:{name}" for name in MANDARIN]
    names = [f"espeak:{name}" for name in ESPEAK]
    return names + [f"flite:{name}" for name in FLITE] if flite.installed() else names


def draw_voice(script: Script, seed: int, tts_model: str | None = None) -> Voice:
    """The voice of the call: what was asked for, else one drawn from the seed, at a drawn speed. Raises VoiceError."""
    language = "en" if script.language == "auto" else script.language
    draw = random.Random(f"voice {seed}")
    drawn, speed = draw.choice(voices(language)), draw.uniform(0.9, 1.15)
    name = tts_model or script.voice or drawn
    return open_named(name, language, speed if name == drawn else 1.0)


def open_named(name: str, language: str, speed: float = 1.0) -> Voice:
    """`espeak:NAME`, `flite:NAME`, or whatever `--tts-model` takes."""
    kind, colon, rest = name.partition(":")
    if colon and kind == "espeak":
        from echoless.voice.espeak import Espeak

        return Espeak(rest, speed)
    if colon and kind == "flite":
        from echoless.voice.flite import Flite

        return Flite(rest, speed)
    from echoless.catalogue import pulled
    from echoless.voice.choose import open_voice

    return open_voice(name, language, speed, pulled)


class _Charged:
    """A mind whose getting ready takes its time on the meter, too."""

    def __init__(self, mind: Mind, meter: Meter) -> None:
        self._mind, self._meter = mind, meter
        self.traits = mind.traits

    def reply(self, turns: Sequence[Turn]) -> AsyncIterator[str]:
        return self._mind.reply(turns)

    async def prefill(self, turns: Sequence[Turn]) -> None:
        async def once() -> AsyncGenerator[None, None]:
            await self._mind.prefill(turns)
            yield None

        async for _ in self._meter.outside("prefill", once()):
            pass

    async def aclose(self) -> None:
        await self._mind.aclose()


async def open_mind(
    name: str, script: Script, seed: int, settings: Settings, meter: Meter, stack: AsyncExitStack
) -> Mind:
    """`scripted`, `pocket`, or a llama-server's address. Raises MindError or ScriptError."""
    if name == "scripted":
        language = None if script.language == "auto" else script.language
        replies = script.replies or None
        return ScriptedMind(seed, language=language, first=FIRST, pace=EACH, replies=replies, sleep=asyncio.sleep)
    from echoless import house

    if name != "pocket":
        address = urlsplit(name)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ScriptError(f"--mind {name}: give scripted, pocket, or an address like http://localhost:8080")
        settings = settings.model_copy(update={"llm_url": name.rstrip("/")})
    return _Charged(await house.open_mind(settings, stack), meter)
