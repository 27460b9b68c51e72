"""Where in the last second of reference does the microphone's echo come from?

Generalised cross-correlation with phase transform (Knapp and Carter, 1976) of the last 256 ms of microphone with
1.28 s of reference, at 8 kHz, every other block: from -60 ms (a reference that arrives late) to 1 s. Where sound is
known to take long to the loudspeaker, it is an earlier second that is looked at.
"""

from __future__ import annotations

from collections import deque
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
_EDGE = 64
"""Samples at 8 kHz (8 ms) over which a look fades in and out: two cuts are alike, wherever they are."""
_EARLIEST = 8_192
"""Samples at 8 kHz by which the second that is looked at may be earlier (1 s)."""
_ELSEWHERE = 1_600
"""Samples at 8 kHz by which it must be another one to be looked at instead (0.2 s)."""
_TAPS = firwin(15, 3_800, fs=RATE).astype(np.float32)
_HALF = BLOCK // 2
_PER_LOOK = 2
_SILENT = 1e-4
"""A reference or a microphone that stays under this (three steps of 16 bits) holds nothing to compare: whitened, the
steps themselves would be a peak somewhere."""
_STILL = _RATE // 2
"""Samples at 8 kHz of silence in the reference after which a known delay does not jump any more."""
_CELL = 64
"""Samples at 8 kHz (8 ms) that are told to hold sound or none, together."""
_FAINT = 0.01
"""Part of the reference's highest sample under which a cell of it holds none."""
_LEAST_PART = 0.7
"""By what a peak is taken to be less at most: a soft echo must be found soon, too."""
_NEWEST, _LOUDER = 8, 4.0
"""Cells, and by how much they must be louder than the softest of the window, for an echo that has just come in."""
_FADE = np.float32(0.93)
"""Memory of the averaged correlation from look to look: about 0.45 s."""

_SUDDEN = 9.5
"""A peak this high in one look is an echo: other people's speech reaches it in 1-2 % of looks."""
_LASTING = 8.0
"""So is one this high in the averaged correlation."""
_CERTAIN, _GONE = 20.0, 0.25
"""A peak this high, with no more than that part of it left where the delay was, is an echo that has jumped."""
_WALKS = 7.0
"""Peaks from here on tell the drift."""
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
    drift: float | None = None
    """Samples a sample by which the peak has walked over the last seconds; None until that can be told."""


class _Decimator:
    """Looks' worth of 16 kHz samples in, histories at 8 kHz out; several signals at once."""

    def __init__(self, histories: Lags) -> None:
        """`histories`: float32 (signals, length), kept up to date in place."""
        self._histories = histories
        self._joined = np.zeros((len(histories), len(_TAPS) - 1 + _PER_LOOK * BLOCK), np.float32)

    def push(self, samples: Lags) -> None:
        """`samples`: float32 (signals, `_PER_LOOK` * 256)."""
        width, kept = _PER_LOOK * _HALF, len(_TAPS) - 1
        self._joined[:, :kept] = self._joined[:, -kept:]
        self._joined[:, kept:] = samples
        self._histories[:, :-width] = self._histories[:, width:]
        for history, joined in zip(self._histories, self._joined, strict=True):
            history[-width:] = np.correlate(joined, _TAPS)[::2]


def silent(signal: Samples) -> bool:
    """Whether there is nothing to hear or to compare in it."""
    return bool(max(signal.max(), -signal.min()) < _SILENT)


def _loudest(signal: Lags) -> Lags:
    """The highest sample of each cell, float32 (cells,)."""
    return np.abs(signal).reshape(-1, _CELL).max(axis=1)


def _rises(near: Lags) -> bool:
    """Whether something louder has just come into the microphone, float32 (window,)."""
    cells = _loudest(near)
    return bool(cells[-_NEWEST:].max() > _LOUDER * cells.min())


def _part(far: Lags) -> np.float32:
    """By what a peak is less than it seems: the root of the part of the lags at which the microphone's window is held
    against sound of the reference, float32 (span,). As a reply begins these are few, and the correlation, which is
    nothing elsewhere, stands out at one of them even if noise alone is heard."""
    cells, window = _loudest(far), _WINDOW // _CELL
    sounds = np.concatenate(([0], np.cumsum(cells > _FAINT * cells.max())))
    return np.float32(max(_LEAST_PART, np.sqrt(np.mean(sounds[window:] > sounds[:-window]))))


def _taper() -> Lags:
    """What a look's signals are multiplied with: float32 (3, span)."""
    rise = np.hanning(2 * _EDGE)[:_EDGE]
    shape = np.ones((3, _SPAN), np.float32)
    shape[:, -_EDGE:] = rise[::-1]
    shape[:2, -_WINDOW : _EDGE - _WINDOW] = shape[2, :_EDGE] = rise
    return shape


def _whitening_band() -> Lags:
    frequency = np.fft.rfftfreq(_SPAN, 1 / _RATE)
    rise = np.clip((frequency - 150) / 150, 0, 1)
    fall = np.clip((3_700 - frequency) / 300, 0, 1)
    return (rise * fall).astype(np.float32)


class DelayTracker:
    """Finds the echo's bulk delay and follows its jumps."""

    def __init__(self) -> None:
        self._signals = np.zeros((3, _SPAN), np.float32)
        """Microphone and residual, silent up to their newest samples, and reference: at 8 kHz."""
        self._near = _Decimator(self._signals[:2, -_WINDOW:])
        self._played = np.zeros((1, _EARLIEST + _SPAN), np.float32)
        self._far = _Decimator(self._played)
        self._base = 0
        self._fresh = np.zeros((3, _PER_LOOK * BLOCK), np.float32)
        self._band, self._taper = _whitening_band(), _taper()
        self._average = np.zeros(_LAGS, np.float32)
        self._lag: int | None = None
        self._fine = 0.0
        self._walk: deque[tuple[int, float]] = deque(maxlen=128)
        self._drift: float | None = None
        self._rival = 0
        self._rival_looks = 0
        self._count = 0
        self.look = Look(None, 0, 0.0, 0.0, 0.0)

    def hear(self, microphone: Samples, residual: Samples, reference: Samples) -> Look | None:
        """Take a block of each; a new look every other block, None in between."""
        at = self._count % _PER_LOOK * BLOCK
        for row, block in zip(self._fresh, (microphone, residual, reference), strict=True):
            row[at : at + BLOCK] = block
        self._count += 1
        if self._count % _PER_LOOK:
            return None
        self._near.push(self._fresh[:2])
        self._far.push(self._fresh[2:])
        self._signals[2] = self._played[0, _EARLIEST - self._base :][:_SPAN]
        self.look = self._take()
        return self.look

    def expect(self, least: int) -> None:
        """From now on look for delays of `least` samples at 16 kHz and up to a second more; what is tracked stays,
        where it can."""
        base = min(max(least // 2, 0), _EARLIEST)
        moved = base - self._base
        if abs(moved) < _ELSEWHERE:
            return
        self._base = base
        self._average[:] = 0
        self._walk.clear()
        self._rival_looks = 0
        if self._lag is not None:
            self._lag = self._lag - moved if 0 <= self._lag - moved < _LAGS else None
            self._fine -= moved

    def _take(self) -> Look:
        near, far = self._signals[0, -_WINDOW:], self._signals[2]
        if silent(near) or silent(far):
            return Look(self.delay, 0, 0.0, 0.0, 0.0, self._drift)
        spectra = rfft(self._signals * self._taper, axis=1)
        spectra *= 1 / (np.abs(spectra) + np.float32(1e-6))
        spectra[:2] *= spectra[2].conj() * self._band
        whole = irfft(spectra[:2], _SPAN, axis=1)
        lags = np.concatenate((whole[:, -LATE:], whole[:, : _LAGS - LATE]), axis=1)
        lags *= 1 / (np.sqrt(np.einsum("ij,ij->i", lags, lags) / _LAGS)[:, None] + np.float32(1e-9))
        part = np.float32(1) if _rises(near) else _part(far)
        self._average *= _FADE
        self._average += lags[0] * part
        size = np.abs(lags)
        moved = 0 if self._settled(far) else self._follow(size[0], part)
        tracked = self._around(size[0], self._lag) if self._lag is not None else 0.0
        self._pace(size[0], moved)
        return Look(self.delay, moved, float(size[0].max()), tracked, float(size[1].max()), self._drift)

    def _settled(self, far: Lags) -> bool:
        """Whether the delay is known and nothing was played lately that could tell of another."""
        if self._lag is None or not silent(far[-_STILL:]):
            return False
        self._rival_looks = 0
        return True

    @staticmethod
    def _around(size: Lags, lag: int, reach: int = 8) -> float:
        return float(size[max(0, lag - reach) : lag + reach + 1].max())

    def _follow(self, size: Lags, part: np.float32) -> int:
        """Move the tracked lag if the evidence says so, of which peaks are `part` of what they seem; the jump in
        samples at 16 kHz."""
        size, average = size * part, np.abs(self._average)
        average *= part / np.float32(np.sqrt(average @ average / _LAGS) + 1e-9)
        instant, lasting = int(size.argmax()), int(average.argmax())
        sudden = size[instant] > _SUDDEN
        candidate = instant if sudden else lasting
        if self._lag is not None:
            rises = size[candidate] > 2 * self._around(size, self._lag)
            # in a pause of the echo, peaks come up anywhere: what lasted is worth more than what is highest
            gone = size[candidate] > _CERTAIN and self._around(size, self._lag) < _GONE * size[candidate]
            rises = rises and (gone or average[candidate] > self._around(average, self._lag))
            stays = average[candidate] > 1.5 * self._around(average, self._lag)
            if abs(candidate - self._lag) <= _SETTLED or not (rises if sudden else stays):
                self._rival_looks = 0
                return 0
        if not sudden and average[lasting] < _LASTING:
            self._rival_looks = 0
            return 0
        same = abs(candidate - self._rival) <= 4
        self._rival_looks = self._rival_looks + 1 if same else 1
        self._rival = candidate
        late = candidate + self._base < LATE - _SETTLED
        if self._rival_looks < (6 if late else 3) * (1 if sudden else 3):
            return 0
        moved = 0 if self._lag is None else 2 * (candidate - self._lag)
        self._lag = candidate
        self._rival_looks = 0
        self._average[:] = 0
        return moved

    def _pace(self, size: Lags, moved: int) -> None:
        """Follow the peak as it walks, and measure how fast (Theil-Sen slope over the last four seconds)."""
        if self._lag is None:
            return
        if moved or not self._walk:
            self._walk.clear()
            self._fine = float(self._lag)
        at = round(self._fine)
        if not 4 < at < _LAGS - 4:
            return
        peak = at - 3 + int(size[at - 3 : at + 4].argmax())
        left, top, right = size[peak - 1 : peak + 2].tolist()
        if top < _WALKS or top < left or top < right:
            return
        lag = peak + 0.5 * (left - right) / (left - 2 * top + right - 1e-9)
        self._fine += 0.2 * (lag - self._fine)
        self._lag = round(self._fine)
        self._walk.append((self._count * BLOCK, 2 * lag))
        if len(self._walk) % 8 == 0 and len(self._walk) >= 24:
            time, place = np.array(self._walk).T
            if time[-1] - time[0] > 1.2 * RATE:
                first, second = np.triu_indices(len(time), len(time) // 4)
                self._drift = float(np.median((place[second] - place[first]) / (time[second] - time[first])))

    @property
    def delay(self) -> int | None:
        """Samples at 16 kHz from reference to microphone, None while unknown."""
        return None if self._lag is None else 2 * (self._lag + self._base - LATE)
