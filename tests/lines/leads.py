"""By how much each piece of reference comes before its echo: every piece is placed, or counted as not placed."""

from __future__ import annotations

import numpy as np

from echoless.frames import RATE, Block

_PIECE, _REACH = 1024, RATE // 2


def _low(x: np.ndarray) -> np.ndarray:
    """Below 2.5 kHz: a virtual room's resampling leaves that alone."""
    spectrum = np.fft.rfft(x)
    spectrum[int(2500 * len(x) / RATE) :] = 0
    return np.fft.irfft(spectrum, len(x))


def leads(blocks: list[Block]) -> tuple[np.ndarray, float]:
    """Seconds by which the reference leads (negative: it is late), and the share of pieces that could be placed.

    64 ms of microphone are looked for half a second to either side in the reference (normalised cross-correlation);
    a place counts where no other is two thirds as good. Short pieces, so that few of them span a jump.
    """
    heard = np.concatenate([b.microphone for b in blocks])
    known = np.concatenate([b.reference for b in blocks])
    starts = range(_REACH, len(heard) - _REACH - _PIECE, _PIECE)
    found = []
    for at in starts:
        piece, there = _low(heard[at : at + _PIECE]), _low(known[at - _REACH : at + _REACH + _PIECE])
        cross = np.abs(np.correlate(there, piece, "valid"))
        power = np.convolve(there**2, np.ones(_PIECE), "valid") * np.sum(piece**2)
        like = cross / np.sqrt(np.maximum(power, 1e-9))
        best = int(np.argmax(like))
        others = like.copy()
        others[max(0, best - 80) : best + 80] = 0
        if like[best] > 0.35 and like[best] > 1.5 * others.max():
            found.append((_REACH - best) / RATE)
    return np.array(found), len(found) / max(1, len(starts))
