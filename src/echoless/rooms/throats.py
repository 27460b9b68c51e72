"""Short words, nods and quotes: recorded where there are recordings, else read by synthetic people.

There is one recorded speaker of commands here. He stands for several by being resampled (pitch and length of the
vocal tract move together), and voices of espeak-ng and flite that neither play the suite's agent nor were learnt from
read the rest. Coughs, hums and music are made up (`people.write_made_up`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from echoless.frames import RATE, Samples
from echoless.rooms.cast import Drawn
from echoless.rooms.levels import active_level, factor, read_wav
from echoless.rooms.people import People, Recording

STRETCHES = (0.84, 0.9, 0.96, 1.0, 1.06, 1.13, 1.2)
"""Lengths of a recording: each another person."""
SHORT = {"en": ("stop", "no", "wait", "stop it", "hold on", "wait a minute"), "zh": ("停", "停下", "等一下", "不对")}
"""Words that stop the agent by themselves."""
OFTEN = {"en": (4, 4, 4, 1, 1, 1), "zh": (3, 1, 3, 1)}
NODS = {
    "en": ("right", "yes", "yeah", "uh-huh", "okay", "I see", "oh really", "sure"),
    "zh": ("嗯", "对", "嗯嗯", "对对", "好的", "是的"),
}
TIMBRES = (
    *("Alex", "Andy", "Denis", "Diogo", "Jacky", "Lee", "Marco", "Mario", "Mike", "aunty", "caleb", "david", "ed"),
    *("ian", "max", "miguel", "pedro", "rob", "robert", "sandro", "shelby", "steph2", "steph3", "travis", "zac"),
)
_ACCENTS = {"en": ("en-us", "en-gb", "en-gb-x-rp", "en-029"), "zh": ("cmn",)}
_FLITE = ("slt", "awb")

Keys = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Throat:
    """Somebody who can say anything: a synthetic voice, and how it speaks."""

    voice: Drawn
    language: str

    @property
    def name(self) -> str:
        v = self.voice
        return f"{v.name.replace(':', '-')}-{v.speed:g}-{v.pitch}".replace("+", "-")


class Throats:
    """Draws who says what, and leaves the sound in `folder`. Every draw follows from the generator that is given."""

    def __init__(self, people: People, folder: Path) -> None:
        self.people, self.folder = people, folder
        folder.mkdir(parents=True, exist_ok=True)

    def short(self, draw: random.Random, language: str = "en") -> Keys:
        """A talker of kind `short`: keys of the script. In English two of five are the recorded speaker's."""
        text = draw.choices(SHORT[language], OFTEN[language])[0]
        recorded = self.people.short if language == "en" else []
        if recorded and draw.random() < 0.4:
            return {"kind": "short", **self._stretched(draw.choice(recorded), draw)}
        return {"kind": "short", **self.says(self.throat(draw, language), text)}

    def nod(self, draw: random.Random, hums: list[Path], language: str = "en") -> Keys:
        """A talker of kind `backchannel`, a little softer than a turn: recorded, made up, or synthetic."""
        quiet = {"kind": "backchannel", "gain_db": draw.randint(-6, 0)}
        what = draw.random()
        if what < 0.25 and self.people.nods and language == "en":
            return {**quiet, **self._stretched(draw.choice(self.people.nods), draw)}
        if what < 0.45:
            return {**quiet, "wav": draw.choice(hums)}
        return {**quiet, **self.says(self.throat(draw, language), draw.choice(NODS[language]))}

    def throat(self, draw: random.Random, language: str = "en") -> Throat:
        """Somebody, at a pitch and speed of their own."""
        from echoless.voice import flite

        speed = draw.choice((0.85, 0.95, 1.05, 1.15))
        pitch = draw.choice((30, 42, 54, 66))
        name = f"espeak:{draw.choice(_ACCENTS[language])}+{draw.choice(TIMBRES)}"
        if language == "en" and draw.random() < 0.15 and flite.installed():
            name, pitch = f"flite:{draw.choice(_FLITE)}", 50
        return Throat(Drawn(name, speed, pitch), language)

    def says(self, who: Throat, text: str) -> Keys:
        """`text` in somebody's voice: `wav`, `text` and `language` of a talker. Raises VoiceError."""
        words = "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
        path = self.folder / f"{who.name}-{words[:40]}.wav"
        if not path.exists():
            _write(path, who.voice.says(text, who.language))
        return {"wav": path, "text": text, "language": who.language}

    def _stretched(self, recording: Recording, draw: random.Random) -> Keys:
        stretch = draw.choice(STRETCHES)
        path = self.folder / f"{recording.speaker}-{recording.path.stem}-{stretch:g}.wav"
        if not path.exists():
            _write(path, soxr.resample(read_wav(recording.path), RATE, RATE * stretch).astype(np.float32))
        return {"wav": path, "text": recording.text, "language": recording.language}


def _write(path: Path, sound: Samples) -> None:
    """At -26 dBFS, so that nothing clips; by way of another name, as other processes may look for it."""
    part = path.with_suffix(".part")
    soundfile.write(part, sound * np.float32(factor(-26.0 - active_level(sound))), RATE, subtype="PCM_16", format="WAV")
    part.rename(path)
