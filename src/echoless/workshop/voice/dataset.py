"""A data set of one voice, in the format of LJSpeech: `metadata.csv` (id|text|text) and `wavs/ID.wav`.

Beside them `about.json` says whose voice it is, by what right, and what was done to it, and `consent.wav` keeps the
spoken consent. Other trainers read the first two and leave the rest alone.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from echoless.workshop.voice.errors import WorkshopError

LARGEST = 16 << 20
"""Bytes of a metadata.csv that are read."""
_ID = re.compile(r"[\w][\w.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Line:
    """One recording."""

    id: str
    text: str


@dataclass(slots=True)
class About:
    """Where a data set comes from. `steps` are what was done to it, oldest first."""

    language: str = "en"
    speaker: str = ""
    licence: str = "the speaker's own; ask before passing it on"
    consent: str = ""
    """The sentence that was spoken into consent.wav; empty where there is none."""
    synthetic: bool = False
    """Whether a machine spoke, and no person."""
    steps: list[str] = field(default_factory=list)


class DataSet:
    """The folder of a data set. `open` reads one, `create` begins or goes on with one. Raises WorkshopError."""

    def __init__(self, folder: Path, about: About, lines: list[Line]) -> None:
        self.folder, self.about, self.lines = folder, about, lines

    @classmethod
    def open(cls, folder: Path) -> DataSet:
        """A data set that is there."""
        path = folder / "metadata.csv"
        if not path.is_file():
            raise WorkshopError(f"{folder} is no data set: it has no metadata.csv (echoless voice record makes one)")
        about = _about(folder / "about.json")
        return cls(folder, about, _lines(path))

    @classmethod
    def create(cls, folder: Path, about: About) -> DataSet:
        """A data set to add to; one that is there already is gone on with."""
        path = folder / "metadata.csv"
        if path.exists() and (path.stat().st_size or (folder / "about.json").exists()):  # else begun on a full disk
            return cls.open(folder)
        try:
            (folder / "wavs").mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError as error:
            raise WorkshopError(f"{folder} cannot be written: {error.strerror}") from None
        made = cls(folder, about, [])
        made.save()
        return made

    @property
    def consent(self) -> Path:
        return self.folder / "consent.wav"

    def wav(self, line: Line) -> Path:
        return self.folder / "wavs" / f"{line.id}.wav"

    def add(self, line: Line) -> None:
        """Add a line, in place of one by that id; its WAV is there already."""
        text = " ".join(line.text.replace("|", " ").replace('"', "").split())
        self.lines = [*(each for each in self.lines if each.id != line.id), Line(line.id, text)]
        self.save()

    def save(self) -> None:
        """Write metadata.csv and about.json, each at once or not at all."""
        rows = "".join(f"{each.id}|{each.text}|{each.text}\n" for each in self.lines)
        _replace(self.folder / "metadata.csv", rows)
        _replace(self.folder / "about.json", json.dumps(asdict(self.about), indent=1, ensure_ascii=False) + "\n")


def _replace(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise WorkshopError(f"{path} cannot be written: {error.strerror}") from None


def _lines(path: Path) -> list[Line]:
    if path.stat().st_size > LARGEST:
        raise WorkshopError(f"{path} is larger than {LARGEST >> 20} MB: that is no data set of one voice")
    found = []
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines(), delimiter="|", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise WorkshopError(f"{path} cannot be read: {error}") from None
    for number, row in enumerate(rows, 1):
        name = row[0].removesuffix(".wav") if row else ""
        if not _ID.fullmatch(name) or len(row) < 2 or not row[-1].strip():
            raise WorkshopError(f"{path}, line {number}: 'id|text' is wanted, with an id of letters, digits, '.-_'")
        found.append(Line(name, row[-1].strip()))
    return found


def _about(path: Path) -> About:
    if not path.exists():
        return About(steps=["somebody else's data set: nothing is known of it"])
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        known = {name: kept[name] for name in About.__slots__ if name in kept}
        if not isinstance(kept, dict) or any(type(kept[name]) is not type(getattr(About(), name)) for name in known):
            raise ValueError("another kind of value")
        return About(**known)
    except (OSError, ValueError, TypeError, RecursionError):
        raise WorkshopError(f"{path} is broken: mend it, or delete it (then nothing is known of the voice)") from None
