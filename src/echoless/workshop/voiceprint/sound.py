"""Reads sound files for the workshop: any WAV that a line would take, whole, bounded."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import soundfile

from echoless.ears.voiceprint import VoiceprintError
from echoless.frames import RATE, Samples
from echoless.lines.door import LineError
from echoless.lines.wav import WavReader

LONGEST = 600
"""Seconds of a file that are read."""
_UNKNOWN = 0x7FFF0000
"""Lengths from here on are what a program writes that did not know yet how long its file would be."""


def read(path: Path, rate: int = RATE) -> Samples:
    """The file as float32 mono at `rate`, at most `LONGEST` seconds of it.

    Raises VoiceprintError, for a file that was cut off as well: half a sentence is not its text.
    """
    try:
        reader = WavReader(path, rate)
        parts = []
        try:
            whole(path)
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


def whole(path: Path) -> None:
    """Raises VoiceprintError where a WAV's header promises more sound than the file holds, or there is no file."""
    try:
        if share := _missing(path):
            raise VoiceprintError(f"{path} is cut off: {share:.0%} of its sound is missing; copy it again")
    except OSError as error:
        raise VoiceprintError(f"{path} cannot be read: {error.strerror}") from None


def _missing(path: Path) -> float:
    """The share of the sound that the header promises and the file does not hold; a sample or so is forgiven."""
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 12
        while at + 8 <= size:
            file.seek(at)
            name, length = struct.unpack("<4sI", file.read(8))
            if name == b"data":
                there = size - at - 8
                return 1 - there / length if 64 + there < length < _UNKNOWN else 0.0
            at += 8 + length + length % 2
    return 0.0
