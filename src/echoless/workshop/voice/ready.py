"""Can this data set be trained on, or recoloured, here? Asked before torch is; `check` looks much closer."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from echoless.ears.voiceprint import VoiceprintError, speech_of
from echoless.frames import RATE, Samples
from echoless.workshop.voice.dataset import DataSet
from echoless.workshop.voice.errors import WorkshopError
from echoless.workshop.voice.shapes import SHAPES
from echoless.workshop.voiceprint.sound import read, whole

LEAST = 8
"""Recordings."""
_LOOKED_AT = 20
"""Recordings whose sound is looked at, spread over the set."""
_SILENT = 1e-3
COLOUR, MOST = 5.0, 30.0
"""Seconds of speech that a tone colour is taken from, at least and at most."""
CONVERTER = ("config.json", "checkpoint.pth")
"""The files of OpenVoice V2's converter."""


def ready(data: DataSet, run: Path, quality: str) -> None:
    """Raises WorkshopError where training on `data` in `run` cannot go well, with what to do about it."""
    there = [path for line in data.lines if (path := data.wav(line)).is_file()]
    if len(there) < LEAST:
        raise WorkshopError(
            f"{data.folder}: {LEAST} recordings at least are needed, hundreds are better, and {len(there)} are there"
        )
    try:
        for path in there:
            whole(path)
        some = [there[round(at)] for at in np.linspace(0, len(there) - 1, min(_LOOKED_AT, len(there)))]
        loudest = max(float(np.abs(read(path)).max()) for path in some)
    except VoiceprintError as error:
        raise WorkshopError(f"{error} (or delete it; 'echoless voice check {data.folder}' names every fault)") from None
    if loudest < _SILENT:
        raise WorkshopError(f"{data.folder}: nobody speaks in any of the recordings; was the microphone on?")
    _room(run, SHAPES[quality].gigabytes)


def ready_to_recolour(base: DataSet, like: list[Path], converter: Path) -> None:
    """Raises WorkshopError where a part is missing, with what to do about it."""
    if not base.lines:
        raise WorkshopError(f"{base.folder} has no recordings to recolour")
    for name in CONVERTER:
        if not (converter / name).is_file():
            raise WorkshopError(
                f"{converter / name} is missing: fetch it with 'echoless pull myshell-ai/OpenVoiceV2/converter/{name}'"
            )
    spoken_in(like, ", ".join(map(str, like)))


def spoken_in(paths: list[Path], name: str) -> Samples:
    """The speech in some recordings that a colour can be taken from, float32 at 16 kHz. Raises WorkshopError."""
    try:
        speech = np.concatenate([speech_of(read(path)) for path in paths])
    except VoiceprintError as error:
        raise WorkshopError(str(error)) from None
    if len(speech) < COLOUR * RATE:
        raise WorkshopError(
            f"{name}: only {len(speech) / RATE:.1f} s of speech; {COLOUR:.0f} are needed, {MOST:.0f} are better"
        )
    return speech[: round(MOST * RATE)]


def _room(run: Path, gigabytes: float) -> None:
    here = next(each for each in (run, *run.absolute().parents) if each.exists())
    free = shutil.disk_usage(here).free / 1e9
    if free < 2.5 * gigabytes:
        raise WorkshopError(f"{run}: {free:.1f} GB of disk are free, {2.5 * gigabytes:.1f} are needed for checkpoints")
