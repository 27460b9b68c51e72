"""The calls of runs, from their folders or packed into one file: to be carried from machine to machine and counted
together. Scripts are made from seeds, so a packed call is its scores, its claims and how it ran."""

from __future__ import annotations

import io
import json
import lzma
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import soundfile

from echoless.rooms.measures import failed, pool
from echoless.rooms.scorer import Scores

TRACKS = ("mic", "speaker", "clean", "user", "reference")
WORST, WORST_BYTES = 5, 11_000_000
"""Calls whose sound goes with a packed run, and bytes of sound after which no other call's does."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a run. `folder` is where it is or was rehearsed: files need not be there any more."""

    folder: Path
    scores: Scores
    words: list[dict[str, Any]]
    claimed_ducks: float = 0.0
    """Seconds for which, by its own record, the agent held its breath though nobody spoke."""
    went_on: list[float] = field(default_factory=list)
    """When, by its own record, what was scored a self-answer was the same reply that it had held."""
    to_nobody: list[tuple[float, str]] = field(default_factory=list)
    """When, by its own record, the agent answered which words, though nobody had spoken."""
    run: dict[str, Any] = field(default_factory=dict)
    """Seed, voice, costs, late blocks."""

    @property
    def family(self) -> str:
        return str(self.scores.tags.get("family", "?"))

    @property
    def level(self) -> float:
        return float(self.scores.tags.get("echo_db", 0))


def read(source: Path) -> list[Call]:
    """All calls of a run that are done, from its folder or from what `pack` made. Raises ValueError, one line."""
    rows = _unpacked(source) if source.is_file() else _in_folder(source)
    return [_call(source, row) for row in rows]


def together(sources: Iterable[Path]) -> list[Call]:
    """The calls of several sources, those with the same name and seed counted once."""
    found = {(c.folder.name, c.run.get("seed")): c for source in sources for c in read(source)}
    return list(found.values())


def pack(source: Path, packed: Path) -> int:
    """Write a run's calls into one file, xz-compressed lines of JSON; how many there are."""
    count = 0
    with lzma.open(packed, "wt", encoding="utf-8") as file:
        for row in _in_folder(source):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def pack_sound(calls: Sequence[Call], packed: Path, most: int = WORST) -> list[str]:
    """Write the sound of the worst calls whose sound was kept into a tar of FLACs; their names."""
    names: list[str] = []
    with tarfile.open(packed, "w") as tar:
        for call in sorted((c for c in calls if any(badness(c))), key=badness, reverse=True):
            there = [t for t in TRACKS if (call.folder / f"{t}.wav").is_file()]
            if not there:
                continue
            for track in there:
                samples, rate = soundfile.read(call.folder / f"{track}.wav", dtype="int16")
                flac = io.BytesIO()
                soundfile.write(flac, samples, rate, format="FLAC", subtype="PCM_16")
                _add(tar, f"{call.folder.name}/{track}.flac", flac.getvalue())
            for name in ("run.json", "scores.json", "events.jsonl"):
                if (call.folder / name).is_file():
                    _add(tar, f"{call.folder.name}/{name}", (call.folder / name).read_bytes())
            names.append(call.folder.name)
            if len(names) == most or tar.offset > WORST_BYTES:
                break
    return names


def badness(call: Call) -> tuple[int, int, int]:
    """For finding the worst calls: self-answers first, then self-interruptions, then what else was missed."""
    answers = sum(b["kind"] in ("self_answer", "unprompted") for b in call.scores.bursts)
    return answers, len(call.scores.self_interruptions), len(failed(pool([call.scores])))


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size = len(content)
    tar.addfile(about, io.BytesIO(content))


def _in_folder(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted((folder / "calls").glob("*/scores.json")):
        here = path.parent
        row: dict[str, Any] = {"name": here.name, "scores": json.loads(path.read_text())}
        row["scores"].pop("measures", None)
        for name in ("claims", "run"):
            file = here / f"{name}.json"
            row[name] = json.loads(file.read_text()) if file.is_file() else {}
        row["run"].pop("script", None)
        yield row


def _unpacked(packed: Path) -> Iterator[dict[str, Any]]:
    try:
        with lzma.open(packed, "rt", encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)
    except (lzma.LZMAError, EOFError, ValueError) as wrong:
        raise ValueError(f"{packed}: no packed run ({wrong})") from None


def _call(source: Path, row: dict[str, Any]) -> Call:
    claims = row.get("claims") or {"words": [], "false_ducks": []}
    ducks = sum(length for _, length in claims["false_ducks"])
    folder = (source if source.is_dir() else source.parent) / "calls" / row["name"]
    went_on, to_nobody = claims.get("went_on", []), claims.get("to_nobody", [])
    return Call(folder, Scores(**row["scores"]), claims["words"], ducks, went_on, to_nobody, row.get("run", {}))
