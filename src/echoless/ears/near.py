"""The judge of near-end speech: three recurrent networks (GRU, Cho et al. 2014) as one, over `evidence`, in numpy.

Its weights, `near.npz`, are trained in simulated rooms by `python -m echoless.rooms.train_near`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Vector = NDArray[np.float32]


class Judge:
    """Features of a block in, probability that somebody other than the agent speaks in it out."""

    def __init__(self, weights: dict[str, Vector] | None = None) -> None:
        w = self._w = weights or _weights()
        self._hidden = np.zeros(len(w["out"]), np.float32)
        self._inside = w["scale"][:, None] * w["inside"]
        self._inside_bias = w["inside_bias"] - w["mean"] @ self._inside

    def __call__(self, features: Vector) -> float:
        """Probability 0..1 for `features`, float32 (len(evidence.NAMES),)."""
        w, hidden = self._w, self._hidden
        size = len(hidden)
        inside = np.tanh(features @ self._inside + self._inside_bias)
        given = inside @ w["given"] + w["given_bias"]
        kept = hidden @ w["kept"] + w["kept_bias"]
        gates = expit(given[: 2 * size] + kept[: 2 * size])
        update, reset = gates[:size], gates[size:]
        fresh = np.tanh(given[2 * size :] + reset * kept[2 * size :])
        self._hidden = fresh + update * (hidden - fresh)
        return float(expit(self._hidden @ w["out"] + w["out_bias"][0]))


@cache
def _weights() -> dict[str, Vector]:
    with (files("echoless.ears") / "near.npz").open("rb") as file:
        return dict(np.load(file, allow_pickle=False))
