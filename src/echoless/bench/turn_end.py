"""How long the user waits against how often one is cut off: `python -m echoless.bench.turn_end`.

Takes the silences of real people (`echoless.bench.pauses`; the first time that takes minutes a condition, and is kept
in --keep) and plays rules on them: when is the turn taken to have ended? *wait* is the time from the last sample of
speech to that, where the turn had ended; recognition and models included. *turns cut* is the share of recordings in
which that would have come in one of the speaker's own pauses, *long pauses cut* the same for each pause had it lasted
0.2-2 s (all lengths alike): people who think while they talk. A call cuts off less: a reply nobody has heard is taken
back.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from echoless.bench.pauses import CONDITIONS, TAILS, Silence, gather, load
from echoless.ears.choose import open_recogniser
from echoless.ears.smart_turn import SmartTurn, SmartTurnError
from echoless.ears.turn_end import TUNINGS, fused, patience

WORDS_AFTER = 0.3
"""Seconds of silence after which the words are known at the earliest."""
LAG = 0.1
"""Seconds from asking the voice to its answer."""
LONG = (0.2, 2.0)

Rule = Callable[[float, str], float]
"""What the voice said (0..1) and the words so far → seconds of silence that are enough."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Waits in seconds; shares 0..1."""

    p50: float
    p95: float
    mean: float
    turns_cut: float
    long_cut: float
    turns: int
    pauses: int


def timer(seconds: float) -> Rule:
    """Silence alone."""
    return lambda sound, text: seconds


def tuned(name: str) -> Rule:
    """The rule of a call with the setting `patience`."""
    return lambda sound, text: patience(fused(sound, text), TUNINGS[name]).end


def by_voice(sound: float, text: str) -> float:
    """The same without words."""
    return patience(fused(sound, "")).end


RULES: dict[str, tuple[Rule, int]] = {
    **{f"{seconds:.1f} s of silence": (timer(seconds), 1) for seconds in (0.5, 0.7, 1.0, 1.5)},
    "voice": (by_voice, len(TAILS)),
    "voice and words, asked once": (tuned("normal"), 1),
    **{f"voice and words, {name}": (tuned(name), len(TAILS)) for name in TUNINGS},
}


def decided(each: Silence, rule: Rule, asks: int = 1) -> float:
    """Seconds after the last sample of speech at which `rule` takes the turn to have ended, had the silence lasted.
    The voice is asked after each of the first `asks` of `TAILS`."""
    end = np.inf
    for number, (tail, sound) in enumerate(zip(TAILS[:asks], each.sounds, strict=False)):
        known = max(WORDS_AFTER, tail + LAG)
        if end < known:
            break
        end = max(rule(sound, each.text), known)
        if number + 1 == asks:
            break
    return each.late + end


def outcome(silences: Iterable[Silence], rule: Rule, asks: int = 1) -> Outcome:
    """What `rule` makes of turns and pauses."""
    known = [(each, decided(each, rule, asks)) for each in silences]
    waits = [at for each, at in known if each.pause is None]
    pauses = [(each, at) for each, at in known if each.pause is not None]
    cut = {(each.file, each.condition) for each, at in pauses if at < (each.pause or 0.0)}
    low, high = LONG
    long = [float(np.clip((high - at) / (high - low), 0.0, 1.0)) for _, at in pauses]
    return Outcome(
        float(np.median(waits)),
        float(np.percentile(waits, 95)),
        float(np.mean(waits)),
        len(cut) / len(waits),
        float(np.mean(long)) if long else float("nan"),
        len(waits),
        len(pauses),
    )


def table(title: str, rows: Sequence[tuple[str, Outcome]]) -> Table:
    made = Table("", "turns", "pauses", "wait p50", "p95", "mean", "turns cut", "long pauses cut", title=title)
    for name, o in rows:
        made.add_row(name, str(o.turns), str(o.pauses), f"{o.p50:.2f} s", f"{o.p95:.2f} s", f"{o.mean:.2f} s",
                     f"{o.turns_cut:.1%}", f"{o.long_cut:.1%}" if o.pauses else "-")  # fmt: skip
    return made


def report(silences: Sequence[Silence], console: Console) -> None:
    """A table for each condition and manner of speaking, and one by speaker."""
    for condition in dict.fromkeys(each.condition for each in silences):
        for manner in sorted({each.manner for each in silences}):
            part = [each for each in silences if (each.condition, each.manner) == (condition, manner)]
            rows = [(name, outcome(part, *rule)) for name, rule in RULES.items()]
            console.print(table(f"{manner}, {condition}", rows))
    people = groupby(sorted(silences, key=lambda each: each.person), lambda each: each.person)
    spoken = [(person, outcome(list(theirs), tuned("normal"), len(TAILS))) for person, theirs in people]
    console.print(table("voice and words, by speaker", spoken))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", default=os.environ.get("ECHOLESS_SHARED", "../shared"), help="folder of speech/")
    parser.add_argument("--conditions", nargs="+", default=["clean"], choices=CONDITIONS, help="what else is heard")
    parser.add_argument("--keep", type=Path, default=Path("out/turn_end"), help="folder for what the ears made of it")
    parser.add_argument("--budget", type=float, default=1e9, help="most seconds to listen for; run again to go on")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    console = Console()
    shared = Path(options.shared) / "speech"
    if not (shared / "INDEX.tsv").is_file():
        console.print(f"No recordings in {shared}: set ECHOLESS_SHARED to the folder that holds speech/.")
        return 2
    options.keep.mkdir(parents=True, exist_ok=True)
    try:
        voice = SmartTurn()
    except SmartTurnError as error:
        console.print(str(error))
        return 2
    recogniser = open_recogniser()
    found: list[Silence] = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for condition in options.conditions:
            file = options.keep / f"{condition}.jsonl"
            task = progress.add_task(condition, total=None)
            for done, of in gather(shared, condition, file, recogniser, voice, options.budget):
                progress.update(task, completed=done, total=of)
            found += load(file) if file.is_file() else []
    recogniser.close()
    report(found, console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
