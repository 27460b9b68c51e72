"""The sizes of voice that can be trained: Piper's own names, and one for trying the machinery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Shape:
    """`network` goes to Piper's model as it is; `megabytes` is the ONNX file, `gigabytes` a checkpoint on disk."""

    rate: int
    network: dict[str, Any]
    megabytes: int
    gigabytes: float


SHAPES = {
    "tiny": Shape(
        16_000,
        {
            "inter_channels": 64,
            "hidden_channels": 64,
            "filter_channels": 256,
            "n_layers": 4,
            "upsample_initial_channel": 128,
        },
        8,
        0.6,
    ),
    "x-low": Shape(16_000, {"inter_channels": 96, "hidden_channels": 96, "filter_channels": 384}, 21, 0.7),
    "low": Shape(16_000, {}, 64, 0.85),
    "medium": Shape(22_050, {}, 64, 0.85),
}
ESPEAK = {"en": "en-us", "zh": "cmn"}
"""Which of espeak's voices makes phonemes for a language; any other goes by its own code."""
