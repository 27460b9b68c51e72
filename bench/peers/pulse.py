"""One blocking PulseAudio stream of mono float32 samples, over libpulse-simple (pulse/simple.h)."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from functools import cache
from types import TracebackType

import numpy as np

from echoless.frames import Samples

_PLAYBACK, _RECORD = 1, 2
_FLOAT32LE = 5
_DEFAULT = 0xFFFFFFFF
_BYTES = 4


class PulseError(RuntimeError):
    """The sound server refused or is gone. One line."""


class _SampleSpec(Structure):
    _fields_ = [("format", c_int), ("rate", c_uint32), ("channels", c_uint8)]


class _BufferAttr(Structure):
    _fields_ = [(name, c_uint32) for name in ("maxlength", "tlength", "prebuf", "minreq", "fragsize")]


@cache
def _library() -> ctypes.CDLL:
    try:
        lib = ctypes.CDLL("libpulse-simple.so.0")
    except OSError:
        raise PulseError("no libpulse-simple (apt-get install libpulse0 pulseaudio-utils)") from None
    lib.pa_simple_new.restype = c_void_p
    lib.pa_simple_new.argtypes = [
        c_char_p, c_char_p, c_int, c_char_p, c_char_p, POINTER(_SampleSpec), c_void_p, POINTER(_BufferAttr), c_void_p,
    ]  # fmt: skip
    for name in ("pa_simple_read", "pa_simple_write"):
        getattr(lib, name).argtypes = [c_void_p, c_void_p, c_size_t, POINTER(c_int)]
    lib.pa_simple_get_latency.restype = c_uint64
    lib.pa_simple_get_latency.argtypes = [c_void_p, POINTER(c_int)]
    for name in ("pa_simple_free", "pa_simple_flush"):
        getattr(lib, name).argtypes = [c_void_p, *([POINTER(c_int)] if name.endswith("flush") else [])]
    return lib


class _Stream:
    def __init__(self, server: str, direction: int, device: str, rate: int, buffers: _BufferAttr) -> None:
        self._lib, self._error = _library(), c_int()
        spec = _SampleSpec(_FLOAT32LE, rate, 1)
        self._stream = self._lib.pa_simple_new(
            server.encode(), b"room", direction, device.encode(), b"room", byref(spec), None, byref(buffers),
            byref(self._error),
        )  # fmt: skip
        if not self._stream:
            raise PulseError(f"the sound server gives no stream on {device} (error {self._error.value})")

    def __enter__(self):
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._lib.pa_simple_free(self._stream)

    def latency(self) -> float:
        """Seconds between a sample here and the device."""
        return float(self._lib.pa_simple_get_latency(self._stream, byref(self._error))) / 1e6

    def flush(self) -> None:
        """Forget what is queued."""
        self._check(self._lib.pa_simple_flush(self._stream, byref(self._error)))

    def _check(self, result: int) -> None:
        if result < 0:
            raise PulseError(f"the sound server is gone (error {self._error.value})")


class Recorder(_Stream):
    """Reads from a source in pieces of `piece` samples."""

    def __init__(self, server: str, device: str, rate: int, piece: int) -> None:
        buffers = _BufferAttr(_DEFAULT, _DEFAULT, _DEFAULT, _DEFAULT, piece * _BYTES)
        super().__init__(server, _RECORD, device, rate, buffers)

    def read(self, count: int) -> Samples:
        """Waits for so many samples."""
        out = np.empty(count, np.float32)
        self._check(self._lib.pa_simple_read(self._stream, out.ctypes.data, out.nbytes, byref(self._error)))
        return out


class Player(_Stream):
    """Writes into a sink, of which at most `queue` samples wait there; it plays from the first sample on."""

    def __init__(self, server: str, device: str, rate: int, queue: int, piece: int) -> None:
        buffers = _BufferAttr(_DEFAULT, queue * _BYTES, 0, piece * _BYTES, _DEFAULT)
        super().__init__(server, _PLAYBACK, device, rate, buffers)

    def write(self, block: Samples) -> None:
        """Waits until there is room for the samples."""
        data = np.ascontiguousarray(block, np.float32)
        self._check(self._lib.pa_simple_write(self._stream, data.ctypes.data, data.nbytes, byref(self._error)))
