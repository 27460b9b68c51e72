"""A linear echo canceller that keeps the near end: partitioned-block frequency-domain Kalman filter.

After Enzner and Vary, "Frequency-domain adaptive Kalman filter for acoustic echo control in hands-free telephones"
(Signal Processing 86, 2006), partitioned as by Kuech, Mabande and Enzner (ICASSP 2014). There is no suppressor
behind it: its residual is what remains of the echo plus the whole of whoever else speaks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from echoless.frames import BLOCK, Samples

PARTITIONS = 16
"""Blocks of echo path that the filter spans: 256 ms from the direct sound on."""
FFT = 2 * BLOCK
BINS = BLOCK + 1

Spectrum = NDArray[np.complex64]
Power = NDArray[np.float32]

_FORGET = np.float32(0.999)
"""Transition of the echo path from block to block: how still a room is believed to be."""
_DOUBT = np.float32(1.0)
"""Variance of a path nothing is known about, as a power gain a bin and partition."""
_DISTORTION = np.float32(0.02)
"""Share of the echo that no linear path explains: keeps the first syllable after a pause from undoing the path."""
_FLOOR = np.float32(1e-7)


class Canceller:
    """Predicts the echo in each microphone block from the reference and takes it away."""

    def __init__(self, partitions: int = PARTITIONS) -> None:
        self.partitions = partitions
        self.path: Spectrum = np.zeros((partitions, BINS), np.complex64)
        self.doubt: Power = np.empty((partitions, BINS), np.float32)
        self.noise: Power = np.full(BINS, _FLOOR, np.float32)
        self.spectra: Spectrum = np.zeros((2, BINS), np.complex64)
        """Of the last residual and of the last predicted echo, 512-point."""
        self._history: Spectrum = np.zeros((2 * partitions, BINS), np.complex64)
        self._powers: Power = np.zeros((2 * partitions, BINS), np.float32)
        self._newest = 0
        self._blocks = np.zeros((2, FFT), np.float32)
        self._turn = 0
        self._silent = 0
        """Blocks since the reference last sounded."""
        self._decay = np.exp(-np.arange(partitions, dtype=np.float32) * 0.5)[:, None]
        self._unknown = _DOUBT * self._decay
        self.forget_path()

    @property
    def history(self) -> Spectrum:
        """Spectra of the reference, the newest first: complex64 (partitions, 257)."""
        return self._history[self._newest : self._newest + self.partitions]

    @property
    def _far(self) -> Power:
        return self._powers[self._newest : self._newest + self.partitions]

    def _push(self, spectrum: Spectrum) -> None:
        """Written twice, so that the last `partitions` always lie in one piece."""
        self._newest = (self._newest - 1) % self.partitions
        both = slice(self._newest, None, self.partitions)
        self._history[both] = spectrum
        self._powers[both] = spectrum.real**2 + spectrum.imag**2

    def forget_path(self, microphone: Samples | None = None) -> None:
        """Start again, knowing nothing of the room.

        A block of `microphone`, where given, bounds what the path can be: no louder than what was heard of what is
        in the history, and all of it may be near end. A doubt far beyond that would make the filter learn noise.
        """
        self.path[:] = 0
        doubt = float(_DOUBT)
        if microphone is not None:
            heard = float(microphone @ microphone) * BLOCK
            played = float((self._far * self._decay).sum())
            doubt = min(max(2 * heard / (played + 1e-3), 1e-5), doubt)
            spectrum = rfft(microphone, FFT)
            self.noise = np.maximum(self.noise, spectrum.real**2 + spectrum.imag**2)
        self.doubt[:] = np.float32(doubt) * self._decay

    def align(self, reference: Samples) -> None:
        """Rebuild the history after the delay moved. `reference`: the last (partitions + 1) * 256 aligned samples."""
        blocks = np.lib.stride_tricks.sliding_window_view(reference, FFT)[::BLOCK]
        for spectrum in rfft(blocks, axis=1):
            self._push(spectrum)

    def shift(self, samples: int) -> None:
        """The reference is read `samples` earlier from now on: move the path as much later. `align` comes next."""
        whole = np.zeros(self.partitions * BLOCK, np.float32)
        whole[samples:] = irfft(self.path, axis=1)[:, :BLOCK].reshape(-1)[: len(whole) - samples]
        self.path[:] = rfft(whole.reshape(self.partitions, BLOCK), FFT, axis=1)

    def hear(self, microphone: Samples, reference: Samples, adapt: bool = True) -> tuple[Samples, Samples]:
        """The residual and the predicted echo, both float32 (256,).

        `reference` is the aligned reference of this block with the one before it, float32 (512,).
        """
        self._push(rfft(reference))
        self._silent = 0 if reference.any() else self._silent + 1
        if self._silent > self.partitions:
            return self._rest(microphone)
        predicted = (self.history * self.path).sum(axis=0)
        echo = irfft(predicted)[BLOCK:]
        residual = microphone - echo
        self._blocks[0, BLOCK:] = residual
        self._blocks[1, BLOCK:] = echo
        self.spectra = rfft(self._blocks, axis=1)
        if adapt:
            self._learn(self.spectra[0], predicted)
        return residual, echo

    def _rest(self, microphone: Samples) -> tuple[Samples, Samples]:
        """Nothing was played for as long as the path is: the microphone as it is; what was learnt grows old."""
        self.spectra = np.zeros((2, BINS), np.complex64)
        self._blocks[0, BLOCK:] = microphone
        error = self.spectra[0] = rfft(self._blocks[0])
        self.noise += np.float32(0.1) * (error.real**2 + error.imag**2 - self.noise)
        self._age()
        return microphone, np.zeros(BLOCK, np.float32)

    def _age(self) -> None:
        """The room may have changed since the last block."""
        keep = _FORGET * _FORGET
        change = self.path.real**2
        change += self.path.imag**2
        change *= 1 - keep
        self.doubt *= keep
        self.doubt += change
        np.minimum(self.doubt, self._unknown, out=self.doubt)

    def _learn(self, error: Spectrum, predicted: Spectrum) -> None:
        half = np.float32(BLOCK / FFT)
        far = self._far
        power = error.real**2 + error.imag**2
        expected = np.einsum("ij,ij->j", far, self.doubt)
        self.noise += np.float32(0.1) * (power - self.noise)
        distorted = _DISTORTION * (predicted.real**2 + predicted.imag**2)
        gain = self.doubt / (half * expected + self.noise + distorted + _FLOOR)
        self.path += gain * (self.history.conj() * error)
        self._constrain()
        gain *= far
        gain *= -half
        gain += 1
        self.doubt *= gain
        self._age()

    def _constrain(self) -> None:
        """Keep each partition's response within its 256 samples; a quarter of the partitions each block."""
        part = slice(self._turn, None, 4)
        self._turn = (self._turn + 1) % 4
        response = irfft(self.path[part], axis=1)
        response[:, BLOCK:] = 0
        self.path[part] = rfft(response, axis=1)
