"""Moonshine's two networks, run by onnxruntime: sound to features, features and words so far to the next word.

What was written of the same sound when there was less of it is a draft: the decoder looks at all its tokens in one pass
and goes on after those that it would have chosen itself (as in Leviathan et al., 2023, arXiv:2211.17192, with what was
heard before in place of a smaller model).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from echoless.ears.onnx import one_thread, run_options
from echoless.frames import Samples

BEGIN, END = 1, 2
"""The tokens before and after what is said."""


class Opened(NamedTuple):
    """A sound before its first word: what the decoder has made of its features is there for every row of words."""

    features: NDArray[np.float32]
    samples: int
    present: list[NDArray[np.float32]]


class Network:
    """Encoder and decoder. Not reentrant; `abort` may come from any thread."""

    def __init__(self, encoder: Path, decoder: Path) -> None:
        """Raises whatever onnxruntime does where a file is no such network."""
        self._encoder, self._decoder = one_thread(encoder), one_thread(decoder)
        self._options = run_options()
        self._past = [put for put in self._decoder.get_inputs() if put.name.startswith("past_key_values")]
        self._present = [out.name for out in self._decoder.get_outputs()][1:]
        self._own = [name for name in self._present if ".decoder." in name]

    @property
    def aborted(self) -> bool:
        return bool(self._options.terminate)

    def abort(self) -> None:
        """Let what runs, and what is run until `begin`, raise an error."""
        self._options.terminate = True

    def begin(self) -> None:
        """From now on nothing is given up any more."""
        self._options.terminate = False

    def features(self, sound: Samples) -> NDArray[np.float32]:
        """What the encoder makes of the sound, float32 at 16 kHz: (1, frames, 288)."""
        fed = {"input_values": sound[np.newaxis], "attention_mask": np.ones((1, len(sound)), np.int64)}
        (features,) = self._encoder.run(None, fed, self._options)
        return features

    def said(self, features: NDArray[np.float32], samples: int, most: float, draft: Sequence[int] = ()) -> list[int]:
        """The likeliest token after each, until the end or `most`. `samples` is the sound's length; where the beginning
        of `draft` is right, it is quicker."""
        fed = self._fed(features, np.array([[BEGIN, *draft]]), samples)
        logits, *present = self._decoder.run(None, fed, self._options)
        chosen = logits[0].argmax(axis=-1)
        right = next((at for at, token in enumerate(draft) if chosen[at] != token), len(draft))
        if draft and not right:
            return self.said(features, samples, most)
        for name, values in zip(self._present, present, strict=True):
            fed[_past(name)] = values[:, :, : right + 1] if name in self._own else values
        said, token = list(draft[:right]), int(chosen[right])
        fed["use_cache_branch"] = np.array([True])
        while token != END and len(said) < most:
            said.append(token)
            fed["input_ids"] = np.array([[token]], np.int64)
            logits, *present = self._decoder.run(["logits", *self._own], fed, self._options)
            fed |= {_past(name): values for name, values in zip(self._own, present, strict=True)}
            token = int(logits[0, -1].argmax())
        return said

    def opened(self, features: NDArray[np.float32], samples: int) -> tuple[NDArray[np.float32], Opened]:
        """Log-probabilities of the first token, (32768,), and what `expected` goes on from."""
        fed = self._fed(features, np.array([[BEGIN]]), samples)
        logits, *present = self._decoder.run(None, fed, self._options)
        return _logarithm(logits)[0, 0], Opened(features, samples, present)

    def expected(self, opened: Opened, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Log-probabilities of what comes after each token of each row, which begins after `BEGIN`: (rows, tokens,
        32768)."""
        count = len(rows)
        fed = self._fed(np.repeat(opened.features, count, axis=0), rows, opened.samples)
        for name, values in zip(self._present, opened.present, strict=True):
            fed[_past(name)] = np.repeat(values, count, axis=0)
        fed["use_cache_branch"] = np.array([True])
        (logits,) = self._decoder.run(["logits"], fed, self._options)
        return _logarithm(logits)

    def _fed(self, features: NDArray[np.float32], rows: NDArray[np.int64], samples: int) -> dict[str, Any]:
        """What the decoder takes to begin with. Its mask counts samples, not frames."""
        count = len(rows)
        fed = {put.name: np.zeros((count, put.shape[1], 0, put.shape[3]), np.float32) for put in self._past}
        return fed | {
            "encoder_attention_mask": np.ones((count, samples), np.int64),
            "encoder_hidden_states": features,
            "input_ids": rows.astype(np.int64),
            "use_cache_branch": np.array([False]),
        }


def _logarithm(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of the probabilities that these stand for, along the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _past(name: str) -> str:
    return name.replace("present", "past_key_values", 1)
