"""Questions from recorded people as one microphone file, some with a hesitation inside, some cutting in."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from echoless.frames import RATE, Samples
from echoless.rooms.people import People

ANSWER = 10.0
"""Seconds left for an answer."""
NOISE = 10 ** (-65 / 20)


@dataclass(frozen=True, slots=True)
class Said:
    """One thing said, in seconds of the file: its first and last audible sample, and the pauses put into it."""

    begin: float
    end: float
    pauses: tuple[tuple[float, float], ...]
    cuts_in: bool


def trimmed(path: Path) -> Samples:
    """A recording at 16 kHz, cut to its speech, its loud parts at -20 dBFS."""
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = resample_poly(sound.mean(axis=1), RATE, rate).astype(np.float32) if rate != RATE else sound.mean(axis=1)
    level = _levels(mono)
    loud = np.flatnonzero(level > np.percentile(level, 95) - 30)
    mono = mono[loud[0] * 160 : (loud[-1] + 1) * 160]
    return (mono * 10 ** ((-20 - np.percentile(_levels(mono), 90)) / 20)).astype(np.float32)


def _levels(sound: Samples) -> np.ndarray:
    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    return 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)


def hesitate(sound: Samples, rng: random.Random) -> tuple[Samples, list[tuple[int, int]]]:
    """Put a pause of 0.2-2 s at the quietest 30 ms in the middle of an utterance; where it lies, in samples."""
    level = np.convolve(_levels(sound), np.ones(3) / 3, "same")
    first, last = len(level) // 4, len(level) * 3 // 4
    at = (first + int(np.argmin(level[first:last]))) * 160
    length = round(rng.uniform(0.2, 2.0) * RATE)
    fade = np.linspace(1, 0, 80, dtype=np.float32)
    before, after = sound[:at].copy(), sound[at:].copy()
    before[-80:] *= fade
    after[:80] *= fade[::-1]
    return np.concatenate([before, np.zeros(length, np.float32), after]), [(at, at + length)]


def compose(turns: int, seed: int, path: Path) -> list[Said]:
    """Write the microphone file; what is said in it when. Raises ScriptError where there are no recordings."""
    rng = random.Random(seed)
    people = [r for r in People().questions if r.language == "en" and r.folder != "picovoice_barista"]
    pieces, said, at = [np.zeros(RATE, np.float32)], [], RATE
    for number in range(turns):
        sound = trimmed(rng.choice(people).path)
        pauses: list[tuple[int, int]] = []
        if number % 2:
            sound, pauses = hesitate(sound, rng)
        cuts_in = number % 3 == 2
        spans = tuple(((at + a) / RATE, (at + b) / RATE) for a, b in pauses)
        said.append(Said(at / RATE, (at + len(sound)) / RATE, spans, cuts_in))
        wait = rng.uniform(2.0, 3.5) if (number + 1) % 3 == 2 else ANSWER
        gap = np.zeros(round(wait * RATE), np.float32)
        pieces += [sound, gap]
        at += len(sound) + len(gap)
    whole = np.concatenate(pieces)
    whole += np.random.default_rng(seed).normal(0, NOISE, len(whole)).astype(np.float32)
    soundfile.write(path, whole, RATE, "PCM_16")
    return said
