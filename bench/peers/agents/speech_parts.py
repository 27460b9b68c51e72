"""The recogniser and the voice that every peer gets, the same as ours: Moonshine tiny-en on whole segments, and
espeak-ng's American English at 165 words a minute. Runs in the peers' own environments."""

from __future__ import annotations

import io
import os
import subprocess
import threading
import wave

import numpy as np

RATE = 16_000


class Moonshine:
    """Speech to text, one segment at a time, from any thread."""

    def __init__(self) -> None:
        from moonshine_voice.moonshine_api import ModelArch
        from moonshine_voice.transcriber import Transcriber
        from moonshine_voice.utils import get_model_path

        folder = str(get_model_path("tiny-en"))  # in the wheel: nothing is fetched
        os.environ.setdefault("MOONSHINE_ORT_SINGLE_THREAD", "1")  # as we run it
        self._engine = Transcriber(folder, ModelArch.TINY, options={"return_audio_data": "false"})
        self._one_at_a_time = threading.Lock()
        self.words(bytes(2 * RATE), RATE)  # the first run is slower than all others

    def words(self, pcm: bytes, rate: int) -> str:
        """What is said in mono 16-bit samples."""
        sound = np.frombuffer(pcm, "<i2") / 32768.0
        with self._one_at_a_time:
            lines = self._engine.transcribe_without_streaming(sound.tolist(), rate).lines
        return " ".join(line.text.strip() for line in lines).strip()


def say(text: str) -> tuple[bytes, int]:
    """Text to mono 16-bit samples, and their rate."""
    command = ["espeak-ng", "-v", "en-us", "-s", "165", "--stdout"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=20)
    # a WAV that goes into a pipe does not know its length: everything after the header is sound
    with wave.open(io.BytesIO(done.stdout[:44])) as header:
        rate = header.getframerate()
    sound = done.stdout[44:]
    return sound[: len(sound) // 2 * 2], rate
