"""How long the user waits against how often one is cut off: `python -m echoless.bench.turn_end`.

Real recordings (`shared/speech`) in two sets of people: one to tune on, the other to report. A *finish* is where a
recording's speech ends. A *hesitation* is a pause of 0.2-2 s, seeded, put between two words in the middle of it and
filled with that recording's own background; between words is a dip in level up to which the recogniser reads the
beginning of what it reads in the whole. Silero finds where speech stopped, the recogniser writes the words
so far, `TurnEnd` is asked on the same sound as in a call; a hesitation is cut off if the turn is taken to have ended
before the speaker goes on. Replies are not revoked here, so a call cuts off less than this says.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from rich.console import Console
from rich.progress import track
from rich.table import Table

from echoless.ears.choose import open_recogniser
from echoless.ears.door import Recogniser
from echoless.ears.smart_turn import SmartTurn, SmartTurnError
from echoless.ears.turn_end import Tuning, fused, patience
from echoless.ears.vad import CHUNK, VoiceActivity
from echoless.ears.words import tokens
from echoless.frames import RATE, Samples

TUNE = ("ls1867", "ls27", "ls2910", "ls3830", "ls4014", "ls5652", "ls6000", "ls6064", "ls6531", "ls7505",
        "ls367", "ls1998", "pvb_c23", "pvb_c29", "arctic_axb")  # fmt: skip
REPORT = ("ls1688", "ls2033", "ls3080", "pvb_c24", "pvb_c28", "pvb_c42", "arctic_aew", "jfk")
MANDARIN = ("aishell_S0150", "aishell_S0724", "cosy_prompt")
SETS = {"tune": TUNE, "report": REPORT, "mandarin": MANDARIN}
CUTS = 3
"""Hesitations made of each recording."""
KEEP = 0.35
"""Silero's probability over which speech goes on, as in the listener."""
TAIL = 6 * 256
"""Samples of silence that `TurnEnd` gets to hear."""


@dataclass(frozen=True, slots=True)
class Example:
    """Speech up to a silence that lasts `pause` seconds; inf at a finish. `end` is its last sample of speech."""

    file: str
    person: str
    language: str
    sound: Samples
    end: int
    pause: float


@dataclass(frozen=True, slots=True)
class Judged:
    """What the ears made of an example: `late` seconds after `end` Silero fell silent; probabilities; words."""

    group: str
    file: str
    person: str
    pause: float
    late: float
    sound: float
    text: str
    went_on: bool


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    console = Console()
    shared = Path(options.shared) / "speech"
    if not (shared / "INDEX.tsv").is_file():
        console.print(f"No recordings in {shared}: set ECHOLESS_SHARED to the folder that holds speech/.")
        return 2
    try:
        judged = _load(options.use) if options.use else list(_judge_all(shared, options.seed))
    except SmartTurnError as error:
        console.print(str(error))
        return 2
    if options.save:
        options.save.write_text(json.dumps([asdict(each) for each in judged], ensure_ascii=False, indent=0))
    for group in SETS:
        for manner, spoken in (("said to a machine", True), ("read aloud", False)):
            part = [each for each in judged if each.group == group and each.person.startswith("pvb") == spoken]
            if part:
                console.print(_table(f"{group}, {manner}", part))
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", default=os.environ.get("ECHOLESS_SHARED", "../shared"), help="folder of speech/")
    parser.add_argument("--seed", type=int, default=1, help="where the pauses are and how long")
    parser.add_argument("--save", type=Path, help="keep what was judged in this JSON file")
    parser.add_argument("--use", type=Path, help="take it from there instead of judging again")
    return parser.parse_args(arguments)


def _load(file: Path) -> list[Judged]:
    return [Judged(**each) for each in json.loads(file.read_text())]


# --- examples -------------------------------------------------------------------------------------------------


def recordings(shared: Path, people: Iterable[str]) -> Iterator[tuple[dict[str, str], Samples]]:
    """Rows of the index with their sound, float32 at 16 kHz, cut to the speech in it."""
    wanted = set(people)
    with (shared / "INDEX.tsv").open(encoding="utf-8", newline="") as index:
        rows = list(csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE))
    for row in rows:
        if row["speaker_id"] in wanted and float(row["seconds"]) > 1.5:
            sound, rate = sf.read(shared / row["file"], dtype="float32")
            yield row, soxr.resample(sound, rate, RATE).astype(np.float32)


def examples(
    row: dict[str, str], sound: Samples, rng: np.random.Generator, recogniser: Recogniser | None, cuts: int = CUTS
) -> Iterator[Example]:
    """The finish of one recording and up to `cuts` hesitations in it. Without a recogniser any dip will do."""
    first, last = _speech(sound)
    hush = _background(sound)
    about = row["file"], row["speaker_id"], row["language"] or "en"
    yield Example(*about, np.concatenate([sound[:last], _fill(hush, 4 * RATE, rng)]), last, np.inf)
    places = dips(sound, first + RATE, last - RATE // 2)
    rng.shuffle(places)
    for at in itertools.islice(between_words(sound[:last], places, recogniser), cuts):
        pause = float(rng.uniform(0.2, 2.0))
        silence = _fill(hush, int(pause * RATE), rng)
        yield Example(*about, np.concatenate([sound[:at], silence, sound[at : at + RATE]]), at, pause)


def dips(sound: Samples, begin: int, end: int, depth: float = 15.0, apart: int = RATE // 2) -> list[int]:
    """Samples between `begin` and `end` at which the sound is `depth` dB below its speech level for 40 ms."""
    power = _power(sound)
    level = np.percentile(power, 90) - depth
    quiet = np.convolve((power < level).astype(int), np.ones(4, int), "same") >= 4
    found: list[int] = []
    for frame in np.flatnonzero(quiet):
        at = int(frame) * 160
        if begin <= at < end and (not found or at - found[-1] >= apart):
            found.append(at)
    return found


def between_words(sound: Samples, places: list[int], recogniser: Recogniser | None) -> Iterator[int]:
    """Those of `places` before which the words are the first words of the whole."""
    if recogniser is None:
        yield from places
        return
    whole = tokens(recogniser.transcribe(sound[: 28 * RATE]).text)
    for at in places:
        begun = tokens(recogniser.transcribe(sound[:at]).text) if at < 28 * RATE else []
        if begun and len(begun) < len(whole) and begun == whole[: len(begun)]:
            yield at


def _power(sound: Samples) -> np.ndarray:
    """dB of each 10 ms."""
    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160).astype(np.float64)
    return np.asarray(10 * np.log10(np.mean(frames**2, axis=1) + 1e-10))


def _speech(sound: Samples) -> tuple[int, int]:
    """First and last sample of speech: frames within 30 dB of the loud ones and 10 dB over the background."""
    power = _power(sound)
    top, floor = np.percentile(power, 95), np.percentile(power, 2)
    loud = np.flatnonzero(power > max(top - 30, min(floor + 10, top - 12)))
    return int(loud[0]) * 160, int(loud[-1] + 1) * 160


def _background(sound: Samples) -> Samples:
    """The quietest 0.2 s of a recording."""
    power = np.convolve(_power(sound), np.ones(20), "valid")
    at = int(np.argmin(power)) * 160
    return sound[at : at + RATE // 5]


def _fill(hush: Samples, samples: int, rng: np.random.Generator) -> Samples:
    """Background of any length: pieces of `hush`, each turned about or not, faded into each other."""
    fade = len(hush) // 4
    ramp = np.sqrt(np.linspace(0, 1, fade, dtype=np.float32))
    out = np.zeros(samples + 2 * len(hush), np.float32)
    for at in range(0, samples + fade, len(hush) - fade):
        piece = (hush[::-1] if rng.random() < 0.5 else hush).copy()
        piece[:fade] *= ramp
        piece[-fade:] *= ramp[::-1]
        out[at : at + len(hush)] += piece
    return out[fade : fade + samples]


# --- judging --------------------------------------------------------------------------------------------------


def _judge_all(shared: Path, seed: int) -> Iterator[Judged]:
    recogniser, voice = open_recogniser(), SmartTurn()
    for group, people in SETS.items():
        rng = np.random.default_rng(seed)
        of_group = list(recordings(shared, people))
        for row, sound in track(of_group, f"judging {group}", console=Console(stderr=True)):
            reader = recogniser if row["language"] == "en" else None
            for example in examples(row, sound, rng, reader):
                yield judge(group, example, reader, voice)
    recogniser.close()


def judge(group: str, example: Example, recogniser: Recogniser | None, voice: SmartTurn) -> Judged:
    """What the ears know at the silence of `example`."""
    silent = silent_from(example.sound, example.end)
    heard = example.sound[: silent + TAIL]
    text = recogniser.transcribe(heard[-28 * RATE :]).text if recogniser else ""
    late = (silent - example.end) / RATE
    return Judged(group, example.file, example.person, example.pause, late, voice.sounds_finished(heard), text,
                  late > example.pause - 0.13)  # fmt: skip


def silent_from(sound: Samples, end: int) -> int:
    """The sample after the last chunk that Silero calls speech, at a silence that begins at `end`."""
    activity = VoiceActivity()
    last = end
    for at in range(0, len(sound) - CHUNK + 1, CHUNK):
        voiced = activity(sound[at : at + CHUNK]) > KEEP
        if voiced:
            last = at + CHUNK
        elif at > end and at - last >= 4 * CHUNK:
            break
    return last


# --- the curve ------------------------------------------------------------------------------------------------


def outcome(judged: Iterable[Judged], tuning: Tuning, fuse: bool = True, ask: float = 0.3) -> dict[str, float]:
    """Share of hesitations cut off, and quantiles of the wait at finishes, seconds.

    `ask` is the silence at which the answer is there at the earliest (the listener's hang, recognition, the model).
    """
    waits, cut = [], []
    for each in judged:
        p = fused(each.sound, each.text) if fuse else each.sound
        wait = each.late + max(patience(p, tuning).end, ask)
        if np.isinf(each.pause):
            waits.append(wait)
        else:
            cut.append(not each.went_on and wait < each.pause)
    return {"cut": float(np.mean(cut)), "p50": float(np.median(waits)), "p95": float(np.percentile(waits, 95)),
            "mean": float(np.mean(waits)), "hesitations": len(cut), "finishes": len(waits)}  # fmt: skip


def _table(group: str, judged: list[Judged]) -> Table:
    some = outcome(judged, Tuning())
    title = f"{group}: {some['finishes']:.0f} finishes, {some['hesitations']:.0f} hesitations of 0.2-2 s"
    table = Table("decided by", "cut off", "wait p50", "p95", "mean", title=title)
    rows: list[tuple[str, Tuning, bool]] = [
        (f"silence of {wait:.1f} s alone", Tuning(sure=wait, unsure=wait), False) for wait in (0.3, 0.5, 0.7, 1.0, 1.5)
    ]
    rows += [("voice, as tuned", Tuning(), False), ("voice and words, as tuned", Tuning(), True)]
    for name, tuning, fuse in rows:
        found = outcome(judged, tuning, fuse)
        table.add_row(name, f"{found['cut']:.1%}", *(f"{found[key]:.2f} s" for key in ("p50", "p95", "mean")))
    return table


if __name__ == "__main__":
    sys.exit(main())
