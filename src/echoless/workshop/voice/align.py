"""Monotonic alignment search (Kim et al., Glow-TTS, NeurIPS 2020): Piper's trainer needs it, its wheel lacks it.

The most likely way to lay T tokens along F frames, in order, each token on at least one frame. Compiled by numba
where that is installed (with the trainer), plain Python elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def _lay(path: Any, value: Any, frames: int, tokens: int) -> None:
    """Mark the best path. `value` (frames, tokens) holds log likelihoods and is summed up in place; `path` is 0."""
    for frame in range(frames):
        first, last = max(0, tokens - (frames - frame)), min(tokens - 1, frame)
        for token in range(first, last + 1):
            stays = value[frame - 1, token] if 0 <= token <= frame - 1 else -1e9
            moves = value[frame - 1, token - 1] if token > 0 and frame > 0 else -1e9
            if frame > 0:
                value[frame, token] += max(stays, moves)
    token = tokens - 1
    for frame in range(frames - 1, -1, -1):
        path[frame, token] = 1
        if token > 0 and (token == frame or value[frame - 1, token] < value[frame - 1, token - 1]):
            token -= 1


def _compiled() -> Callable[..., None]:
    try:
        import numba
    except ImportError:
        return _lay
    return numba.njit(cache=False, nogil=True)(_lay)  # type: ignore[no-any-return]


_best: Callable[..., None] | None = None


def maximum_path(
    paths: NDArray[np.int32], values: NDArray[np.float32], frames: NDArray[np.int32], tokens: NDArray[np.int32]
) -> None:
    """For each of a batch: write 1 into `paths` (batch, frames, tokens) along its best path. Uses `values` up."""
    global _best
    _best = _best or _compiled()
    for one in range(len(paths)):
        _best(paths[one], values[one], int(frames[one]), int(tokens[one]))
