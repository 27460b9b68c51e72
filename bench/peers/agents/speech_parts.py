"""The recogniser and the voice that every peer gets, the same as ours: Moonshine tiny-en on whole segments, and
espeak-ng's American English at 165 words a minute. Runs in the peers' own environments."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import wave
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[3] / "src"))  # of echoless, peers get nothing but the recogniser
from echoless.ears.recognisers import moonshine

RATE = 16_000


class Moonshine:
    """Speech to text, one segment at a time, from any thread."""

    def __init__(self) -> None:
        self._engine = moonshine.Moonshine()
        self._one_at_a_time = threading.Lock()
        self.words(bytes(2 * RATE), RATE)  # the first run is slower than all others

    def words(self, pcm: bytes, rate: int) -> str:
        """What is said in mono 16-bit samples, which come at 16 kHz."""
        if rate != RATE:
            raise ValueError(f"speech to recognise comes at {RATE} Hz, not {rate}")
        sound = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        with self._one_at_a_time:
            return self._engine.transcribe(sound).text


def say(text: str) -> tuple[bytes, int]:
    """Text to mono 16-bit samples, and their rate."""
    command = ["espeak-ng", "-v", "en-us", "-s", "165", "--stdout"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=20)
    # a WAV that goes into a pipe does not know its length: everything after the header is sound
    with wave.open(io.BytesIO(done.stdout[:44])) as header:
        rate = header.getframerate()
    sound = done.stdout[44:]
    return sound[: len(sound) // 2 * 2], rate
