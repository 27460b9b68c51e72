"""Reads sound files for the workshop: any WAV that a line would take, whole, bounded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from echoless.ears.voiceprint import VoiceprintError
from echoless.frames import RATE, Samples
from echoless.lines.door import LineError
from echoless.lines.wav import WavReader

LONGEST = 600
"""Seconds of a file that are read."""


def read(path: Path, rate: int = RATE) -> Samples:
    """The file as float32 mono at `rate`, at most `LONGEST` seconds of it. Raises VoiceprintError."""
    try:
        reader = WavReader(path, rate)
        parts = []
        try:
            for _ in range(LONGEST):
                if reader.ended:
                    break
                parts.append(reader.read(rate))
        finally:
            reader.close()
    except LineError as error:
        raise VoiceprintError(str(error)) from None
    length = soundfile.info(path).duration  # the reader fills its last second up with silence
    return np.concatenate(parts)[: round(length * rate)]
