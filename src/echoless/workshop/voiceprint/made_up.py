"""A speaker by formula: what the encoder's test vectors are made of (`export.py`), so that nobody's voice is kept."""

from __future__ import annotations

import numpy as np

from echoless.frames import RATE, Samples


def made_up(seconds: float = 3.3, pitch: float = 130.0) -> Samples:
    """A buzz with three moving formants, by formula: nobody's voice. float32 at 16 kHz."""
    t = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * t))) / RATE
    sound = np.zeros(len(t))
    for harmonic in range(1, 40):
        hertz = harmonic * pitch
        formants = ((600, 200, 1.1), (1500, 300, 0.6), (2700, 400, 1.7))
        gain = sum(np.exp(-(((hertz - f * (1 + 0.2 * np.sin(2 * np.pi * w * t))) / b) ** 2)) for f, b, w in formants)
        sound += gain * np.sin(harmonic * phase)
    return (0.05 * sound * (0.6 + 0.4 * np.sin(2 * np.pi * 3.1 * t))).astype(np.float32)
