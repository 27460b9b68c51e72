"""Real recorded people for the suite: which recordings there are, and what each is good for."""

from __future__ import annotations

import csv
import os
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from echoless.frames import RATE, Samples
from echoless.rooms.bursts import frame_levels
from echoless.rooms.levels import active_level, read_wav
from echoless.rooms.script import ScriptError
from echoless.rooms.talkers import trim

SHORT = ("stop", "no")
"""Recorded words that stop the agent by themselves. Other single words (go, off, none) are taken for nods."""
NODS = ("right", "yes")
JUDGES = ("librispeech_test_other", "cmu_arctic", "ljspeech", "picovoice_barista", "aishell1")
"""Folders whose people talk in the suite. Nothing is trained on them (`librispeech_train_clean` is for that)."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One line of INDEX.tsv."""

    path: Path
    seconds: float
    speaker: str
    language: str
    text: str

    @property
    def folder(self) -> str:
        return self.path.parent.name


def shared_folder() -> Path:
    """Where the recordings are: `$ECHOLESS_SHARED`, else `shared` beside the checkout. Raises ScriptError."""
    given = os.environ.get("ECHOLESS_SHARED")
    for folder in [Path(given)] if given else [Path.cwd().parent / "shared", Path.cwd() / "shared"]:
        if (folder / "speech" / "INDEX.tsv").is_file():
            return folder
    raise ScriptError("no recorded people: set ECHOLESS_SHARED to the folder that holds speech/INDEX.tsv")


class People:
    """Draws recordings. Every draw follows from the generator that is given."""

    def __init__(self, shared: Path | None = None) -> None:
        self.folder = (shared or shared_folder()) / "speech"
        self.recordings = index(self.folder)
        by_name = {r.path.stem: r for r in self.recordings if r.folder == "words_fc"}
        self.short = [by_name[word] for word in SHORT if word in by_name]
        self.nods = [by_name[word] for word in NODS if word in by_name]
        judges = [r for r in self.recordings if r.folder in JUDGES and not r.path.stem.startswith("sb_")]
        fluent = [r for r in judges if _fluent(r)]
        self.questions = self.phrases = fluent
        self.quotable = [r for r in fluent if r.text and r.language == "en" and 2.0 <= r.seconds <= 6.5]
        self.noises = sorted((self.folder / "noise").glob("*.wav"))
        self.television = sorted((self.folder / "ami").glob("*.wav"))

    def same_person(self, like: Recording, of: list[Recording], draw: random.Random) -> Recording:
        """Something else by the same person, where there is anything."""
        mine = [r for r in of if r.speaker == like.speaker and r.path != like.path]
        return draw.choice(mine or of)


def _fluent(recording: Recording) -> bool:
    """Whether somebody says 1.2 to 7 s without a pause that anybody could take for the end of a turn."""
    if recording.seconds > 11:
        return False
    sound = trim(read_wav(recording.path))
    if not 1.2 <= len(sound) / RATE <= 7.0:
        return False
    on = np.flatnonzero(frame_levels(sound) > active_level(sound) - 30)
    return bool(np.diff(on).max() < 45)


def index(folder: Path) -> list[Recording]:
    """The recordings that INDEX.tsv in `folder` lists and that are there."""
    with (folder / "INDEX.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        Recording(folder / r["file"], float(r["seconds"]), r["speaker_id"], r["language"], r["transcript"])
        for r in rows
        if (folder / r["file"]).is_file()
    ]


def cough(seed: int) -> Samples:
    """A made-up cough: an explosive burst and a breathy second phase, about 0.4 s. Nobody's recording."""
    rng = np.random.default_rng([seed, 10])
    t = np.arange(int(0.4 * RATE)) / RATE
    burst = np.exp(-t / 0.03) * np.minimum(1, t / 0.004)
    breath = 0.35 * np.exp(-(((t - 0.18) / 0.07) ** 2))
    x = rng.standard_normal(len(t)) * (burst + breath)
    spectrum = np.fft.rfft(x)
    hertz = np.fft.rfftfreq(len(x), 1 / RATE)
    shape = sum(np.exp(-(((hertz - f) / w) ** 2)) for f, w in ((500, 250), (1500, 500), (3000, 900))) + 0.05
    y = np.fft.irfft(spectrum * shape, len(x))
    return (0.3 * y / np.max(np.abs(y))).astype(np.float32)


def music(seed: int, seconds: float = 20.0) -> Samples:
    """Made-up music: chords, a bass and a beat. Nobody's recording."""
    rng = np.random.default_rng([seed, 11])
    out = np.zeros(int(seconds * RATE))
    beat = int(0.5 * RATE)
    t = np.arange(beat) / RATE
    root = 110.0
    for k in range(len(out) // beat):
        if k % 4 == 0:
            root = 110.0 * 2 ** (int(rng.choice([0, 3, 5, 7])) / 12)
        notes = [root / 2, *(root * 2 ** (s / 12) for s in (0, 4, 7)), root * 2 ** (int(rng.integers(0, 12)) / 12) * 2]
        tone = sum(np.sin(2 * np.pi * f * h * t) / h for f in notes for h in (1, 2, 3))
        drum = rng.standard_normal(beat) * np.exp(-t / 0.02) * (2.0 if k % 2 == 0 else 0.8)
        out[k * beat : (k + 1) * beat] = tone * np.exp(-t / 0.4) + drum
    return (0.3 * out / np.max(np.abs(out))).astype(np.float32)


def nod(seed: int) -> Samples:
    """A made-up "mm-hmm": two voiced humps at a drawn pitch. Nobody's recording."""
    rng = np.random.default_rng([seed, 12])
    t = np.arange(int(0.55 * RATE)) / RATE
    pitch = rng.uniform(110, 220) * (1 + 0.15 * (t > 0.28) + 0.05 * np.sin(2 * np.pi * 3 * t))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    x = sum(np.sin(h * phase) * np.exp(-0.55 * h) for h in range(1, 12))
    humps = np.exp(-(((t - 0.13) / 0.08) ** 2)) + 1.1 * np.exp(-(((t - 0.41) / 0.09) ** 2))
    y = x * humps + 0.003 * rng.standard_normal(len(t))
    return (0.3 * y / np.max(np.abs(y))).astype(np.float32)


def write_made_up(folder: Path, count: int = 6) -> dict[str, list[Path]]:
    """Write coughs, nods and music into `folder`; their paths by kind."""
    folder.mkdir(parents=True, exist_ok=True)
    out: dict[str, list[Path]] = {}
    for kind, make in (("cough", cough), ("nod", nod), ("music", music)):
        for seed in range(count if kind != "music" else 2):
            path = folder / f"{kind}{seed}.wav"
            if not path.exists():
                soundfile.write(path, make(seed), RATE, subtype="PCM_16")
            out.setdefault(kind, []).append(path)
    return out
