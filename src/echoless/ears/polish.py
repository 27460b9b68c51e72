"""What the canceller leaves of the echo, taken out for the recogniser alone: it writes down whatever it hears.

Spectral subtraction of power (Berouti, Schwartz and Makhoul, ICASSP 1979) of what this echo usually leaves, which the
guard has learnt in bands (`evidence`). Nothing is decided by the result: where the user is softer than what is left of
the echo, the user goes with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from echoless.ears.canceller import BINS, FFT
from echoless.ears.evidence import Bands, filters
from echoless.frames import BLOCK, Samples

_OVER = np.float32(2.0)
"""How many times the usual is taken out, as half of the time there is more of it."""
_LEAST = np.float32(0.01)
"""The lowest power gain: -20 dB."""
_FALLING, _RISING = np.float32(0.7), np.float32(0.8)
"""Weight of the newest gain, where it is lower and where it is higher than the one before."""
_WINDOW = np.sqrt(np.hanning(FFT + 1)[:FFT]).astype(np.float32)


def polished(residual: Samples, left: Sequence[Bands | None]) -> Samples:
    """`residual`, float32, with less of the echo in it. `left`: what is usually left of the echo in each of its blocks
    of 256 samples, dB a band; None where there is none, and it stays as it is."""
    if not any(each is not None for each in left):
        return residual
    count = len(left)
    padded = np.zeros((count + 2) * BLOCK, np.float32)
    padded[BLOCK : BLOCK + len(residual)] = residual
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::BLOCK]
    spectra = rfft(frames * _WINDOW, axis=1)
    gains = _gains(spectra.real**2 + spectra.imag**2, [*left, left[-1]])
    sound = irfft(spectra * gains, axis=1) * _WINDOW
    out = sound[:-1, BLOCK:] + sound[1:, :BLOCK]
    return out.reshape(-1)[: len(residual)]


def _gains(power: Samples, left: Sequence[Bands | None]) -> Samples:
    """The gain of each bin of each frame."""
    bands, spread, outside = _weights()
    gains = np.ones(power.shape, np.float32)
    now = gains[0]
    for frame, echo in enumerate(left):
        wanted = np.ones(BINS, np.float32)
        if echo is not None:
            share = 1 - _OVER * np.power(np.float32(10), echo / 10) / (power[frame] @ bands + np.float32(1e-12))
            wanted = np.sqrt(np.maximum(share, _LEAST)) @ spread
            wanted[outside] = 1
        now = now + np.where(wanted < now, _FALLING, _RISING) * (wanted - now)
        gains[frame] = now
    return gains


@cache
def _weights() -> tuple[Samples, Samples, NDArray[np.bool_]]:
    """From bins to bands, (bins, bands); back, (bands, bins); and the bins that are in no band."""
    bands = filters()
    weight = bands.sum(axis=1, keepdims=True)
    return bands, (bands / np.maximum(weight, 1e-9)).T.copy(), weight[:, 0] < 1e-9
