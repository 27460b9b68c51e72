"""Smart Turn v3.2 (Daily, BSD-2-Clause): the probability that a turn is finished, from the sound of the voice.

The model rides inside the `pipecat-ai` wheel, whose own dependencies are heavy. So that one member is taken out of
the wheel by package name, checked by its SHA-256 and kept in the user's data folder. It was trained on Whisper's
features (Radford et al., 2022: 80 log-mel bands, 25 ms windows every 10 ms) of the last 8 s, silence before.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_data_path

from echoless.ears.onnx import one_thread
from echoless.ears.turn_end import fused
from echoless.frames import RATE, Samples

PACKAGE = "pipecat-ai==1.14.0"
MEMBER = "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"
NAME = "smart-turn-v3.2-cpu.onnx"
SHA256 = "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"
LICENCE = "BSD-2-Clause"
WINDOW = 8 * RATE
BANDS = 80
_FFT, _HOP = 400, 160
_TIMEOUT = 180.0
"""Seconds that the package installer may take."""


class SmartTurnError(Exception):
    """The model cannot be had or read. One line that says what to do."""


def folder() -> Path:
    """Where the model is kept: `models` in the user's data folder, or where `ECHOLESS_MODELS` says."""
    return Path(os.environ.get("ECHOLESS_MODELS") or user_data_path("echoless") / "models")


def path() -> Path | None:
    """The model's file, if it is there."""
    file = folder() / NAME
    return file if file.is_file() else None


def fetch(again: bool = False) -> Path:
    """Take the model out of its wheel through pip (or uv), once; returns its file. Raises SmartTurnError.

    About 12 MB travel, 9 MB stay. Nothing of the package is installed or run.
    """
    target = folder() / NAME
    if not again and target.is_file() and _digest(target) == SHA256:
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as scratch:
            part = _member(Path(scratch))
            if _digest(part) != SHA256:
                raise SmartTurnError(f"{NAME} in {PACKAGE} is not the expected file (SHA-256 differs); not installed.")
            part.replace(target)
    except OSError as error:
        raise SmartTurnError(f"{NAME} cannot be stored in {target.parent}: {error}") from error
    return target


def _member(scratch: Path) -> Path:
    """The model, as a file in `scratch`."""
    if importlib.util.find_spec("pip"):
        wheels = scratch / "wheels"
        _install([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                  "--only-binary", ":all:", "--dest", str(wheels), PACKAGE])  # fmt: skip
        try:
            with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
                (scratch / NAME).write_bytes(wheel.read(MEMBER))
        except (StopIteration, KeyError, zipfile.BadZipFile) as error:
            raise SmartTurnError(f"{PACKAGE} does not hold {MEMBER}.") from error
        return scratch / NAME
    if uv := shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv"):
        tree = scratch / "tree"
        _install([uv, "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--no-compile-bytecode",
                  "--python", sys.executable, "--target", str(tree), PACKAGE])  # fmt: skip
        if (tree / MEMBER).is_file():
            return tree / MEMBER
        raise SmartTurnError(f"{PACKAGE} does not hold {MEMBER}.")
    raise SmartTurnError(f"{NAME} is fetched with pip or uv, and neither is here: python -m ensurepip")


def _install(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise SmartTurnError(f"{PACKAGE} could not be fetched within {_TIMEOUT:.0f} s: is there a network?") from None
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SmartTurnError(f"{PACKAGE} could not be fetched ({why}): is there a network?")


class SmartTurn:
    """`TurnEnd` by sound and words. 8 s of speech take about 50 ms on one core. Not reentrant."""

    def __init__(self, model: Path | None = None) -> None:
        file = model or path()
        if file is None:
            raise SmartTurnError("The turn-end model is not here: make setup (or echoless pull smart-turn)")
        try:
            self._session = one_thread(file)
        except Exception as error:
            raise SmartTurnError(f"{file} cannot be loaded ({error}): remove it and run make setup") from error

    def finished(self, sound: float, text: str, language: str | None = None) -> float:
        return fused(sound, text)

    def sounds_finished(self, speech: Samples) -> float:
        features = log_mel(speech)[np.newaxis]
        (probability,) = self._session.run(None, {self._session.get_inputs()[0].name: features})
        return float(np.clip(np.ravel(probability)[0], 0.0, 1.0))

    def close(self) -> None:
        """Nothing runs between calls."""


def log_mel(speech: Samples) -> NDArray[np.float32]:
    """Whisper's log-mel features of the last 8 s of `speech` (float32, 16 kHz; shorter is led by zeros): (80, 800)."""
    sound = np.zeros(WINDOW, np.float32)
    tail = np.nan_to_num(np.asarray(speech, np.float32)[-WINDOW:])
    if len(tail):
        sound[-len(tail) :] = tail
    sound = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)
    padded = np.pad(sound, _FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_HOP][:-1]
    power = np.abs(np.fft.rfft(frames * _hann(), axis=1)) ** 2
    mel = np.log10(np.maximum(_filters() @ power.T, 1e-10))
    return ((np.maximum(mel, mel.max() - 8.0) + 4.0) / 4.0).astype(np.float32)


@cache
def _hann() -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT) / _FFT)


@cache
def _filters() -> NDArray[np.float64]:
    """Triangles of equal area, evenly spaced on Slaney's mel scale (Auditory Toolbox, 1998): (80, 201)."""
    edges = _mel_to_hertz(np.linspace(0.0, _hertz_to_mel(RATE / 2), BANDS + 2))[:, np.newaxis]
    bins = np.linspace(0.0, RATE / 2, _FFT // 2 + 1)[np.newaxis]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (edges[2:] - edges[:-2])


_LINEAR = 200.0 / 3
"""Hertz a mel below 1 kHz; above it a mel is a step of 6.4 to the power of 1/27."""


def _hertz_to_mel(hertz: float) -> float:
    return hertz / _LINEAR if hertz < 1000 else 15 + 27 * float(np.log(hertz / 1000) / np.log(6.4))


def _mel_to_hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * _LINEAR, 1000 * 6.4 ** ((mel - 15) / 27))


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
