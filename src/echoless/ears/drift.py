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
        width = self._samples.itemsize
        if not self._samples[begin : begin + length + _TAPS].any():
            return np.zeros(length, np.float32)
        taps = np.ndarray((_TAPS, length), np.float32, self._samples, offset=begin * width, strides=(width, width))
        early = delay - whole
        # a copy: BLAS takes no rows that overlap
        ends = _kernels(np.array([[early], [early + rate * length]])) @ taps.copy()
        return ends[0] + np.arange(length, dtype=np.float32) * np.float32(1 / length) * (ends[1] - ends[0])


_TAPS = 2 * _WING + 2
_PLACES = np.arange(_TAPS) - (_WING + 1.0)


def _kernels(fractions: NDArray[np.float64]) -> NDArray[np.float32]:
    """Windowed sincs, one a row, that delay by `fractions` (rows, 1) samples more than the centre."""
    at = np.pi * (_PLACES + fractions)
    at[np.abs(at) < 1e-9] = 1e-9
    window = np.cos(np.minimum(np.abs(at) * (0.5 / (_WING + 1.5)), np.pi / 2))
    return (np.sin(at) / at * window * window).astype(np.float32)


class DriftLoop:
    """Follows how the echo slides against the filter's idea of it."""

    def __init__(self) -> None:
        frequency = np.arange(BINS) * (2 * np.pi / FFT)
        band = (frequency > 2 * np.pi * 200 / RATE) & (frequency < 2 * np.pi * 3_500 / RATE)
        self._frequency = np.where(band, frequency, 0).astype(np.float32)
        self._square = self._frequency**2
        self._band = band.astype(np.float32)
        self._cross = np.zeros(BINS, np.complex64)
        self.rate = 0.0
        """Samples a sample by which the delay grows: ppm * 1e-6."""
        self.slide = 0.0
        """The last measured slide in samples."""

    def hear(self, echo: Spectrum, residual: Spectrum) -> float:
        """Samples by which to move the reading point now. Both spectra are of one block, 512-point."""
        power = residual.real**2 + residual.imag**2 + echo.real**2 + echo.imag**2
        weight = np.float32(0.06) / (power + np.float32(1e-6))
        self._cross *= np.float32(0.94)
        self._cross += echo * (echo + residual).conj() * weight
        real = self._cross.real
        total = float(np.abs(real) @ self._square)
        if total < 1e-3:
            return 0.0
        self.slide = float(self._cross.imag @ self._frequency) / total
        trust = min(1.0, float(real @ self._band) / 40)
        if trust <= 0:
            return 0.0
        step = min(max(self.slide, -2.0), 2.0) * trust
        self.rate = min(max(self.rate + 2e-6 * step, -MAX_DRIFT), MAX_DRIFT)
        return 0.02 * step

    def hint(self, rate: float | None) -> None:
        """Take the walk of the correlation's peak for the speed where the loop is far from it."""
        if rate is not None and abs(rate - self.rate) > _FAR_OFF and abs(rate) <= MAX_DRIFT:
            self.rate = rate

    def restart(self) -> None:
        """Forget the slide, keep the speed: the clocks stay the same after a jump."""
        self._cross[:] = 0
