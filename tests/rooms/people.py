"""Made-up speech and small fake agents for the tests of the rooms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

from echoless.frames import RATE
from echoless.rooms.levels import active_level, factor, speech_like
from echoless.rooms.script import Script, load


def words(seconds: float, seed: int, level: float = -26.0) -> np.ndarray:
    """Something with the rhythm of speech and no pause: the same seed says the same thing."""
    rng = np.random.default_rng(seed)
    carrier = np.roll(speech_like(20.0), int(rng.integers(300_000)))[: int(seconds * RATE)]
    t = np.arange(len(carrier)) / RATE
    carrier = np.sign(carrier) * np.abs(carrier) ** 0.5  # no syllable far below the others
    x = (carrier * (0.65 + 0.35 * np.sin(2 * np.pi * 4 * t + rng.uniform(0, 6)))).astype(np.float32)
    return (x * factor(level - active_level(x))).astype(np.float32)


def write(folder: Path, **sounds: np.ndarray) -> None:
    for name, sound in sounds.items():
        soundfile.write(folder / f"{name}.wav", sound, RATE, subtype="PCM_16")


def script(folder: Path, **keys: object) -> Script:
    """A script in `folder`, loaded the way a user's is."""
    path = folder / "script.json"
    path.write_text(json.dumps(keys))
    return load(path)
