"""Not an agent: answers the first loud moment of each utterance with a beep, at once. It shows what the bridge and the
sound card add to every latency (the reaction itself is one block of 10 ms)."""

from __future__ import annotations

import contextlib
import threading

import numpy as np
import sounddevice

RATE, BLOCK = 16_000, 160
LOUD = 10 ** (-40 / 20)
DEAF = 2 * RATE
BEEP = (0.2 * np.sin(2 * np.pi * 1000 * np.arange(RATE // 5) / RATE)).astype(np.float32)


class Beeper:
    """Both directions of the card in one callback."""

    def __init__(self) -> None:
        self._left = BEEP[:0]
        self._deaf = 0

    def __call__(self, block: np.ndarray, out: np.ndarray, frames: int, *_: object) -> None:
        self._deaf -= frames
        if self._deaf <= 0 and np.sqrt(np.mean(np.square(block))) > LOUD:
            self._left, self._deaf = BEEP, DEAF
        now, self._left = self._left[:frames], self._left[frames:]
        out[:, 0] = 0
        out[: len(now), 0] = now


def main() -> None:
    """Beep until interrupted."""
    with sounddevice.Stream(RATE, BLOCK, channels=1, dtype="float32", latency=0.04, callback=Beeper()):
        print("READY", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
