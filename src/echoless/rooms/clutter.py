"""Sounds in a room that are nobody's speech: coughs, knocks, beeps, hiss, music. All made, nobody's recording."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import butter, lfilter

from echoless.frames import RATE, Samples
from echoless.rooms.levels import USER_DBFS, active_level, factor
from echoless.rooms.people import cough, music


def clutter(length: int, rng: np.random.Generator) -> Samples:
    """Coughs, knocks, beeps, sometimes music: sounds in the room that are no speech."""
    out, seconds = np.zeros(length, np.float32), length / RATE
    for _ in range(int(rng.integers(0, 4))):
        sound = _noisemakers[int(rng.integers(len(_noisemakers)))](rng)
        sound *= np.float32(factor(USER_DBFS + rng.uniform(-10, 8)) / (np.sqrt(np.mean(sound**2)) + 1e-9))
        first = int(rng.uniform(0.2, seconds - 2) * RATE)
        out[first : first + len(sound)] += sound[: length - first]
    if rng.random() < 0.08:
        tune = music(int(rng.integers(50)), seconds + 1)[:length]
        out += tune * np.float32(factor(USER_DBFS + rng.uniform(-18, 0) - active_level(tune)))
    return out


def _knocks(rng: np.random.Generator) -> Samples:
    out = np.zeros(int(0.8 * RATE))
    time = np.arange(int(0.05 * RATE)) / RATE
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(len(out) - len(time)))
        ring = np.sin(2 * np.pi * rng.uniform(150, 3000) * time) * np.exp(-time / rng.uniform(0.002, 0.012))
        out[at : at + len(time)] += ring + 0.3 * rng.standard_normal(len(time)) * np.exp(-time / 0.001)
    return out.astype(np.float32)


def _beep(rng: np.random.Generator) -> Samples:
    time = np.arange(int(rng.uniform(0.15, 1.2) * RATE)) / RATE
    ramp = np.minimum(1, np.minimum(time, time[::-1]) / 0.01)
    return (ramp * np.sin(2 * np.pi * rng.uniform(300, 2500) * time)).astype(np.float32)


def _hiss(rng: np.random.Generator) -> Samples:
    low = rng.uniform(200, 2000)
    band = butter(2, [low, low * rng.uniform(1.5, 3)], "bandpass", fs=RATE)
    noise = lfilter(*band, rng.standard_normal(int(rng.uniform(0.2, 1.5) * RATE)))
    return (noise * np.hanning(len(noise))).astype(np.float32)


_noisemakers: tuple[Callable[[np.random.Generator], Samples], ...] = (
    lambda rng: cough(int(rng.integers(10_000)) + 100).copy(),
    _knocks,
    _beep,
    _hiss,
)
