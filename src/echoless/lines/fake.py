"""A line with a script instead of a microphone: calls are tested with it in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from echoless.frames import BLOCK, BLOCK_SECONDS, RATE, Block, Samples
from echoless.lines.door import LineTraits, checked
from echoless.lines.resample import to_ears

Echo = Callable[[Samples], Samples]
"""What comes back into the microphone of one reference block: float32 (256,) to float32 (256,) at 16 kHz."""


class ScriptedLine:
    """Lock-step and exact: one `asyncio.sleep(0.016)` a block in the loop's own time, no wall clock.

    `microphone` is what the user says, float32 at 16 kHz: one array of any length, or an iterable of pieces of any
    length (a generator may look at `played` and so react to the agent). After its end comes silence, or with
    `hangs_up` the line's end (`exchange` returns None). `echo` adds what the room gives back. `lost` maps block
    numbers to dropped samples. `played` is what the agent played, at `rate`.
    """

    def __init__(
        self,
        microphone: Samples | Iterable[Samples] = (),
        *,
        echo: Echo | None = None,
        rate: int = RATE,
        hangs_up: bool = False,
        lost: dict[int, int] | None = None,
        latency: float = 0.0,
    ) -> None:
        self._traits = LineTraits("scripted", rate=rate, live=False, latency=latency)
        self._pieces: Iterator[Samples] = iter([microphone] if isinstance(microphone, np.ndarray) else microphone)
        self._rest = np.zeros(0, np.float32)
        self._echo = echo
        self._hangs_up = hangs_up
        self._lost = lost or {}
        self._to_ears = to_ears(rate)
        self._blocks: list[Samples] = []
        self._open = False
        self.index = 0
        self.ended = False
        """True once the script has been heard to its end."""
        self.flushes = 0

    @property
    def traits(self) -> LineTraits:
        return self._traits

    @property
    def played(self) -> Samples:
        """Everything that was played so far: float32 at `traits.rate`."""
        return np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.float32)

    async def open(self) -> None:
        self._open = True

    async def exchange(self, loudspeaker: Samples) -> Block | None:
        out = checked(loudspeaker, self._traits)
        await asyncio.sleep(BLOCK_SECONDS)
        microphone = self._next() if self._open else None
        if microphone is None:
            return None
        self._blocks.append(out)
        reference = self._to_ears(out)
        if self._echo is not None:
            microphone = microphone + self._echo(reference)
        block = Block(self.index, microphone.astype(np.float32), reference, self._lost.get(self.index, 0))
        self.index += 1
        return block

    def _next(self) -> Samples | None:
        """The next 256 samples of the script; None after its end where the line hangs up."""
        while len(self._rest) < BLOCK and not self.ended:
            piece = next(self._pieces, None)
            if piece is None:
                self.ended = True
            else:
                self._rest = np.concatenate((self._rest, np.asarray(piece, np.float32)))
        if self.ended and not len(self._rest) and self._hangs_up:
            return None
        block, self._rest = self._rest[:BLOCK], self._rest[BLOCK:]
        return np.pad(block, (0, BLOCK - len(block)))

    def flush(self) -> int:
        self.flushes += 1
        return 0

    async def aclose(self) -> None:
        self._open = False
