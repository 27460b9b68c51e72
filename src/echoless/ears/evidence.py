"""What speaks for and against somebody else in the room: the numbers that the judge of near-end speech looks at.

Levels in twenty bands, each compared with what the agent's echo alone would leave there. That expectation is a gain
from the (reverberated) reference to the microphone and to the residual, learnt a band within some 100 ms of
speech: it needs no exact alignment and no linear loudspeaker, so it carries the time in which the canceller cannot.
"""

from __future__ import annotations

from math import exp, log, log1p, log10

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

from echoless.ears.canceller import BINS, FFT
from echoless.ears.delay import Look
from echoless.frames import BLOCK, RATE, Samples

BANDS = 20
Bands = NDArray[np.float32]

_EMPTY = np.float32(1e-9)
_REVERB = np.float32(0.6)
"""Decay of the reverberated reference from block to block: 60 dB in 0.43 s."""
_SECOND = RATE // BLOCK
_MEAN = np.full(BANDS, 1 / BANDS, np.float32)
_NEPER = np.float32(log(10) / 10)
NAMES = (
    *(f"{what}_{band}" for what in ("over_noise", "over_left", "over_echo", "over_linear") for band in range(BANDS)),
    *("peak", "tracked", "residual_peak", "voice", "located", "age", "quiet", "far_db", "residual_db", "noise_db"),
    *("erle", "excess", "total_ratio", "cut", "slide", "own_canceller"),
)
"""The features, in order."""


def filters() -> NDArray[np.float32]:
    """Triangles evenly spaced on the mel scale, 120-7000 Hz, for power a sample: (bins, bands)."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (120, 7000))
    mel = np.linspace(low, high, BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    at = np.arange(BINS)[:, None] * (RATE / FFT)
    rise = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    shape = np.clip(np.minimum(rise, fall), 0, None)
    return (shape / shape.sum(axis=0) / BLOCK).astype(np.float32)


def _window() -> Samples:
    """Rises for three quarters and falls for one, so that the newest samples count: float32 (512,)."""
    rise, fall = 3 * FFT // 4, FFT // 4
    return np.concatenate((np.hanning(2 * rise)[:rise], np.hanning(2 * fall)[fall:])).astype(np.float32)


def decibels(power: Bands) -> Bands:
    """10 log10, floored at -90 dB."""
    return np.float32(10) * np.log10(power + _EMPTY)


class Levels:
    """Running quantiles, in dB a band, of how far levels stand above another while the latter is present."""

    def __init__(self, *quantiles: float) -> None:
        self.value = np.zeros((len(quantiles), BANDS), np.float32)
        self._up = np.array(quantiles, np.float32)[:, None]
        self._down = self._up - 1
        self._seen = np.zeros(BANDS, np.float32)

    def hear(self, differences: Bands, present: NDArray[np.bool_]) -> None:
        """Take one block, (quantiles, bands). The first moves it all the way, the next ones fast, later ones slowly."""
        step = np.maximum(np.float32(0.25), np.float32(10) / (np.float32(1.5) + self._seen / 2))
        step[self._seen == 0] = np.inf
        move = np.minimum(np.maximum(differences - self.value, self._down * step), self._up * step)
        move *= present
        self.value += move
        self._seen += present

    def forget(self) -> None:
        """Learn fast again."""
        self._seen = np.minimum(self._seen, 20)


class Evidence:
    """Turns each block's signals into the features named in `NAMES`."""

    def __init__(self, cancels_echo: bool) -> None:
        self.cancels_echo = cancels_echo
        self._filters = filters()
        self._window = _window()
        self._past = np.zeros((4, FFT), np.float32)
        self._reverb = np.zeros(BANDS, np.float32)
        self._loudest = np.full(BANDS, -90, np.float32)
        self._recent = np.zeros((_SECOND, BANDS), np.float32)
        self._floor = np.full(BANDS, -50, np.float32)
        self._low = np.full(BANDS, 100, np.float32)
        self._usually = Levels(0.5, 0.7)
        """Of the microphone and of the residual over the expected echo."""
        self._usual = 0.0
        self._age = 0
        self.left: Bands | None = None
        """What this echo usually leaves in the residual now, dB a band; None while that is not known."""
        self._count = 0
        self._cut = 1e3
        self._loud = 0.0
        self.erle = 0.0
        """Echo return loss enhancement while the agent speaks, dB, over about a second."""
        self.over_noise = 0.0
        """How far the microphone stands over the noise while the agent speaks, dB."""
        self.excess = 0.0
        """How far the residual stands over what is usual for this echo, dB."""
        self.heard = 0.0
        """Seconds of reference so far."""
        self.level = self.noise = -90.0
        """Of the microphone in this block, and of the room without anybody, dB."""

    def hear(
        self,
        signals: tuple[Samples, Samples, Samples, Samples],
        reference: Samples,
        look: Look,
        voice: float,
        located: bool,
        quiet: int,
        slide: float,
    ) -> NDArray[np.float32]:
        """The features of one block.

        `signals`: microphone, residual, predicted echo and aligned reference; `reference`: as it came in (for
        cuts); `quiet`: samples since the reference was last active.
        """
        self._count += 1
        self._past[:, :BLOCK] = self._past[:, BLOCK:]
        for row, signal in zip(self._past, signals, strict=True):
            row[BLOCK:] = signal
        spectrum = rfft(self._past * self._window, axis=1)
        power = (spectrum.real**2 + spectrum.imag**2) @ self._filters
        levels = decibels(power)
        residual, linear = levels[1], levels[2]
        expected = self._expect(power[3], located)
        present = (expected > -55) & (expected > self._loudest - 30)
        over = levels[:2] - expected
        self._usually.hear(over, present)
        self.left = expected + self._usually.value[1] if located else None
        over -= self._usually.value
        over[:, expected <= -70] = 30
        self._track_noise(residual)
        self._watch_cuts(reference)
        gone, total, predicted = decibels(power[:3] @ _MEAN).tolist()
        echoing = bool(np.count_nonzero(present))
        self._sum_up(gone, total, predicted, echoing)
        self._age = self._age + echoing if located else 0
        features = np.empty(len(NAMES), np.float32)
        bands = features[: 4 * BANDS]
        for place, values in enumerate((residual - self._floor, over[1], over[0], residual - linear)):
            bands[place * BANDS : (place + 1) * BANDS] = values
        np.minimum(np.maximum(bands, -25, out=bands), 35, out=bands)
        bands *= np.float32(0.1)
        features[4 * BANDS :] = (
            look.peak / 10,
            look.tracked / 10,
            look.residual / 10,
            voice * 2,
            located,
            log1p(self._age) / 3,
            log1p(min(quiet, 2 * RATE) / BLOCK) / 2,
            float(expected @ _MEAN) / 20 + 2,
            total / 20 + 2,
            float(self._floor @ _MEAN) / 20 + 2,
            self.erle / 10,
            self.excess / 10,
            min(max(gone - total, -10), 40) / 10,
            exp(-self._cut / 15),
            min(abs(slide), 3.0),
            not self.cancels_echo,
        )
        return features

    def _sum_up(self, gone: float, total: float, predicted: float, echoing: bool) -> None:
        """Follow the levels of microphone, residual and predicted echo over all bands, dB."""
        self.level, self.noise = gone, 10 * log10(float(np.exp(self._floor * _NEPER) @ _MEAN) + float(_EMPTY))
        ratio = self._usual
        if echoing:
            self.erle += 0.02 * (min(gone - total, 40.0) - self.erle)
            self.over_noise += 0.02 * (gone - self.noise - self.over_noise)
            self.heard += BLOCK / RATE
            ratio = total - predicted
            self._usual += (0.75 if ratio > self._usual else -0.25) * 0.25
        self.excess = min(max(ratio - self._usual, -30), 30)

    def _expect(self, far: Bands, located: bool) -> Bands:
        """The reference's level a band as it can sound in the room now, dB."""
        self._reverb = np.maximum(far, self._reverb * _REVERB)
        self._recent[self._count % _SECOND] = far
        loudest = self._recent.max(axis=0)
        self._loudest = decibels(loudest)
        # with no delay known, whatever was played in the last second may be what is heard
        return decibels(self._reverb) if located else self._loudest

    def _track_noise(self, residual: Bands) -> None:
        """The noise floor: the least of the last seconds, crept up to, fallen to at once."""
        self._low = np.minimum(self._low, residual + 3)
        self._floor += np.minimum(np.maximum(self._low - self._floor, -3), np.float32(0.1))
        if self._count % (3 * _SECOND) == 0:
            self._low = residual + 3

    def _watch_cuts(self, reference: Samples) -> None:
        """Blocks since the reference fell from speech to digital silence at once: a lost piece, not a pause."""
        self._cut += 1
        if self._loud > 0.01 and not reference[:32].any():
            self._cut = 0
        self._loud = float(np.abs(reference[-32:]).max())

    def path_changed(self) -> None:
        """The delay moved: learn the levels again quickly."""
        self._usually.forget()
