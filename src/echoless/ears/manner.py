"""How a short sound was made: hummed, breathed, or spoken. For words over the agent that no recogniser made sense of.

A hum ("mm-hmm") leaves the mouth closed, so next to nothing comes above 1 kHz; a cough or a knock has no pitch. What is
neither is a word, whatever was understood.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from echoless.frames import RATE, Samples

_FRAME, _HOP = 512, 160
_RANGE = 25.0
"""dB under the loudest frame within which frames count."""
_CLOSED = -14.0
"""dB of 1-4 kHz against 0.1-0.9 kHz that four in five frames of a hum stay under."""
_PITCHED, _VOICED = 0.6, 0.05
"""How periodic a frame with a pitch is, and the share of such frames that a voice has."""
_SHORTEST, _LONGEST = RATE // 400, RATE // 66
"""Samples of a period."""
LONGEST = 2.0
"""Seconds of sound that are looked at; a hum is shorter."""


class Manner(StrEnum):
    HUM = "hum"
    BREATH = "breath"
    WORD = "word"


def manner(sound: Samples) -> Manner:
    """How `sound`, float32 at 16 kHz, was made. What holds nothing is a breath."""
    sound = np.pad(sound[-int(LONGEST * RATE) :], (0, _FRAME))
    window = np.hanning(_FRAME).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(sound, _FRAME)[::_HOP] * window
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    hertz = np.fft.rfftfreq(_FRAME, 1 / RATE)

    def within(low: float, high: float) -> np.ndarray:
        return power[:, (hertz > low) & (hertz < high)].sum(axis=1) + 1e-9

    whole = within(100, 4000)
    heard = whole > max(whole.max() * 10 ** (-_RANGE / 10), 1e-7)
    if not heard.any():
        return Manner.BREATH
    bright = 10 * np.log10(within(1000, 4000)[heard] / within(100, 900)[heard])
    if np.mean(_periodic(power[heard], window) > _PITCHED) < _VOICED:
        return Manner.BREATH
    return Manner.HUM if np.percentile(bright, 80) < _CLOSED else Manner.WORD


def _periodic(power: np.ndarray, window: Samples) -> np.ndarray:
    """Highest autocorrelation of each frame within the periods of a voice, 0..1; the window's own is taken out."""
    own = np.fft.irfft(np.abs(np.fft.rfft(window)) ** 2)[: _LONGEST + 1]
    alike = np.fft.irfft(power, axis=1)[:, : _LONGEST + 1]
    alike = alike / (alike[:, :1] * (own / own[0] + 0.05))
    return alike[:, _SHORTEST:].max(axis=1)
