"""What a recording is like: loudness, clipping, noise, silence, reverberation. Measured on the sound alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from echoless.ears.vad import CHUNK, VoiceActivity
from echoless.frames import RATE, Samples

FRAME = RATE // 100


@dataclass(frozen=True, slots=True)
class Quality:
    """Seconds, dBFS (of the voiced parts), dB, and the share of samples at full scale."""

    seconds: float
    speech: float
    level: float
    peak: float
    clipped: float
    snr: float
    before: float
    after: float
    decay: float
    """Seconds for 60 dB, from how fast the voice dies away in its pauses; nan where none was long enough."""

    def faults(self) -> list[str]:
        """What is wrong with the recording, in words; nothing for a good one."""
        if self.speech < 0.3:
            return ["nobody speaks: silent, or the microphone is off"]
        found = []
        if self.clipped > 1e-4:
            found.append("clipped: lower the microphone's level or step back")
        if self.level < -38:
            found.append(f"too soft ({self.level:.0f} dBFS): raise the microphone's level or come closer")
        if self.snr < 20:
            found.append(f"noisy ({self.snr:.0f} dB over the noise): find a quieter place")
        if self.decay > 0.5:
            found.append(f"reverberant (dies away in {self.decay:.1f} s): a room with carpet and curtains is better")
        if self.before > 1.5 or self.after > 1.5:
            found.append("more than 1.5 s of silence at an end")
        if self.before < 0.02 and self.after < 0.02:
            found.append("speech runs into both ends: something may be cut off")
        return found


def measure(sound: Samples, rate: int = RATE) -> Quality:
    """Measure `sound`, float32 mono."""
    peak = float(np.abs(sound).max(initial=0.0))
    full = np.abs(sound) >= 0.985 * max(peak, 0.5)
    runs = full[1:] & full[:-1] & (np.abs(np.diff(sound)) < 1e-3)
    heard = sound if rate == RATE else soxr.resample(sound, rate, RATE).astype(np.float32)
    voiced = _voiced(heard)
    levels = _levels(heard)
    frames = np.repeat(voiced, CHUNK // FRAME + 1)[: len(levels)]
    frames = np.pad(frames, (0, len(levels) - len(frames)))
    if not frames.any():
        return Quality(len(heard) / RATE, 0.0, -120.0, _db(peak), float(runs.mean()), 0.0, 0, 0, float("nan"))
    loud = levels[frames]
    level = float(10 * np.log10(np.mean(10 ** (loud / 10))))
    noise = float(np.percentile(levels, 5))
    where = np.flatnonzero(voiced) * CHUNK / RATE
    return Quality(
        seconds=len(heard) / RATE,
        speech=float(voiced.sum() * CHUNK / RATE),
        level=level,
        peak=_db(peak),
        clipped=float(runs.mean()) if peak > 0.5 else 0.0,
        snr=level - noise,
        before=float(where[0]),
        after=float(len(heard) / RATE - where[-1] - CHUNK / RATE),
        decay=_decay(levels, noise),
    )


def _voiced(sound: Samples) -> NDArray[np.bool_]:
    hears = VoiceActivity()
    chunks = sound[: len(sound) // CHUNK * CHUNK].reshape(-1, CHUNK)
    return np.array([hears(chunk) > 0.5 for chunk in chunks], bool)


def _levels(sound: Samples) -> NDArray[np.float64]:
    frames = sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    return 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)


def _decay(levels: NDArray[np.float64], noise: float) -> float:
    """The fastest quarter of all falls of 15 dB and more that stay over the noise (after Ratnam et al., JASA 2003)."""
    smooth = np.convolve(levels, np.ones(3) / 3, "same")
    slopes = []
    begin = 0
    for at in range(1, len(smooth) + 1):
        if at < len(smooth) and smooth[at] < smooth[at - 1] and smooth[at] > noise + 6:
            continue
        fall = smooth[begin] - smooth[at - 1]
        if fall >= 15 and at - 1 - begin >= 4:
            slopes.append(fall / ((at - 1 - begin) * 0.01))
        begin = at
    return 60 / float(np.percentile(slopes, 75)) if slopes else float("nan")


def _db(value: float) -> float:
    return float(20 * np.log10(max(value, 1e-6)))
