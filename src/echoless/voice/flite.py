"""The voices of the `flite` program, where it is installed: clearer than espeak-ng, slower to begin.

One run of the program a sentence, so nothing of it can hang or crash the call.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator

import numpy as np
import soundfile

from echoless.frames import Chunk, Samples
from echoless.voice.door import VoiceError, VoiceTraits
from echoless.voice.marks import spread_over

_VOICES = ("slt", "rms", "awb", "kal", "kal16")
_LONGEST = 1000  # characters a run
_TIMEOUT = 20.0  # seconds: flite takes about a fiftieth of the speech it makes
_GAIN = 0.54  # to about -20 dBFS of active speech, as every voice here
_CHUNK = 0.25  # seconds of sound in a chunk


def installed() -> bool:
    """Whether there is a flite to run."""
    return shutil.which("flite") is not None


class Flite:
    """A flite voice: slt (female) or rms, awb, kal, kal16 (male). English. `speed` 1 as it was recorded.

    Marks are spread over the sentence. Raises VoiceError where the program or the voice is missing.
    """

    def __init__(self, voice: str = "slt", speed: float = 1.0) -> None:
        program = shutil.which("flite")
        if program is None:
            raise VoiceError("flite is not installed; install it (Debian: apt install flite) or use the voice espeak")
        if voice not in _VOICES:
            raise VoiceError(f"flite has no voice {voice!r}; it has {', '.join(_VOICES)}")
        self._program, self._voice = program, voice
        self._stretch = 1 / min(3.0, max(0.3, speed))
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def traits(self) -> VoiceTraits:
        return VoiceTraits(f"flite:{self._voice}", 8_000 if self._voice == "kal" else 16_000, "en", "MIT-like (CMU)")

    def speak(self, text: str) -> Iterator[Chunk]:
        for begin in range(0, len(text), _LONGEST):
            yield from self._part(text[begin : begin + _LONGEST], begin)

    def abort(self) -> None:
        """End the run in progress, from any thread; its sentence just stops."""
        running = self._running
        if running is not None:
            with contextlib.suppress(OSError):
                running.kill()

    def close(self) -> None:
        self.abort()

    def _part(self, text: str, offset: int) -> Iterator[Chunk]:
        if not any(character.isalnum() for character in text):
            return
        samples, rate = self._run(text)
        marks = [(offset + character, sample) for character, sample in spread_over(text, samples)]
        step = int(_CHUNK * rate)
        for begin in range(0, len(samples), step):
            here = tuple((c, s - begin) for c, s in marks if begin <= s < begin + step)
            yield Chunk(samples[begin : begin + step], rate, here)

    def _run(self, text: str) -> tuple[Samples, int]:
        command = [self._program, "-voice", self._voice, "--setf", f"duration_stretch={self._stretch:.3f}"]
        said = " ".join(unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().split())
        out, err, status = self._finished([*command, "-t", said, "-o", "/dev/stdout"], text)
        try:
            samples, rate = soundfile.read(io.BytesIO(out), dtype="float32")
            return samples * np.float32(_GAIN), rate
        except soundfile.SoundFileError:
            why = err.decode(errors="replace").strip().splitlines()[-1:] or [f"code {status}"]
            raise VoiceError(f"flite made no sound of {text[:40]!r}: {why[0]}") from None

    def _finished(self, command: list[str], text: str) -> tuple[bytes, bytes, int]:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._running = process
        try:
            out, err = process.communicate(timeout=_TIMEOUT)
            return out, err, process.returncode
        except subprocess.TimeoutExpired:
            raise VoiceError(
                f"flite took longer than {_TIMEOUT:.0f} s for {text[:40]!r}; use the voice espeak"
            ) from None
        finally:
            self._running = None
            if process.poll() is None:
                process.kill()
                process.wait()
