"""Where in the last second of reference does the microphone's echo come from?

Generalised cross-correlation with phase transform (Knapp and Carter, 1976) of the last 256 ms of microphone with
the last 1.28 s of reference, at 8 kHz, every other block: from -60 ms (a reference that arrives late) to 1 s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.signal import firwin

from echoless.frames import BLOCK, RATE, Samples

_RATE = RATE // 2
_SPAN = 10_240
"""Samples of reference in one look (1.28 s at 8 kHz); the transform's length."""
_WINDOW = 2_048
"""Samples of microphone in one look (256 ms)."""
LATE = 480
"""Samples at 8 kHz by which a reference may be late (60 ms)."""
_LAGS = 8_192 + LATE
_TAPS = firwin(15, 3_800, fs=RATE).astype(np.float32)
_HALF = BLOCK // 2
_PER_LOOK = 2
_FADE = np.float32(0.93)
"""Memory of the averaged correlation from look to look: about 0.45 s."""

_SUDDEN = 9.5
"""A peak this high in one look is an echo: other people's speech reaches it in 1-2 % of looks."""
_LASTING = 8.0
"""So is one this high in the averaged correlation."""
_SETTLED = 24
"""Samples at 8 kHz (3 ms) that the canceller takes up by itself."""

Lags = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the delay. Peaks are in standard deviations of the correlation over all lags."""

    delay: int | None
    """Samples at 16 kHz, negative where the reference is late; None while unknown."""
    moved: int
    """Samples at 16 kHz that the delay just jumped."""
    peak: float
    """The microphone's highest peak now, wherever it is."""
    tracked: float
    """The microphone's peak near the tracked delay."""
    residual: float
    """The residual's highest peak now."""


class _Decimator:
    """16 kHz blocks in, a history at 8 kHz out."""

    def __init__(self, length: int) -> None:
        self.history = np.zeros(length, np.float32)
        self._tail = np.zeros(len(_TAPS) - 1, np.float32)

    def push(self, block: Samples) -> None:
        joined = np.concatenate((self._tail, block))
        self._tail = joined[-(len(_TAPS) - 1) :]
        self.history[:-_HALF] = self.history[_HALF:]
        self.history[-_HALF:] = np.lib.stride_tricks.sliding_window_view(joined, len(_TAPS))[::2] @ _TAPS


def _whitening_band() -> Lags:
    frequency = np.fft.rfftfreq(_SPAN, 1 / _RATE)
    rise = np.clip((frequency - 150) / 150, 0, 1)
    fall = np.clip((3_700 - frequency) / 300, 0, 1)
    return (rise * fall).astype(np.float32)


class DelayTracker:
    """Finds the echo's bulk delay and follows its jumps."""

    def __init__(self) -> None:
        self._microphone = _Decimator(_WINDOW)
        self._residual = _Decimator(_WINDOW)
        self._reference = _Decimator(_SPAN)
        self._band = _whitening_band()
        self._average = np.zeros(_LAGS, np.float32)
        self._lag: int | None = None
        self._rival = 0
        self._rival_looks = 0
        self._count = 0
        self.look = Look(None, 0, 0.0, 0.0, 0.0)

    def hear(self, microphone: Samples, residual: Samples, reference: Samples) -> Look | None:
        """Take a block of each; a new look every other block, None in between."""
        self._microphone.push(microphone)
        self._residual.push(residual)
        self._reference.push(reference)
        self._count += 1
        if self._count % _PER_LOOK:
            return None
        self.look = self._take()
        return self.look

    def _take(self) -> Look:
        if np.abs(self._reference.history).max() < 1e-4:
            return Look(self.delay, 0, 0.0, 0.0, 0.0)
        far = rfft(self._reference.history)
        far = self._band * far.conj() / (np.abs(far) + 1e-6)
        now = self._correlate(self._microphone.history, far)
        left = self._correlate(self._residual.history, far)
        self._average *= _FADE
        self._average += now
        size = np.abs(now)
        moved = self._follow(size)
        tracked = float(self._near(size, self._lag)) if self._lag is not None else 0.0
        return Look(self.delay, moved, float(size.max()), tracked, float(np.abs(left).max()))

    def _correlate(self, near: Samples, far: NDArray[np.complex64]) -> Lags:
        """The correlation over lags -LATE.._LAGS-LATE in its own standard deviations."""
        spectrum = rfft(np.concatenate((np.zeros(_SPAN - _WINDOW, np.float32), near)))
        spectrum /= np.abs(spectrum) + 1e-6
        correlation = irfft(spectrum * far, _SPAN)
        lags = np.concatenate((correlation[-LATE:], correlation[: _LAGS - LATE]))
        return lags / (lags.std() + 1e-9)

    @staticmethod
    def _near(size: Lags, lag: int, reach: int = 8) -> float:
        return float(size[max(0, lag - reach) : lag + reach + 1].max())

    def _follow(self, size: Lags) -> int:
        """Move the tracked lag if the evidence says so; the jump in samples at 16 kHz."""
        average = np.abs(self._average)
        average /= np.sqrt(np.mean(average**2)) + 1e-9
        instant, lasting = int(size.argmax()), int(average.argmax())
        sudden = size[instant] > _SUDDEN
        candidate = instant if sudden else lasting
        if self._lag is not None:
            rises = size[candidate] > 2 * self._near(size, self._lag)
            stays = average[candidate] > 1.5 * self._near(average, self._lag)
            if abs(candidate - self._lag) <= _SETTLED or not (rises if sudden else stays):
                self._rival_looks = 0
                return 0
        if not sudden and average[lasting] < _LASTING:
            self._rival_looks = 0
            return 0
        same = abs(candidate - self._rival) <= 4
        self._rival_looks = self._rival_looks + 1 if same else 1
        self._rival = candidate
        late = candidate < LATE - _SETTLED
        if self._rival_looks < (6 if late else 3) * (1 if sudden else 3):
            return 0
        moved = 0 if self._lag is None else 2 * (candidate - self._lag)
        self._lag = candidate
        self._rival_looks = 0
        self._average[:] = 0
        return moved

    @property
    def delay(self) -> int | None:
        """Samples at 16 kHz from reference to microphone, None while unknown."""
        return None if self._lag is None else 2 * (self._lag - LATE)
