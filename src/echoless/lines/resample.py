"""Sample rate conversion in whole blocks, with a latency that never changes.

Two ways, for two needs. A file can be read ahead, so files use soxr: no latency at all (`lines.wav`). A sound
card cannot, and there soxr costs 37 ms (48 to 16 kHz, its ordinary mode) or 12.5 ms (its variable-rate mode), out
of the 200 ms in which an interruption has to silence the agent. A linear-phase polyphase filter of 2 ms does for
speech: flat to 6.7 kHz at 16 kHz, 70 dB down from 8.1 kHz on.

Microphone and reference go through filters of the same length: a reference later than its echo leaks.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd

import numpy as np

from echoless.frames import BLOCK, RATE, Samples

HALF = 32
"""Half the filter's length, in samples of the lower of both rates (2 ms at 16 kHz)."""


@lru_cache(maxsize=16)
def _filter(up: int, down: int) -> Samples:
    """Windowed-sinc low-pass at `up` times the input's rate: linear phase, Kaiser window of 70 dB, gain `up`."""
    widest = max(up, down)
    n = np.arange(-HALF * widest, HALF * widest + 1)
    taps = np.sinc(0.925 / widest * n) * np.kaiser(len(n), 7.0)
    return (taps * up / taps.sum()).astype(np.float32)


class Resampler:
    """Converts a stream in blocks: `block_in` samples in, always exactly `block_out` samples out.

    `latency` (seconds) is constant: what goes in at sample n comes out at n / rate_in + latency. Equal rates pass
    through with latency 0. Raises ValueError where `block_in` is no whole number of output samples.
    """

    def __init__(self, rate_in: int, rate_out: int, block_in: int) -> None:
        if min(rate_in, rate_out, block_in) <= 0 or block_in * rate_out % rate_in:
            raise ValueError(f"{block_in} samples at {rate_in} Hz are no whole number of samples at {rate_out} Hz")
        common = gcd(rate_in, rate_out)
        self._up, self._down = rate_out // common, rate_in // common
        self.block_in, self.block_out = block_in, block_in * rate_out // rate_in
        self.latency = 0.0
        self._past = np.zeros(0, np.float32)
        if self._up != self._down:
            self._lay_out(rate_in)

    def _lay_out(self, rate_in: int) -> None:
        """The polyphase form (Crochiere and Rabiner 1983): which input samples and which taps make each output."""
        taps = _filter(self._up, self._down)
        self.latency = (len(taps) - 1) / 2 / (rate_in * self._up)
        length = -(-len(taps) // self._up)
        phases = np.zeros((length, self._up), np.float32)
        phases.reshape(-1)[: len(taps)] = taps
        at = np.arange(self.block_out) * self._down
        self._weights = phases.T[at % self._up]
        # Newest input sample of each output, in a block with `length - 1` samples of its past before it.
        self._places = (at // self._up + length - 1)[:, None] - np.arange(length)
        self._past = np.zeros(length - 1, np.float32)

    def __call__(self, block: Samples) -> Samples:
        """float32 `(block_in,)` to float32 `(block_out,)`. Raises ValueError on any other shape."""
        if block.shape != (self.block_in,):
            raise ValueError(f"a block of {self.block_in} samples is due, not {block.shape}")
        if not len(self._past):
            return np.array(block, np.float32)
        joined = np.concatenate((self._past, block.astype(np.float32, copy=False)))
        self._past = joined[len(block) :]
        return np.einsum("kt,kt->k", joined[self._places], self._weights)


def to_ears(rate: int) -> Resampler:
    """From a line's rate (a multiple of 1000 Hz) to the ears' 16 kHz, a block of 16 ms at a time."""
    return Resampler(rate, RATE, rate * BLOCK // RATE)
