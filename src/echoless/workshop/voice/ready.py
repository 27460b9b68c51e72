"""Can this data set be trained on, here? Asked before anything heavy is loaded; `check` looks much closer."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from echoless.ears.voiceprint import VoiceprintError
from echoless.workshop.voice.dataset import DataSet
from echoless.workshop.voice.errors import WorkshopError
from echoless.workshop.voice.shapes import SHAPES
from echoless.workshop.voiceprint.sound import read, whole

LEAST = 8
"""Recordings."""
_LOOKED_AT = 20
"""Recordings whose sound is looked at, spread over the set."""
_SILENT = 1e-3


def ready(data: DataSet, run: Path, quality: str) -> None:
    """Raises WorkshopError where training on `data` in `run` cannot go well, with what to do about it."""
    there = [path for line in data.lines if (path := data.wav(line)).is_file()]
    if len(there) < LEAST:
        raise WorkshopError(
            f"{data.folder} has {len(there)} recordings: at least {LEAST} are needed, hundreds are better"
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


def _room(run: Path, gigabytes: float) -> None:
    here = next(each for each in (run, *run.absolute().parents) if each.exists())
    free = shutil.disk_usage(here).free / 1e9
    if free < 2.5 * gigabytes:
        raise WorkshopError(f"{run}: {free:.1f} GB of disk are free, {2.5 * gigabytes:.1f} are needed for checkpoints")
