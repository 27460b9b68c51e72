"""The call record: a folder with `call.json`, `events.jsonl` and three WAVs on one clock (see docs/design.md)."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from echoless import __version__
from echoless.frames import RATE, Block, Event, Samples

TRACKS = ("mic", "speaker", "clean")
KEPT = 31
"""Blocks (half a second) that are written at once: one by one they cost an eighth of a simulated call."""


class Recorder:
    """Writes a call as it goes, so that a killed call still leaves what was heard. Only the owner can read it."""

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        """`about` goes into `call.json`: versions, configuration, sha256 of each model. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.folder = folder
        call = {"echoless": __version__, "rate": RATE, **about}
        (folder / "call.json").write_text(json.dumps(call, indent=1, ensure_ascii=False, default=str), "utf-8")
        self._events = (folder / "events.jsonl").open("w", encoding="utf-8")
        self._tracks = {name: soundfile.SoundFile(folder / f"{name}.wav", "w", RATE, 1, "PCM_16") for name in TRACKS}
        self._waiting: dict[str, list[Samples]] = {name: [] for name in TRACKS}
        for path in folder.iterdir():
            if path.is_file():
                path.chmod(0o600)

    def event(self, event: Event) -> None:
        """Append one event."""
        self._events.write(json.dumps(event.as_json(), ensure_ascii=False, default=_plain) + "\n")
        self._events.flush()

    def block(self, block: Block, clean: Samples) -> None:
        """Append 16 ms to every track, with silence for what the device lost."""
        for name, samples in zip(TRACKS, (block.microphone, block.reference, clean), strict=True):
            if block.lost:
                self._waiting[name].append(np.zeros(block.lost, np.float32))
            self._waiting[name].append(samples.copy())
        if len(self._waiting[TRACKS[0]]) >= KEPT:
            self._write()

    def _write(self) -> None:
        for name, waiting in self._waiting.items():
            if waiting:
                self._tracks[name].write(np.clip(np.concatenate(waiting), -1.0, 1.0))
                waiting.clear()

    def close(self) -> None:
        """Finish the files."""
        self._events.close()
        self._write()
        for track in self._tracks.values():
            track.close()


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} in an event")


def forget_old(folder: Path) -> list[Path]:
    """Delete the call records right under `folder` that have outlived their own `keep_days`; those that went."""
    old = [path.parent for path in folder.glob("*/call.json") if _outlived(path)]
    for record in old:
        shutil.rmtree(record)
    return old


def _outlived(path: Path) -> bool:
    """Whether a record says for how long it is kept, and that is over. Others are not ours to delete."""
    try:
        call = json.loads(path.read_text("utf-8"))
        days = float(call["keep_days"]) if "echoless" in call else 0.0
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return 0 < days < (time.time() - path.stat().st_mtime) / 86_400
