"""The reference read at a moving, fractional delay: what takes bulk delay and clock drift out of the echo path.

Two sound cards never agree on 16 kHz; tens to hundreds of ppm are common, and a linear filter cannot follow them.
`DriftLoop` is a delay-locked loop: the phase between microphone and predicted echo says how far the path has
slid since the filter learnt it; a proportional-integral controller moves the reading point and its speed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from echoless.ears.canceller import BINS, FFT, Spectrum
from echoless.frames import BLOCK, RATE, Samples

_WING = 12
"""Samples of the interpolation kernel on either side."""
_LENGTH = 1 << 16
_FAR_OFF = 60e-6
MAX_DRIFT = 1e-3
"""The fastest drift that is followed: 1000 ppm."""


class Playback:
    """The last seconds of reference, readable at any delay of at least 0 samples, whole or fractional."""

    def __init__(self) -> None:
        self._samples = np.zeros(2 * _LENGTH, np.float32)
        self._end = _LENGTH

    def push(self, block: Samples) -> None:
        """Append a block."""
        if self._end + len(block) > len(self._samples):
            self._samples[:_LENGTH] = self._samples[self._end - _LENGTH : self._end]
            self._end = _LENGTH
        self._samples[self._end : self._end + len(block)] = block
        self._end += len(block)

    def read(self, delay: float, length: int = BLOCK, rate: float = 0.0) -> Samples:
        """The `length` samples that end now, as they were `delay` samples ago; the delay grows by `rate` a sample.

        Delays under 12 samples are rounded: there is no future to interpolate with.
        """
        if delay < _WING + 1 or (delay == int(delay) and not rate):
            begin = self._end - length - round(delay)
            return self._samples[begin : begin + length]
        whole = int(delay)
        begin = self._end - length - whole - _WING - 1
        piece = self._samples[begin : begin + length + 2 * _WING + 1]
        step = piece.itemsize
        taps = np.lib.stride_tricks.as_strided(piece, (length, 2 * _WING + 2), (step, step), writeable=False)
        early = delay - whole
        late = early + rate * length
        kernels = _kernel(np.array([early, late]))
        ends = taps @ kernels
        return ends[:, 0] + np.linspace(0, 1, length, endpoint=False, dtype=np.float32) * (ends[:, 1] - ends[:, 0])


_PLACES = (np.arange(2 * _WING + 2) - (_WING + 1.0))[:, None]


def _kernel(fractions: NDArray[np.float64]) -> NDArray[np.float32]:
    """Windowed sincs, one a column, that delay by `fractions` samples more than the centre."""
    at = _PLACES + fractions
    window = np.cos(np.minimum(np.abs(at) / (_WING + 1.5), 1) * (np.pi / 2)) ** 2
    return (np.sinc(at) * window).astype(np.float32)


class DriftLoop:
    """Follows how the echo slides against the filter's idea of it."""

    def __init__(self) -> None:
        frequency = np.arange(BINS) * (2 * np.pi / FFT)
        band = (frequency > 2 * np.pi * 200 / RATE) & (frequency < 2 * np.pi * 3_500 / RATE)
        self._frequency = np.where(band, frequency, 0).astype(np.float32)
        self._cross = np.zeros(BINS, np.complex64)
        self._power = np.zeros(BINS, np.float32)
        self.rate = 0.0
        """Samples a sample by which the delay grows: ppm * 1e-6."""
        self.slide = 0.0
        """The last measured slide in samples."""

    def hear(self, echo: Spectrum, residual: Spectrum) -> float:
        """Samples by which to move the reading point now. Both spectra are of one block, 512-point."""
        measured = echo * (echo + residual).conj()
        weight = 1 / (np.abs(residual) ** 2 + np.abs(echo) ** 2 + np.float32(1e-6))
        self._cross += np.float32(0.06) * (measured * weight - self._cross)
        square = self._frequency**2
        total = float((np.abs(self._cross.real) * square).sum())
        if total < 1e-3:
            return 0.0
        self.slide = float((self._cross.imag * self._frequency).sum()) / total
        trust = min(1.0, float(self._cross.real @ (self._frequency > 0)) / 40)
        if trust <= 0:
            return 0.0
        step = float(np.clip(self.slide, -2, 2)) * trust
        self.rate = float(np.clip(self.rate + 2e-6 * step, -MAX_DRIFT, MAX_DRIFT))
        return 0.02 * step

    def hint(self, rate: float | None) -> None:
        """Take the walk of the correlation's peak for the speed where the loop is far from it."""
        if rate is not None and abs(rate - self.rate) > _FAR_OFF and abs(rate) <= MAX_DRIFT:
            self.rate = rate

    def restart(self) -> None:
        """Forget the slide, keep the speed: the clocks stay the same after a jump."""
        self._cross[:] = 0
