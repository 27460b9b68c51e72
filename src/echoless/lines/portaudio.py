"""Sound cards through PortAudio (`sounddevice`): which there are, which one is meant, and how to open it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from echoless.lines.door import LineError

_RATES = (48_000, 16_000, 32_000, 24_000, 96_000)
_SHARED = ("pulse", "pipewire", "default", "sysdefault", "jack", "dmix")
"""ALSA names behind which is a sound server: its two directions are separate streams, whatever the name says.

PortAudio's full-duplex stream on PulseAudio starts with two seconds of backlog."""


@cache
def library() -> ModuleType:
    """The `sounddevice` module. Raises LineError where PortAudio is missing or cannot be loaded safely."""
    if sys.platform.startswith("linux"):
        _try_it_outside()
        _hush_alsa()
    try:
        with quiet():
            import sounddevice
    except (ImportError, OSError) as e:
        command = "brew install portaudio" if sys.platform == "darwin" else "apt-get install libportaudio2"
        raise LineError(f"There is no PortAudio on this machine ({e}): run `{command}`.") from e
    return sounddevice


def _try_it_outside() -> None:
    """Let another process load PortAudio first: a broken ALSA configuration aborts it, a hanging server hangs it."""
    probe = [sys.executable, "-P", "-c", "import contextlib\nwith contextlib.suppress(Exception): import sounddevice"]
    try:
        code = subprocess.run(probe, capture_output=True, timeout=15).returncode
    except subprocess.TimeoutExpired as e:
        raise LineError("The sound system does not answer: restart PulseAudio or PipeWire.") from e
    except OSError:  # no second process to be had: go on without
        return
    if code < 0:
        raise LineError(f"The sound system crashes when asked for its devices (signal {-code}): mend ~/.asoundrc.")


def _hush_alsa() -> None:
    """ALSA reports each underrun on standard error, amid the captions; we count them ourselves.

    Its error handler becomes a C function that does nothing with what it is given: one of Python's could be called
    when Python has gone.
    """
    with contextlib.suppress(OSError, AttributeError):
        nothing = ctypes.cast(ctypes.CDLL(None).abs, ctypes.c_void_p)
        ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(nothing)


@contextmanager
def quiet() -> Iterator[None]:
    """PortAudio and ALSA print what they try on the terminal; for a moment they cannot."""
    try:
        kept = os.dup(2)
    except OSError:  # no standard error to begin with
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


@dataclass(frozen=True, slots=True)
class Device:
    """A sound card's direction(s) as PortAudio names them. Channels are the most it offers."""

    index: int
    name: str
    system: str
    inputs: int
    outputs: int
    default_in: bool
    default_out: bool

    def __str__(self) -> str:
        ways = " and ".join(w for w, n in (("microphone", self.inputs), ("loudspeaker", self.outputs)) if n)
        default = " (default)" if self.default_in or self.default_out else ""
        return f"{self.index}: {self.name} [{self.system}], {ways}{default}"


def list_devices() -> list[Device]:
    """Every device there is at this moment. Raises LineError where PortAudio is missing."""
    sd = library()
    refresh()
    systems = sd.query_hostapis()
    first_in, first_out = sd.default.device
    return [
        Device(
            index=d["index"],
            name=d["name"],
            system=systems[d["hostapi"]]["name"],
            inputs=d["max_input_channels"],
            outputs=d["max_output_channels"],
            default_in=d["index"] == first_in,
            default_out=d["index"] == first_out,
        )
        for d in sd.query_devices()
    ]


_streams = 0
"""Open streams of this process: while there is one, PortAudio must not be started anew."""


def refresh() -> None:
    """Let PortAudio look again: it sees only the devices that were there when it was started."""
    sd = library()
    if _streams == 0:
        with quiet():
            sd._terminate()
            sd._initialize()


def find(wanted: int | str | None, way: str, devices: list[Device]) -> Device:
    """The device called `wanted`: its index, its name or a unique part of it; None is the default one.

    `way` is `microphone` or `loudspeaker`. Raises LineError that lists what there is.
    """
    fit = [d for d in devices if (d.inputs if way == "microphone" else d.outputs)]
    if not fit:
        raise LineError(
            f"There is no {way} on this machine: plug one in, or give sound files in its place (see --help)."
        )
    if wanted is None or wanted == "":
        return next((d for d in fit if (d.default_in if way == "microphone" else d.default_out)), fit[0])
    text = str(wanted).strip()
    if text.isdecimal():
        found = [d for d in fit if d.index == int(text)]
    else:
        found = [d for d in fit if d.name.lower() == text.lower()]
        found = found or [d for d in fit if text.lower() in d.name.lower()]
    if len(found) == 1 or (found and len({d.name for d in found}) == 1):
        return found[0]
    problem = "names several of them" if found else "is none of them"
    raise LineError(f"{text!r} {problem}. There is: {'; '.join(map(str, fit))}.")


def shared(device: Device) -> bool:
    """Whether a sound server is behind it, which mixes what several programs play."""
    return device.name.lower().startswith(_SHARED)


def duplex(one: Device, other: Device) -> bool:
    """Whether both directions are one piece of hardware with one clock."""
    return one.index == other.index and not shared(one)


def settings(device: Device, way: str, rate: int | None) -> tuple[int, int]:
    """A rate and a number of channels that the device takes. Raises LineError."""
    sd = library()
    check = sd.check_input_settings if way == "microphone" else sd.check_output_settings
    most = device.inputs if way == "microphone" else device.outputs
    preferred = (1, 2) if way == "microphone" else (2, 1)
    problem = "it offers no rate that is a multiple of 1000"
    for candidate in (rate,) if rate else _RATES:
        for channels in (*[c for c in preferred if c <= most], most):
            try:
                with quiet():
                    check(device=device.index, channels=channels, dtype="float32", samplerate=candidate)
            except (sd.PortAudioError, ValueError) as e:
                problem = str(e)
            else:
                return candidate, channels
    raise LineError(
        f"The {way} {device} cannot be used: {one_line(problem)}. Close what else uses it, or pick another."
    )


def started(stream: Any) -> Any:
    """Start a stream and count it."""
    global _streams
    with quiet():
        stream.start()
    _streams += 1
    return stream


def closed(stream: Any) -> None:
    """Silence a stream that `started` returned, at once, and let go of it."""
    global _streams
    sd = library()
    try:
        with quiet():
            stream.abort(ignore_errors=True)
            stream.close(ignore_errors=True)
    except sd.PortAudioError:
        pass
    _streams -= 1


def one_line(problem: object) -> str:
    return " ".join(str(problem).split())[:200]
