"""Single keys from the terminal while a call runs; the terminal is put back as it was, whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable
from types import TracebackType

try:
    import termios
    import tty
except ImportError:  # Windows: the call runs without keys, Ctrl-C ends it
    termios = None  # type: ignore[assignment]

SEQUENCE = re.compile(rb"\x1b(\[[0-9;?]*[ -/]*[@-~]|O.)")
"""What terminals send for arrows and function keys (ECMA-48 control sequences)."""


class Keys:
    """Calls `press` with each key, inside a running event loop. Quietly does nothing where stdin is no terminal.

    Escape is a key of its own: what terminals send for arrows and function keys starts with it and is left out.
    SIGTERM counts as `q`, so that a terminated call puts the terminal back too.
    """

    def __init__(self, press: Callable[[str], None], descriptor: int | None = None) -> None:
        self._press = press
        self._descriptor = descriptor
        self._before: list | None = None

    @property
    def alive(self) -> bool:
        """Whether keys are read."""
        return self._before is not None

    def __enter__(self) -> Keys:
        with contextlib.suppress(OSError, ValueError):
            self._descriptor = sys.stdin.fileno() if self._descriptor is None else self._descriptor
        if termios is None or self._descriptor is None or not os.isatty(self._descriptor):
            return self
        self._before = termios.tcgetattr(self._descriptor)
        self._listen()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._descriptor, self._read)
        with contextlib.suppress(ValueError, RuntimeError):  # not in the main thread
            loop.add_signal_handler(signal.SIGCONT, self._listen)  # back from Ctrl-Z
            loop.add_signal_handler(signal.SIGTERM, self._press, "q")
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._before is None or self._descriptor is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._descriptor)
        with contextlib.suppress(ValueError, RuntimeError):
            loop.remove_signal_handler(signal.SIGCONT)
            loop.remove_signal_handler(signal.SIGTERM)
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
        self._before = None

    def _listen(self) -> None:
        assert self._descriptor is not None
        with contextlib.suppress(termios.error):
            tty.setcbreak(self._descriptor, termios.TCSADRAIN)  # Ctrl-C still interrupts

    def _read(self) -> None:
        assert self._descriptor is not None
        try:
            typed = os.read(self._descriptor, 256)
        except OSError:
            typed = b""
        if not typed:  # the terminal has gone
            asyncio.get_running_loop().remove_reader(self._descriptor)
            return
        for key in SEQUENCE.sub(b"", typed).decode("utf-8", "ignore"):
            self._press(key)
