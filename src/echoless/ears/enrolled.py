"""The people whose voices are known: one small JSON file each, readable by their owner alone.

A voiceprint is personal data about a body. It never leaves this folder, and `forget` deletes it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from echoless.ears.voiceprint import ME, Embedding, VoiceprintError

LARGEST = 64 << 10
"""Bytes of a voiceprint file that are read."""
MOST = 100
"""People: more would make a stranger look like one of them too often."""
ENCODER = "resemblyzer-0.1.4"
_NAME = re.compile(r"[\w][\w .'-]{0,39}")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who enrolled, with `seconds` of speech. `room` is what is known of the voice across a room."""

    name: str
    embedding: Embedding
    seconds: float
    room: Embedding | None = None
    """None in voiceprints of before there was one: enrol again."""

    @property
    def in_call(self) -> Embedding:
        """What a call compares with."""
        return self.embedding if self.room is None else self.room


def check_name(name: str) -> str:
    """The name as it is kept. Raises VoiceprintError where nobody can be called so."""
    name = " ".join(name.split())
    if not _NAME.fullmatch(name):
        raise VoiceprintError(f"{name[:60]!r} is no name: 1 to 40 letters, digits, blanks, '.-")
    if name.lower() == ME:
        raise VoiceprintError(f"{name!r} is what the agent's own voice is called: take another name")
    return name


def save(folder: Path, person: Person) -> Path:
    """Keep a person, in place of an older voiceprint by that name. Raises VoiceprintError."""
    name = check_name(person.name)
    path = _path(folder, name)
    kept = {
        "name": name,
        "encoder": ENCODER,
        "seconds": round(person.seconds, 1),
        "embedding": _written(person.embedding),
    }
    if person.room is not None:
        kept["room"] = _written(person.room)
    part = path.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(kept, file, ensure_ascii=False)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise VoiceprintError(f"{path} cannot be written: {error.strerror}") from None
    return path


def load(folder: Path) -> list[Person]:
    """Everybody, by name. A folder that is not there holds nobody. Raises VoiceprintError for a broken file."""
    paths = sorted(folder.glob("*.json"))
    if len(paths) > MOST:
        raise VoiceprintError(f"{folder} holds {len(paths)} voiceprints: at most {MOST} can be told apart")
    return [_read(path) for path in paths]


def forget(folder: Path, name: str) -> None:
    """Delete a person's voiceprint. Raises VoiceprintError where there is none."""
    path = _path(folder, check_name(name))
    try:
        path.unlink()
    except FileNotFoundError:
        raise VoiceprintError(f"nobody called {name!r} is enrolled; 'echoless voiceprint list' has the names") from None
    except OSError as error:
        raise VoiceprintError(f"{path} cannot be deleted: {error.strerror}") from None


def _path(folder: Path, name: str) -> Path:
    return folder / f"{quote(name.lower(), safe='')}.json"


def _read(path: Path) -> Person:
    broken = VoiceprintError(f"{path} is not a voiceprint of this version: delete it and enrol again")
    try:
        if path.stat().st_size > LARGEST:
            raise broken
        kept = json.loads(path.read_text(encoding="utf-8"))
        vectors = [np.array(kept[key], np.float32) for key in ("embedding", "room") if key in kept]
        person = Person(check_name(str(kept["name"])), vectors[0], float(kept["seconds"]), *vectors[1:])
    except OSError as error:
        raise VoiceprintError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise broken from None
    if "embedding" not in kept or kept.get("encoder") != ENCODER or not all(map(_unit, vectors)):
        raise broken
    return person


def _written(vector: Embedding) -> list[float]:
    return [round(float(x), 7) for x in vector]


def _unit(vector: Embedding) -> bool:
    return vector.shape == (256,) and bool(np.isfinite(vector).all() and abs(np.linalg.norm(vector) - 1) < 1e-3)
