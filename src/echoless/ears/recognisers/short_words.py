"""Command, nod, or something else? A short sound over the agent, told from what Moonshine's encoder makes of it.

The encoder has heard many people; its decoder writes sentences and bends what is left of "stop" in an echo into one
("You have to go"). A small network over the encoder's features, averaged over the sound and over its thirds, is asked
besides. `python -m echoless.rooms.train_short` trains it; the weights lie beside this file.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from echoless.ears.door import Sorted

FILE = Path(__file__).with_name("short_words.npz")
Vector = NDArray[np.float32]


def pooled(features: NDArray[np.float32]) -> Vector:
    """What the network sees of features (frames, 288), three frames at least: float32 (1441,)."""
    thirds = [part.mean(axis=0) for part in np.array_split(features, 3)]
    parts = (features.mean(axis=0), features.std(axis=0), *thirds, [np.log(len(features))])
    return np.concatenate(parts, dtype=np.float32)


def sort(features: NDArray[np.float32]) -> Sorted:
    """What the sound behind features (frames, 288) is."""
    w = _weights()
    seen = (pooled(features) - w["mean"]) @ w["axes"]
    inside = np.maximum(seen @ w["inside"] + w["inside_bias"], 0)
    odds = inside @ w["out"] + w["out_bias"]
    return Sorted(*(float(each) for each in odds - np.logaddexp.reduce(odds)))


@cache
def _weights() -> dict[str, Vector]:
    with np.load(FILE, allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}
