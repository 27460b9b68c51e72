"""The door of both ends of a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from echoless.frames import BLOCK, RATE, Block, Samples


class LineError(Exception):
    """A line cannot be opened or went away for good. The message is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class LineTraits:
    """What a line is. `rate` is the loudspeaker side's, a multiple of 1000: 16 ms is a whole number of samples."""

    name: str
    rate: int = RATE
    live: bool = True
    """False where time is simulated or as fast as possible (files, rooms)."""
    cancels_echo: bool = False
    """True where the far end has an echo canceller of its own (a browser)."""
    latency: float = 0.0
    """Seconds from `exchange` to the loudspeaker, as far as the line knows; for what counts as heard."""

    @property
    def block(self) -> int:
        """Samples of one block on the loudspeaker side."""
        return self.rate * BLOCK // RATE


@runtime_checkable
class Line(Protocol):
    """Both ends of a call, 16 ms at a time.

    `exchange` plays one block (float32, shape `(traits.block,)`, at `traits.rate`) and returns the next block of
    the microphone with its reference, or None when the far end is gone for good. It is what paces a call. Where
    blocks come late the line itself plays silence and the reference says so.
    """

    @property
    def traits(self) -> LineTraits: ...

    async def open(self) -> None:
        """Raises LineError."""
        ...

    async def exchange(self, loudspeaker: Samples) -> Block | None: ...

    def flush(self) -> int:
        """Drop what is queued but not yet audible; the number of samples (at `traits.rate`) that were dropped."""
        ...

    async def aclose(self) -> None: ...


def checked(loudspeaker: Samples, traits: LineTraits) -> Samples:
    """One block for the loudspeaker as every line wants it: its own float32 copy, finite, in -1..1.

    Raises ValueError where the shape is not `(traits.block,)`: that is the caller's bug, not bad input.
    """
    if loudspeaker.shape != (traits.block,):
        raise ValueError(f"a block of {traits.block} samples is due, not {loudspeaker.shape}")
    out = loudspeaker.astype(np.float32)
    if not (out.min() >= -1.0 and out.max() <= 1.0):  # what is no number compares as false
        np.nan_to_num(out, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
        np.clip(out, -1.0, 1.0, out=out)
    return out
