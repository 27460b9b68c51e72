"""Who plays the agent in a rehearsal: its voice, drawn from the seed, and its mind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import soxr

from echoless.frames import RATE, Chunk, Samples, Turn
from echoless.meter import Meter
from echoless.mind.door import Mind
from echoless.mind.scripted import ScriptedMind
from echoless.rooms.levels import AGENT_DBFS, active_level, factor
from echoless.rooms.script import Script, ScriptError
from echoless.settings import Settings
from echoless.voice.door import Voice

ESPEAK = (
    "en-us+f3",
    "en-us+m3",
    "en-us+m8",
    "en-us+Alicia",
    "en-us+Andrea",
    "en-us+Annie",
    "en-us+Gene",
    "en-us+Hugo",
    "en-us+Michael",
    "en-us+edward",
    "en-us+linda",
    "en-us+steph",
    "en-gb+m3",
    "en-gb+f3",
    "en-gb+victor",
    "en-gb-x-gbclan+anika",
    "en-gb-scotland+paul",
    "en-gb-x-gbcwmd+adam",
)
"""The suite's agents. The judge has learnt from none of these timbres (`mixtures.training_cast`); a test holds that."""
MANDARIN = ("cmn+f3", "cmn+m3", "cmn+m8", "cmn+Annie")
FLITE = ("rms",)
FIRST, EACH = 0.15, 0.012
"""Seconds that the scripted mind takes for its first token and for each further one: a small model on a laptop."""


def voices(language: str) -> list[str]:
    """Names of the voices to draw from."""
    if language == "zh":
        return [f"espeak:{name}" for name in MANDARIN]
    return [*(f"espeak:{name}" for name in ESPEAK), *(f"flite:{name}" for name in FLITE)]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A voice and how it speaks. Pitch and its range are 0..100 and espeak-ng's alone."""

    name: str
    speed: float = 1.0
    pitch: int = 50
    lilt: int = 60

    def open(self, language: str) -> Voice:
        """As it comes. Raises VoiceError."""
        return open_named(self.name, language, self.speed, self.pitch, self.lilt)

    def says(self, text: str, language: str) -> Samples:
        """`text` in this voice, float32 at 16 kHz. Raises VoiceError."""
        voice = self.open(language)
        try:
            sound = np.concatenate([chunk.samples for chunk in voice.speak(text)])
            return soxr.resample(sound, voice.traits.rate, RATE).astype(np.float32)
        finally:
            voice.close()


def drawn(language: str, seed: int) -> Drawn:
    """A voice that is drawn from a seed, at a drawn speed and pitch. Where flite is not installed, only the calls that
    its voices would have had get another."""
    from echoless.voice import flite

    draw = random.Random(f"voice {seed}")
    name = draw.choice(voices(language))
    if name.startswith("flite:") and not flite.installed():
        name = random.Random(f"another voice {seed}").choice([v for v in voices(language) if v.startswith("espeak:")])
    return Drawn(name, round(draw.uniform(0.9, 1.15), 3), draw.randint(35, 65), draw.randint(40, 80))


def chosen(script: Script, seed: int, tts_model: str | None = None) -> Drawn:
    """The voice of the call: what was asked for, else one drawn from the seed."""
    name = tts_model or script.voice
    return Drawn(name) if name else drawn(spoken(script), seed)


def spoken(script: Script) -> str:
    """The language that the agent speaks."""
    return "en" if script.language == "auto" else script.language


def draw_voice(script: Script, seed: int, tts_model: str | None = None) -> Voice:
    """`chosen`, opened, and a drawn one brought to -20 dBFS: synthetic voices differ by 14 dB. Raises VoiceError."""
    voice = chosen(script, seed, tts_model).open(spoken(script))
    return voice if tts_model or script.voice else levelled(voice)


def levelled(voice: Voice) -> Voice:
    """The same voice, so loud that its active speech level is -20 dBFS, by a sentence that nobody hears."""
    from echoless.house import sample_of

    return _Levelled(voice, factor(AGENT_DBFS - active_level(sample_of(voice))))  # type: ignore[return-value]


class _Levelled:
    """A voice at another level."""

    def __init__(self, voice: Voice, gain: float) -> None:
        self._voice, self._gain = voice, np.float32(gain)

    def speak(self, text: str) -> Iterator[Chunk]:
        for chunk in self._voice.speak(text):
            yield replace(chunk, samples=np.clip(chunk.samples * self._gain, -1.0, 1.0))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._voice, name)


def open_named(name: str, language: str, speed: float = 1.0, pitch: int = 50, lilt: int = 60) -> Voice:
    """`espeak:NAME`, `flite:NAME`, `recorded:SPEAKER` (`recorded`), or whatever `--tts-model` takes. Pitch and lilt are
    for espeak-ng."""
    kind, colon, rest = name.partition(":")
    if colon and kind == "espeak":
        from echoless.voice.espeak import Espeak

        return Espeak(rest, speed, pitch, lilt)
    if colon and kind == "flite":
        from echoless.voice.flite import Flite

        return Flite(rest, speed)
    if colon and kind == "recorded":
        from echoless.rooms.recorded import open_recorded

        return open_recorded(rest)
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
