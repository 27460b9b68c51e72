"""WAV files as streams: read and written a little at a time, at any rate, with no latency.

Files come from other people. Only RIFF/RF64 WAVs with ordinary samples are handed to libsndfile, lengths in headers
are never believed, nothing is read whole.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import soundfile
import soxr

from echoless.frames import Samples
from echoless.lines.door import LineError

RATES = range(8_000, 192_001)
_KINDS = {"PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"}
_LONGEST = 2**32 - 2**16
"""Bytes of sound that a WAV's 32-bit sizes can name."""


class WavReader:
    """A WAV as a stream of mono float32 in -1..1 at `rate`. Sample 0 stays sample 0. Raises LineError."""

    def __init__(self, path: Path, rate: int) -> None:
        self.path = path
        self._file = _opened(path)
        self.source_rate: int = self._file.samplerate
        self._chunk = max(1, self.source_rate // 10)
        self._convert = soxr.ResampleStream(self.source_rate, rate, 1) if rate != self.source_rate else None
        self._ready = np.zeros(0, np.float32)
        self._heard = False
        self.ended = False
        """True once the last sample has been given out."""
        self._dry = False

    def read(self, count: int) -> Samples:
        """The next `count` samples, float32; silence after the file's end."""
        while len(self._ready) < count and not self._dry:
            self._ready = np.concatenate((self._ready, self._more()))
        out, self._ready = self._ready[:count], self._ready[count:]
        self.ended = self._dry and not len(self._ready)
        return np.pad(out, (0, count - len(out)))

    def _more(self) -> Samples:
        try:
            frames = self._file.read(self._chunk, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, OSError) as e:
            raise LineError(f"{self.path} cannot be read on: {e}. Is the disk or the file damaged?") from e
        self._dry = not len(frames)
        if self._dry and not self._heard:
            raise LineError(f"{self.path} holds no sound: its data is empty or cut off.")
        self._heard = True
        # Float files may hold anything, also numbers that are none.
        mono = np.clip(np.nan_to_num(frames, nan=0.0, posinf=1.0, neginf=-1.0), -1, 1).mean(axis=1, dtype=np.float32)
        if self._convert is None:
            return mono
        return np.clip(self._convert.resample_chunk(mono, last=self._dry), -1, 1)

    def close(self) -> None:
        self._file.close()


def _opened(path: Path) -> soundfile.SoundFile:
    if not path.is_file():
        raise LineError(f"{path} is not a file: name a WAV that exists.")
    try:
        with path.open("rb") as raw:
            head = raw.read(12)
    except OSError as e:
        raise LineError(f"{path} cannot be read: {e.strerror}.") from e
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        raise LineError(f"{path} is not a WAV file: convert it first, for example `sox {path.name} fixed.wav`.")
    try:
        file = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, RuntimeError, OSError) as e:
        raise LineError(f"{path} is a broken WAV: {getattr(e, 'error_string', e)}") from e
    why = _unfit(file)
    if why:
        file.close()
        raise LineError(f"{path} {why}")
    return file


def _unfit(file: soundfile.SoundFile) -> str | None:
    if file.subtype not in _KINDS:
        return f"holds {file.subtype} samples: convert it to 16-bit PCM."
    if file.samplerate not in RATES:
        return f"has {file.samplerate} samples a second: convert it to 8000-192000."
    if not 1 <= file.channels <= 2:
        return f"has {file.channels} channels: convert it to mono or stereo."
    if file.frames <= 0:
        return "holds no sound: its data is empty or cut off."
    return None


class WavWriter:
    """16-bit mono WAV at `rate`, fed at `source_rate`. Valid at every moment, also when the process is killed."""

    def __init__(self, path: Path, rate: int, source_rate: int) -> None:
        self.path = path
        self._convert = soxr.ResampleStream(source_rate, rate, 1) if rate != source_rate else None
        self._rate = rate
        self._flush_at = max(1, rate // 4) * 2
        self._bytes = self._pending = 0
        try:
            self._raw = path.open("wb")
            self._raw.write(self._header())
            self._raw.flush()
        except OSError as e:
            raise LineError(f"{path} cannot be written: {e.strerror}.") from e

    def _header(self) -> bytes:
        """The 44 bytes of a canonical PCM WAV (Microsoft/IBM RIFF, 1991) for what was written so far."""
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, self._rate, 2 * self._rate, 2, 16)
        riff = struct.pack("<4sI4s", b"RIFF", 36 + self._bytes, b"WAVE")
        return riff + form + struct.pack("<4sI", b"data", self._bytes)

    def write(self, samples: Samples) -> None:
        """float32 mono at the source rate. Raises LineError when the disk or the format is full."""
        if self._convert is not None:
            samples = self._convert.resample_chunk(samples.astype(np.float32, copy=False))
        self._put(samples)
        if self._pending >= self._flush_at:
            self._settle()

    def _put(self, samples: Samples) -> None:
        whole = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2").tobytes()
        if self._bytes + len(whole) > _LONGEST:
            raise LineError(f"{self.path} is full: a WAV ends at 4 GiB.")
        try:
            self._raw.write(whole)
        except OSError as e:
            raise LineError(f"{self.path} cannot be written on: {e.strerror}.") from e
        self._bytes += len(whole)
        self._pending += len(whole)

    def _settle(self) -> None:
        """Let the header name what is there so far: sound first, then its length."""
        try:
            self._raw.flush()
            self._raw.seek(0)
            self._raw.write(self._header())
            self._raw.flush()
            self._raw.seek(0, 2)
        except OSError as e:
            raise LineError(f"{self.path} cannot be written on: {e.strerror}.") from e
        self._pending = 0

    def close(self) -> None:
        """Write what the converter still holds and close. Safe to call twice."""
        if self._raw.closed:
            return
        try:
            if self._convert is not None:
                self._put(self._convert.resample_chunk(np.zeros(0, np.float32), last=True))
            self._settle()
        finally:
            with suppress(OSError):  # said already
                self._raw.close()
