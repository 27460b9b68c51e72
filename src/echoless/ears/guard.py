"""Is it me? The echo guard: every 16 ms, what is left without the echo, and whether somebody else speaks in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.fft import rfft

from echoless.ears.canceller import FFT, PARTITIONS, Canceller
from echoless.ears.delay import DelayTracker
from echoless.ears.drift import DriftLoop, Playback
from echoless.ears.vad import VoiceActivity
from echoless.frames import BLOCK, RATE, Samples

Mode = Literal["full", "guarded", "half"]

_LEAD = 48
"""Samples of echo path kept before the tracked delay (3 ms)."""
_TAIL = int(0.3 * RATE)


@dataclass(frozen=True, slots=True)
class Heard:
    """One block after the guard."""

    clean: Samples
    voice: float
    near: float
    echo: bool
    mode: Mode
    evidence: dict[str, float]


class EchoGuard:
    """Echo canceller, delay and drift trackers and the judge of near-end speech."""

    def __init__(self, cancels_echo: bool = False) -> None:
        self.cancels_echo = cancels_echo
        self.canceller = Canceller()
        self.tracker = DelayTracker()
        self.drift = DriftLoop()
        self.playback = Playback()
        self.voice_activity = VoiceActivity()
        self.offset = 0.0
        self.hold = 0
        self._held: list[Samples] = []
        self._voice = 0.0
        self._pending: Samples | None = None
        self._quiet = 10**9
        self._far = np.zeros(BLOCK, np.float32)
        self._ratios: list[float] = []
        self._residual = np.zeros(BLOCK, np.float32)
        self._located = False

    def hear(self, microphone: Samples, reference: Samples) -> Heard:
        """Take one block of each, float32 (256,) at 16 kHz."""
        self.playback.push(reference)
        self._held.append(microphone)
        held = self._held.pop(0) if len(self._held) > self.hold else np.zeros(BLOCK, np.float32)
        look = self.tracker.hear(microphone, self._residual, reference)
        if look is not None:
            self._relocate(look.delay, look.moved)
        aligned = self.playback.read(self.offset, FFT, self.drift.rate)
        residual, echo = self.canceller.hear(held, aligned)
        self._residual = residual
        if self._located:
            self._slide(echo)
        voice = self._hear_voice(residual)
        near, ratio = self._judge(held, residual, echo, voice)
        self._quiet = 0 if np.abs(reference).max() > 1e-4 else self._quiet + BLOCK
        reach = self.offset + _TAIL + BLOCK if self._located else RATE
        evidence = {
            "ratio_db": ratio,
            "drift_ppm": self.drift.rate * 1e6,
            "delay_ms": (self.offset + _LEAD) / 16 - 16 * self.hold if self._located else -1.0,
            "peak": self.tracker.look.peak,
            "tracked": self.tracker.look.tracked,
            "residual_peak": self.tracker.look.residual,
            "slide": self.drift.slide,
        }
        return Heard(residual, voice, near, self._quiet < reach, "full", evidence)

    def _relocate(self, delay: int | None, moved: int) -> None:
        if delay is None or (self._located and not moved):
            return
        target = self.offset + moved if self._located else delay - _LEAD + self.hold * BLOCK
        while target < -_LEAD:
            self.hold += 1
            target += BLOCK
        self.offset = max(0.0, target)
        self._located = True
        self.drift.restart()
        if not moved:
            self.canceller.forget_path()
        self.canceller.align(self.playback.read(self.offset, BLOCK * (PARTITIONS + 1)))

    def _slide(self, echo: Samples) -> None:
        predicted = rfft(np.concatenate((np.zeros(BLOCK, np.float32), echo)))
        move = self.drift.hear(predicted, self.canceller.error_spectrum)
        self.offset = max(0.0, self.offset + move + self.drift.rate * BLOCK)

    def _hear_voice(self, residual: Samples) -> float:
        if self._pending is None:
            self._pending = residual
        else:
            self._voice = self.voice_activity(np.concatenate((self._pending, residual)))
            self._pending = None
        return self._voice

    def _judge(self, microphone: Samples, residual: Samples, echo: Samples, voice: float) -> tuple[float, float]:
        """A first gate: the residual must stand 4 dB over what echo alone usually leaves of itself."""
        left, gone = float(residual @ residual) + 1e-7, float(echo @ echo) + 1e-7
        ratio = 10 * np.log10(left / gone)
        if self._quiet > RATE or gone < 1e-5:
            return voice, ratio
        self._ratios = [*self._ratios[-499:], ratio]
        bar = float(np.percentile(self._ratios, 75)) + 4
        return (voice if ratio > bar else 0.3 * voice), ratio
