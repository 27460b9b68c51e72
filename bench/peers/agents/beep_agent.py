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
    """A microphone and a loudspeaker, each with a callback of its own: as one full-duplex stream PortAudio runs dry."""

    def __init__(self) -> None:
        self._left = BEEP[:0]
        self._deaf = 0

    def hear(self, block: np.ndarray, frames: int, *_: object) -> None:
        self._deaf -= frames
        if self._deaf <= 0 and np.sqrt(np.mean(np.square(block))) > LOUD:
            self._left, self._deaf = BEEP, DEAF

    def play(self, out: np.ndarray, frames: int, *_: object) -> None:
        now, self._left = self._left[:frames], self._left[frames:]
        out[:, 0] = 0
        out[: len(now), 0] = now


def main() -> None:
    """Beep until interrupted."""
    beeper, kind = (
        Beeper(),
        {"samplerate": RATE, "blocksize": BLOCK, "channels": 1, "dtype": "float32", "latency": 0.03},
    )
    with sounddevice.InputStream(callback=beeper.hear, **kind), sounddevice.OutputStream(callback=beeper.play, **kind):
        print("READY", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
