"""Reads a call record back. Records come from anywhere: nothing in them is believed before it was checked."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from echoless.frames import Event, Samples

TRACKS = ("mic", "speaker", "clean")
LARGEST_CALL = 4 << 20
LARGEST_EVENTS = 64 << 20
LONGEST = 6 * 3600
"""Seconds of a record that are read."""
HOP = 0.01
"""Seconds between two levels of `Recalled.levels`."""


class RecordError(Exception):
    """A folder is not a call record, or a broken one. One line that says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """A call that was. `call` is call.json; `seconds` the longest of tracks and events."""

    folder: Path
    call: dict[str, Any]
    events: tuple[Event, ...]
    rate: int
    seconds: float
    tracks: tuple[str, ...]

    def of(self, *names: str) -> Iterator[Event]:
        """The events of these names, in their order."""
        return (event for event in self.events if event.event in names)

    def samples(self, track: str, begin: float, end: float) -> Samples:
        """A stretch of a track in float32; empty beyond its end. Raises RecordError."""
        try:
            with soundfile.SoundFile(self.folder / f"{track}.wav") as file:
                first = min(round(begin * self.rate), file.frames)
                file.seek(first)
                return file.read(max(0, min(round(end * self.rate), file.frames) - first), "float32")
        except (OSError, RuntimeError) as error:
            raise RecordError(f"{self.folder / track}.wav cannot be read: {error}") from None

    def levels(self, track: str) -> NDArray[np.float32]:
        """Level of each 10 ms of a track, dBFS, at least -100. Raises RecordError."""
        hop = max(1, round(HOP * self.rate))
        parts = []
        for begin in range(0, math.ceil(self.seconds), 60):
            part = self.samples(track, begin, begin + 60)
            part = np.pad(part, (0, -len(part) % hop)).reshape(-1, hop)
            parts.append(10 * np.log10(np.maximum(np.mean(part * part, axis=1), 1e-10)))
        return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)


def recall(folder: Path) -> Recalled:
    """The record in `folder`. A track may be missing, and the last event cut short. Raises RecordError."""
    if not folder.is_dir():
        raise RecordError(f"{folder} is not a folder; a call record is one (echoless talk --record DIR)")
    call = _call(folder / "call.json")
    events = tuple(_events(folder / "events.jsonl"))
    rates, lengths, tracks = set(), [0.0], []
    for name in TRACKS:
        path = folder / f"{name}.wav"
        if path.is_file():
            rate, seconds = _track(path)
            rates.add(rate)
            lengths.append(seconds)
            tracks.append(name)
    if not events and not tracks:
        raise RecordError(f"{folder} holds no call: neither events.jsonl nor mic.wav")
    if len(rates) > 1:
        raise RecordError(f"{folder}: its WAVs have different rates: {', '.join(map(str, sorted(rates)))}")
    seconds = max(max(lengths), events[-1].t if events else 0.0)
    return Recalled(folder, call, events, rates.pop() if rates else 16_000, seconds, tuple(tracks))


def _call(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(_read(path, LARGEST_CALL))
    except (ValueError, RecursionError):
        raise RecordError(f"{path} is not JSON") from None
    if not isinstance(value, dict):
        raise RecordError(f"{path} is not an object")
    return value


def _events(path: Path) -> Iterator[Event]:
    if not path.is_file():
        return
    lines = _read(path, LARGEST_EVENTS).split("\n")
    before = 0.0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            t, name = float(value.pop("t")), value.pop("event")
            if not (math.isfinite(t) and 0 <= t <= LONGEST) or not isinstance(name, str):
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            if number == len(lines):  # a killed call may leave half a line
                return
            raise RecordError(f"{path}, line {number} is not an event of a call record") from None
        before = max(before, t)
        yield Event(before, name, value)


def _track(path: Path) -> tuple[int, float]:
    try:
        about = soundfile.info(path)
    except (OSError, RuntimeError) as error:
        raise RecordError(f"{path} is not a WAV file: {error}") from None
    if about.channels != 1 or not 4000 <= about.samplerate <= 192_000:
        raise RecordError(f"{path} has {about.channels} channels at {about.samplerate} Hz; a record is mono")
    if about.frames / about.samplerate > LONGEST:
        raise RecordError(f"{path} is longer than {LONGEST // 3600} hours")
    return about.samplerate, about.frames / about.samplerate


def _read(path: Path, largest: int) -> str:
    try:
        if path.stat().st_size > largest:
            raise RecordError(f"{path} is larger than {largest >> 20} MB: no call record's")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise RecordError(f"{path} is not a text file (UTF-8)") from None
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from None
