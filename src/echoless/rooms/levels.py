"""Levels of speech: ITU-T P.56 active speech level, a speech-shaped test signal, and reading WAVs at 16 kHz."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
import soxr
from scipy.signal import firwin2, lfilter, oaconvolve

from echoless.frames import RATE, Samples

USER_DBFS = -26.0
"""Active level of a talker at the microphone, before `gain_db`."""
AGENT_DBFS = -20.0
"""Active level of the speech that `echo_db` speaks of."""
MAX_WAV_SECONDS = 4 * 3600


def db(ratio: float) -> float:
    """A level ratio as a factor's decibels, floored at -200."""
    return float(20 * np.log10(max(ratio, 1e-10)))


def factor(level: float) -> float:
    """Decibels as an amplitude factor."""
    return float(10.0 ** (level / 20.0))


def active_level(x: Samples, rate: int = RATE) -> float:
    """Active speech level in dBFS (a full-scale square wave is 0) by method B of ITU-T P.56 (12/2011).

    `x` is float32 mono. Returns -inf where there is no activity.
    """
    margin, hangover, constant = 15.9, int(0.2 * rate), 0.03
    power = float(np.sum(np.square(x, dtype=np.float64)))
    if len(x) == 0 or power <= 1e-12:
        return -np.inf
    g = np.exp(-1.0 / (rate * constant))
    envelope = lfilter([1 - g], [1, -g], lfilter([1 - g], [1, -g], np.abs(x).astype(np.float64)))
    index = np.arange(len(x))
    last = None
    for threshold_db in np.arange(-90.0, 1.0, 6.0206):
        on = envelope >= 10 ** (threshold_db / 20)
        if not on.any():
            break
        latest = np.maximum.accumulate(np.where(on, index, -hangover - 1))
        active = int(np.count_nonzero(index - latest <= hangover))
        level = 10 * np.log10(power / active)
        above = level - threshold_db - margin
        if above <= 0:
            if last is None:
                return float(level)
            share = last[1] / (last[1] - above)
            return float(last[0] + share * (level - last[0]))
        last = (level, above)
    return float(last[0]) if last else -np.inf


def read_wav(path: Path, rate: int = RATE, begin: float = 0.0, end: float | None = None) -> Samples:
    """A sound file as float32 mono at `rate`. Raises ValueError, one line, for what is no usable sound."""
    try:
        with soundfile.SoundFile(str(path)) as file:
            if file.frames > MAX_WAV_SECONDS * file.samplerate:
                raise ValueError(f"{path}: longer than {MAX_WAV_SECONDS} s")
            first = min(int(begin * file.samplerate), file.frames)
            file.seek(first)
            count = -1 if end is None else max(0, int(end * file.samplerate) - first)
            x = file.read(count, dtype="float32", always_2d=True).mean(axis=1)
            own = file.samplerate
    except (soundfile.SoundFileError, OSError) as wrong:
        raise ValueError(f"{path}: no sound file that can be read ({wrong})") from None
    if not np.isfinite(x).all():
        raise ValueError(f"{path}: holds samples that are not numbers")
    return x if own == rate else soxr.resample(x, own, rate).astype(np.float32)


@lru_cache(maxsize=2)
def speech_like(seconds: float = 6.0, level: float = AGENT_DBFS) -> Samples:
    """Noise with the long-term spectrum (Byrne et al., JASA 1994) and the syllable rhythm of speech, at 16 kHz."""
    rng = np.random.default_rng(1994)
    n = int(seconds * RATE)
    hertz = [0, 63, 100, 160, 250, 500, 630, 1000, 1600, 2500, 4000, 6300, 8000]
    # third-octave levels of the paper made densities: 10 log10(bandwidth) taken off
    spectrum = [0, 38.6, 54.4, 57.7, 60.3, 62.1, 60.5, 53.7, 52.0, 48.1, 46.9, 43.9, 41.9]
    gains = [0.0] + [10 ** ((s - 10 * np.log10(0.23 * f)) / 20) for f, s in zip(hertz[1:], spectrum[1:], strict=True)]
    shaped = oaconvolve(rng.standard_normal(n + 1024), firwin2(1025, hertz, gains, fs=RATE), mode="valid")[:n]
    knots = rng.uniform(0.05, 1.0, int(seconds * 4) + 2)
    knots[rng.uniform(size=len(knots)) < 0.15] = 0.0
    x = (shaped * np.interp(np.arange(n) / RATE * 4, np.arange(len(knots)), knots)).astype(np.float32)
    x /= np.max(np.abs(x))
    return (x * factor(level - active_level(x))).astype(np.float32)
