"""What flows through a call. Imports nothing of ours.

Every organ works on 16 kHz mono float32 in -1..1, in blocks of 256 samples (16 ms): the block that both the
echo canceller (256) and Silero's voice activity (512) divide into. A line whose device runs at another rate
converts at its own door; the loudspeaker side keeps the line's rate, so that a 22 kHz voice stays whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
"""Samples a second of everything that the ears see."""
BLOCK = 256
"""Samples of one block at `RATE`."""
BLOCK_SECONDS = BLOCK / RATE

Samples = NDArray[np.float32]


def seconds(block: int) -> float:
    """Audio time, in seconds, at which block number `block` begins."""
    return block * BLOCK / RATE


@dataclass(frozen=True, slots=True)
class Block:
    """16 ms of a call: what the microphone heard and what the loudspeaker really played, on one clock.

    `microphone` and `reference` are float32, shape (256,), at 16 kHz. The reference is what was handed to the
    loudspeaker no later than the moment at which its echo can arrive: early is harmless, late leaks.
    `lost` counts the samples that the device dropped before this block.
    """

    index: int
    microphone: Samples
    reference: Samples
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of synthesised speech: float32 mono at `rate`.

    `marks` are pairs (offset in characters of the text, offset in samples of this chunk): the text from that
    character on is heard from that sample on. Rising in both. Engines that know only the sentence give [(0, 0)].
    """

    samples: Samples
    rate: int
    marks: tuple[tuple[int, int], ...] = ((0, 0),)


@dataclass(frozen=True, slots=True)
class Transcript:
    """Words that were recognised. `confidence` 0..1 where the engine has one."""

    text: str
    language: str | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the conversation as it goes into a prompt. `role` is `user` or `agent`."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a call record: `t` seconds of audio time, `event` its name, `data` the further keys."""

    t: float
    event: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The object that `events.jsonl` holds."""
        return {"t": round(self.t, 4), "event": self.event, **self.data}
