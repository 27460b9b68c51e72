"""Sounds for the echo tests, made here: syllabic noise, espeak's voices, a small synthetic room."""

from functools import cache

import numpy as np
import soxr
from numpy.typing import NDArray

from echoless.frames import BLOCK, RATE
from echoless.voice.espeak import Espeak

Sound = NDArray[np.float32]


def speechlike(seconds: float, seed: int = 0) -> Sound:
    """Coloured noise in syllables."""
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE) // BLOCK * BLOCK
    noise = np.convolve(rng.standard_normal(count), [1, 0.9, 0.6, 0.2], "same")
    syllables = np.repeat(rng.uniform(0.05, 1, count // 2_000 + 1), 2_000)[:count]
    return (0.1 * noise * syllables).astype(np.float32)


@cache
def _say(voice: str) -> Sound:
    speaker = Espeak(voice)
    text = "The train leaves at nine, so we should pack tonight and be at the station early in the morning."
    sound = np.concatenate([soxr.resample(chunk.samples, chunk.rate, RATE) for chunk in speaker.speak(text)])
    speaker.close()
    return sound / np.float32(10 * np.sqrt(np.mean(sound**2)))


def spoken(voice: str, seconds: float, begin: float = 0.5) -> Sound:
    """`voice` at -20 dBFS from second `begin` on, again and again."""
    out = np.zeros(int(seconds * RATE) // BLOCK * BLOCK, np.float32)
    first = int(begin * RATE)
    out[first:] = np.resize(_say(voice), len(out) - first)
    return out


def delayed(x: Sound, samples: int) -> Sound:
    return np.concatenate((np.zeros(samples, np.float32), x))[: len(x)]


def room(seed: int = 3, gain: float = 0.5, seconds: float = 0.12) -> Sound:
    """An impulse response: direct sound and a decaying tail."""
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE)
    tail = rng.standard_normal(count) * np.exp(-np.arange(count) / (0.02 * RATE)) * 0.15
    tail[0] = 1
    return (gain * tail).astype(np.float32)


def echo_of(reference: Sound, milliseconds: int = 100) -> Sound:
    return delayed(np.convolve(reference, room())[: len(reference)].astype(np.float32), milliseconds * 16)


def noise(count: int) -> Sound:
    return (1e-4 * np.random.default_rng(9).standard_normal(count)).astype(np.float32)
