"""What the loudspeaker of this machine plays, whoever plays it: the monitor source of a PulseAudio or PipeWire sink.

PortAudio cannot name a monitor source through ALSA, hence libpulse's simple API
(https://freedesktop.org/software/pulseaudio/doxygen/simple_8h.html) by ctypes; PipeWire answers to it as well.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable

import numpy as np

from echoless.lines.rings import Mark, Ring

_RECORD, _FLOAT32LE, _DEFAULT = 2, 5, 0xFFFFFFFF
_FRAGMENT = 0.01
"""Seconds that come at a time."""


class _Format(ctypes.Structure):
    _fields_ = [("format", ctypes.c_int), ("rate", ctypes.c_uint32), ("channels", ctypes.c_uint8)]


class _Buffer(ctypes.Structure):
    _fields_ = [(n, ctypes.c_uint32) for n in ("maxlength", "tlength", "prebuf", "minreq", "fragsize")]


def _library() -> ctypes.CDLL:
    lib = ctypes.CDLL("libpulse-simple.so.0")
    text, pointer = ctypes.c_char_p, ctypes.c_void_p
    lib.pa_simple_new.restype = pointer
    lib.pa_simple_new.argtypes = [text, text, ctypes.c_int, text, text, pointer, pointer, pointer, pointer]
    lib.pa_simple_read.argtypes = [pointer, pointer, ctypes.c_size_t, pointer]
    lib.pa_simple_get_latency.restype = ctypes.c_uint64
    lib.pa_simple_get_latency.argtypes = [pointer, pointer]
    lib.pa_simple_free.argtypes = [pointer]
    return lib


class MonitorTap:
    """Records, in a daemon thread, the sink that this process plays to: `$PULSE_SINK` or the default one.

    `ring` is mono float32 at `rate`, `mark` its latest time stamp by `clock`. It ends by itself when the server
    goes (`alive`). Raises OSError where there is no such library or source.
    """

    def __init__(self, rate: int, clock: Callable[[], float]) -> None:
        self.ring = Ring(4 * rate)
        self.mark: Mark | None = None
        self.alive = True
        self._clock, self._count = clock, round(_FRAGMENT * rate)
        self._lib = _library()
        sink = os.environ.get("PULSE_SINK")
        source = f"{sink}.monitor" if sink else "@DEFAULT_MONITOR@"
        wanted = _Buffer(_DEFAULT, _DEFAULT, _DEFAULT, _DEFAULT, 4 * self._count)
        form, error = _Format(_FLOAT32LE, rate, 1), ctypes.c_int()
        self._stream = self._lib.pa_simple_new(
            None, b"echoless", _RECORD, source.encode(), b"other sound of this machine", ctypes.byref(form), None,
            ctypes.byref(wanted), ctypes.byref(error),
        )  # fmt: skip
        if not self._stream:
            raise OSError(f"no source {source} (PulseAudio error {error.value})")
        self._thread = threading.Thread(target=self._run, name="echoless-monitor", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        error, data = ctypes.c_int(), np.empty(self._count, np.float32)
        read, latency = self._lib.pa_simple_read, self._lib.pa_simple_get_latency
        while self.alive:
            if read(self._stream, data.ctypes.data, data.nbytes, ctypes.byref(error)) < 0:
                break
            behind = latency(self._stream, ctypes.byref(error)) / 1e6
            if behind < 10.0:  # all bits are set on an error
                self.mark = Mark(self.ring.written, self._clock() - behind - _FRAGMENT)
            self.ring.write(np.nan_to_num(data))
        self.alive = False
        self._lib.pa_simple_free(self._stream)

    def close(self) -> None:
        """Ends with the next fragment; a stream that gives none any more stays with its daemon thread."""
        self.alive = False
        self._thread.join(0.2)
