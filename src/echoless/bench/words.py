"""How many words a recogniser gets wrong: `python -m echoless.bench.words [--recogniser NAME --model MODEL]`.

Word error rate (substitutions, deletions and insertions over words said; characters for Mandarin) on LibriSpeech
test-other and the other transcribed recordings in `shared/speech`, and which of the short words are heard.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections import defaultdict
from pathlib import Path

import soundfile as sf
import soxr
from rapidfuzz.distance import Levenshtein
from rich.console import Console
from rich.progress import track
from rich.table import Table

from echoless.ears.choose import DEFAULT, open_recogniser
from echoless.ears.door import RecogniserError
from echoless.ears.words import tokens
from echoless.frames import RATE, Samples

SETS = ("librispeech_test_other", "cmu_arctic", "ljspeech", "jfk", "words_fc", "words_moonshine", "aishell1", "zh_misc")
GROWS = round(0.8 * RATE)
"""Samples after which words so far are asked for again."""
_SPOKEN = {"mr": "mister", "mrs": "missus", "dr": "doctor"}


def spoken(text: str) -> list[str]:
    """Words of `text` for counting errors: as tokens, titles written out."""
    return [_SPOKEN.get(word, word) for word in tokens(text.replace("-", " "))]


def read(file: Path) -> Samples:
    """A recording as float32 at 16 kHz."""
    samples, rate = sf.read(file, dtype="float32")
    return soxr.resample(samples, rate, RATE).astype("float32")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", default=os.environ.get("ECHOLESS_SHARED", "../shared"), help="folder of speech/")
    parser.add_argument("--recogniser", default=DEFAULT)
    parser.add_argument("--model", default="")
    parser.add_argument("--language", help="only recordings in this language (en, zh)")
    growing = "each is recognised as it grows, 0.8 s at a time, as in a call; the last time counts"
    parser.add_argument("--growing", action="store_true", help=growing)
    options = parser.parse_args()
    console, speech = Console(), Path(options.shared) / "speech"
    if not (speech / "INDEX.tsv").is_file():
        console.print(f"No recordings in {speech}: set ECHOLESS_SHARED to the folder that holds speech/.")
        return 2
    try:
        recogniser = open_recogniser(options.recogniser, options.language, options.model)
    except RecogniserError as error:
        console.print(str(error))
        return 2
    known = recogniser.traits.languages
    with (speech / "INDEX.tsv").open(encoding="utf-8", newline="") as index:
        rows = [
            row
            for row in csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE)
            if row["transcript"] and row["file"].split("/")[0] in SETS
            and (not known or row["language"] in known)
            and row["language"] == (options.language or row["language"])
        ]  # fmt: skip
    wrong: dict[str, int] = defaultdict(int)
    said: dict[str, int] = defaultdict(int)
    spent: dict[str, float] = defaultdict(float)
    long: dict[str, float] = defaultdict(float)
    missed: list[str] = []
    for row in track(rows, f"recognising with {recogniser.traits.name}", console=Console(stderr=True)):
        sound, group = read(speech / row["file"]), row["file"].split("/")[0]
        for end in range(GROWS, len(sound), GROWS) if options.growing else ():
            recogniser.transcribe(sound[:end], row["language"])
        begun = time.perf_counter()
        heard = recogniser.transcribe(sound, row["language"]).text
        spent[group] += time.perf_counter() - begun
        long[group] += len(sound) / RATE
        want = spoken(row["transcript"])
        errors = Levenshtein.distance(want, spoken(heard))
        wrong[group] += errors
        said[group] += len(want)
        if group.startswith("words") and errors:
            missed.append(f"{row['transcript']} → {heard or '(nothing)'}")
    table = Table("recordings", "words", "wrong", "word error rate", "real-time factor", title=recogniser.traits.name)
    for group in said:
        rate = f"{wrong[group] / said[group]:.1%}"
        table.add_row(group, str(said[group]), str(wrong[group]), rate, f"{spent[group] / long[group]:.3f}")
    console.print(table)
    if missed:
        console.print("Short words misheard: " + "; ".join(missed))
    recogniser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
