"""What can be compared: sound files, enrolled people, and the agent's voices; and what a comparison says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from echoless.ears.enrolled import Person
from echoless.ears.voiceprint import (
    ENROLLED,
    PAIR,
    Embedding,
    VoiceprintError,
    similarity,
    speech_of,
    threshold,
)
from echoless.frames import RATE, Samples
from echoless.workshop.voiceprint.across import across
from echoless.workshop.voiceprint.engines import Engine
from echoless.workshop.voiceprint.sound import read

VOICE = "voice:"
"""What stands before the name of a voice of the agent's, e.g. `voice:espeak:en-us+f3`."""
LEAST = 6.0
"""Seconds of speech that enrolling needs; the thresholds were measured with 10."""


@dataclass(frozen=True, slots=True)
class Known:
    """One row of a comparison. `enrolled` tells a person who enrolled from a stretch of sound."""

    name: str
    embedding: Embedding
    seconds: float
    enrolled: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """Two rows compared."""

    similarity: float
    threshold: float

    @property
    def same(self) -> bool:
        return self.similarity >= self.threshold


def find(name: str, people: Sequence[Person], engine: Engine) -> Known:
    """A sound file, a person who enrolled, or `voice:NAME`. Raises VoiceprintError."""
    if name.startswith(VOICE):
        return of_sound(name, of_voice(name.removeprefix(VOICE)), engine)
    for person in people:
        if person.name.lower() == name.lower():
            return Known(person.name, person.embedding, person.seconds, True)
    if not Path(name).is_file() and not Path(name).suffix:
        raise VoiceprintError(f"{name!r} is neither a sound file nor enrolled; a voice of the agent's is {VOICE}NAME")
    return of_sound(name, read(Path(name)), engine)


def of_sound(name: str, sound: Samples, engine: Engine) -> Known:
    """The voice in `sound`, float32 at 16 kHz. Raises VoiceprintError where there is none."""
    if not len(sound) or float(np.abs(sound).max()) < 1e-3:
        raise VoiceprintError(f"{name} is silent: nobody can be heard in it")
    speech = speech_of(sound)
    try:
        return Known(name, engine.embed(speech), len(speech) / RATE)
    except VoiceprintError as error:
        raise VoiceprintError(f"{name}: {error}") from None


def of_voice(name: str) -> Samples:
    """A voice of the agent's saying a few sentences; float32 at 16 kHz. Raises VoiceError."""
    from echoless.catalogue import pulled
    from echoless.house import sample_of
    from echoless.voice.choose import open_voice

    voice = open_voice(name, find=pulled)
    try:
        return sample_of(voice)
    finally:
        voice.close()


def match(one: Known, other: Known) -> Match:
    """Are these one person? The threshold is that of the shorter stretch of speech."""
    limits = ENROLLED if one.enrolled != other.enrolled else PAIR
    seconds = min(each.seconds for each in (one, other) if not each.enrolled or one.enrolled == other.enrolled)
    return Match(similarity(one.embedding, other.embedding), threshold(seconds, limits))


def enrol(name: str, sounds: Sequence[tuple[str, Samples]], engine: Engine) -> Person:
    """A person from recordings of theirs (name of each, float32 at 16 kHz). Raises VoiceprintError.

    Recordings that do not sound like one person are refused, as is too little speech.
    """
    parts = [of_sound(label, sound, engine) for label, sound in sounds]
    total = sum(part.seconds for part in parts)
    if total < LEAST:
        there = int(10 * total) / 10  # 5.98 s are not 6.0
        raise VoiceprintError(f"there are only {there} s of speech: {LEAST:g} are needed, 10 are better")
    for part in parts[1:]:
        if not (found := match(parts[0], part)).same:
            raise VoiceprintError(
                f"{parts[0].name} and {part.name} do not sound like one person "
                f"({found.similarity:.2f}, {found.threshold:.2f} wanted): enrol them one by one"
            )
    whole = np.concatenate([speech_of(sound) for _, sound in sounds])
    return Person(name, engine.embed(whole), total, across(whole, engine.embed))
