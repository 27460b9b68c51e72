"""Recorded people as the agent: a voice that can say what somebody was recorded saying, and nothing else.

Synthetic voices of the older kind are all that a checkout has; a neural voice sounds like the people it has learnt
from. What holds with these people as the agent does not hang on how espeak-ng sounds.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from echoless.frames import RATE, Chunk, Samples
from echoless.rooms.bursts import FRAME, frame_levels, runs
from echoless.rooms.levels import AGENT_DBFS, active_level, factor, read_wav
from echoless.rooms.people import JUDGES, People, Recording, index, shared_folder
from echoless.rooms.talkers import trim
from echoless.voice.door import VoiceError, VoiceTraits

KIND = "recorded"
PAUSE = 30
"""Frames that a pause within a sentence may last; longer ones are shortened, as they would be taken for the agent's
silence."""
REPLIES, LEAST = 12, 8.0
"""Replies to a call, and the seconds that each lasts at least."""
_CUT = 270
"""Characters from which on a sentence might be cut before it comes to the voice."""
_EDGE = FRAME // 2


class Recorded:
    """One person's recordings, brought to -20 dBFS together. Raises VoiceError where there are none."""

    def __init__(self, recordings: Collection[Recording]) -> None:
        if not recordings:
            raise VoiceError("nobody of that name was recorded saying a few plain sentences: see speech/INDEX.tsv")
        self.traits = VoiceTraits(KIND, RATE, next(iter(recordings)).language)
        said = {plain(r.text): shortened(trim(read_wav(r.path))) for r in recordings}
        gain = np.float32(factor(AGENT_DBFS - active_level(np.concatenate(list(said.values())))))
        self._said = {text: np.clip(sound * gain, -1.0, 1.0) for text, sound in said.items()}

    def seconds(self, text: str) -> float:
        """How long a sentence lasts. Raises VoiceError."""
        return len(self._sound(text)) / RATE

    def speak(self, text: str) -> Iterator[Chunk]:
        """The recording, its words marked as if all letters were equally long. Raises VoiceError for what it cannot
        say."""
        sound = self._sound(text)
        marks = tuple((m.start(), m.start() * len(sound) // len(text)) for m in re.finditer(r"\S+", text))
        yield Chunk(sound, RATE, marks)

    def _sound(self, text: str) -> Samples:
        try:
            return self._said[plain(text)]
        except KeyError:
            raise VoiceError(f"a recorded person cannot say what was not recorded: {text[:40]!r}") from None

    def close(self) -> None:
        pass


def open_recorded(speaker: str) -> Recorded:
    """The voice `recorded:SPEAKER`. Raises VoiceError, and ScriptError where there are no recordings at all."""
    return Recorded(_speakers(index(shared_folder() / "speech")).get(speaker, []))


def agent_keys(draw: random.Random, people: People, talkers: list[dict[str, Any]]) -> dict[str, Any]:
    """`voice` and `replies` of a script: somebody who is none of its talkers."""
    busy = {Path(t["wav"]) for t in talkers}
    everybody = _speakers(people.recordings)
    free = [who for who, said in everybody.items() if not any(r.path in busy for r in said)]
    who = draw.choice(free)
    voice = Recorded(everybody[who])
    return {"voice": f"{KIND}:{who}", "replies": [_reply(draw, voice, everybody[who]) for _ in range(REPLIES)]}


def _reply(draw: random.Random, voice: Recorded, said: list[Recording]) -> str:
    sentences: list[str] = []
    left = LEAST
    for recording in draw.sample(said, len(said)):
        if left > 0:
            sentences.append(f"{plain(recording.text).capitalize()}.")
            left -= voice.seconds(recording.text)
    return " ".join(sentences)


def _speakers(recordings: list[Recording]) -> dict[str, list[Recording]]:
    """The English speakers that nothing was trained on, with what each can say: three sentences and 10 s at least."""
    out: dict[str, list[Recording]] = {}
    for recording in recordings:
        if recording.folder in JUDGES and recording.language == "en" and _sayable(recording.text):
            out.setdefault(recording.speaker, []).append(recording)
    return {who: said for who, said in out.items() if len(said) >= 3 and sum(r.seconds for r in said) >= LEAST + 2}


def _sayable(text: str) -> bool:
    """Whether a text comes to the voice in one piece and as it stands."""
    return bool(text) and len(text) < _CUT and not re.search(r"[^A-Za-z ,.;:'?!-]", text)


def plain(text: str) -> str:
    """Its words, which is all that a recording is known by: nothing at which a sentence could be cut."""
    return " ".join(re.findall(r"[a-z']+", text.lower()))


def shortened(sound: Samples) -> Samples:
    """The same with every pause cut down to `PAUSE`: out of its middle, and faded there."""
    pieces, at = [], 0
    for begin, end in runs(frame_levels(sound) < active_level(sound) - 30):
        if end - begin > PAUSE:
            pieces.append(sound[at : (begin + PAUSE // 2) * FRAME].copy())
            at = (end - PAUSE // 2) * FRAME
    pieces.append(sound[at:].copy())
    for before, after in pairwise(pieces):
        before[-_EDGE:] *= np.linspace(1, 0, _EDGE, dtype=np.float32)
        after[:_EDGE] *= np.linspace(0, 1, _EDGE, dtype=np.float32)
    return np.concatenate(pieces)
