"""How guards fare while nobody reacts: interruptions noticed and false ducks at each echo level, with bounds.

    python -m echoless.rooms.openloop --scenes 40 --guards own,aec3,none
    python -m echoless.rooms.openloop --real --guards own,aec3

The scenes are `mixtures` with the test cast: people, agent voices and rooms that the judge has not learnt from.
A duck is what `ears.Listener` calls the beginning of speech, as in a call. `--real` plays the recordings in
`speech/aec_real` instead (real loudspeaker, microphone and echo) with people mixed in at each level.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from echoless.ears.listener import Change, Listener
from echoless.frames import BLOCK, RATE, Samples
from echoless.rooms import openloop_pictures as pictures
from echoless.rooms.levels import active_level, factor, read_wav
from echoless.rooms.mixtures import Mixture, mixture, unseen_cast
from echoless.rooms.people import People
from echoless.rooms.script import RoomSettings
from echoless.rooms.talkers import trim
from echoless.rooms.tally import Tally, bounds
from echoless.rooms.variants import GUARDS, UNJUDGED

LEVELS = (-10, 0, 5, 10, 15)
PHRASE = 1.0
"""Seconds of phrases that must be noticed."""
SOON = 1.5
"""Seconds within which a duck counts as noticing."""


def ducks(scene: Mixture, guard_name: str) -> tuple[list[float], float]:
    """Seconds at which the listener began to hear speech, and the guard's processor seconds."""
    guard = GUARDS[guard_name]() if guard_name != "own" else GUARDS["own"](scene.cancels_echo)  # type: ignore[call-arg]
    listener = Listener() if guard_name == "own" else Listener(UNJUDGED)
    found, spent = [], 0.0
    for index, at in enumerate(range(0, len(scene.microphone), BLOCK)):
        microphone, reference = scene.microphone[at : at + BLOCK], scene.reference[at : at + BLOCK]
        begun = time.thread_time()
        heard = guard.hear(microphone, reference)
        spent += time.thread_time() - begun
        change = listener.hear(heard.clean, heard.near, echo=heard.echo, over_agent=True)
        if change is Change.BEGAN:
            found.append((index + 1) * BLOCK / RATE)
        if change is Change.STOPPED:
            listener.close()
    return found, spent


def judge(scene: Mixture, found: list[float], settled: float = 0.0) -> Tally:
    """Score the ducks of a scene; what comes before second `settled` does not count."""
    audible = _audible(scene.echo)
    tally = Tally(heard=len(scene.microphone) / RATE)
    for begin, end in scene.spans:
        over = audible[int(begin * RATE / BLOCK) : int((begin + 0.5) * RATE / BLOCK)]
        if begin < settled or end - begin < PHRASE or not len(over) or over.mean() < 0.5:
            continue
        hits = [at - begin for at in found if begin - 0.05 <= at <= min(end + 0.1, begin + SOON)]
        tally.phrases += 1
        tally.noticed += bool(hits)
        tally.waits += hits[:1]
    quiet = audible.copy()
    for begin, end in scene.spans:
        quiet[max(0, int((begin - 0.1) * RATE / BLOCK)) : int((end + 0.6) * RATE / BLOCK)] = False
    quiet[: int(settled * RATE / BLOCK)] = False
    tally.alone = float(quiet.sum()) * BLOCK / RATE
    tally.false = sum(bool(quiet[min(len(quiet) - 1, int(at * RATE / BLOCK) - 1)]) for at in found)
    return tally


def _audible(echo: Samples) -> np.ndarray:
    """Blocks in which echo sounds or sounded within the last 300 ms."""
    power = np.mean(echo[: len(echo) // BLOCK * BLOCK].reshape(-1, BLOCK) ** 2, axis=1)
    return np.convolve(power > factor(-62) ** 2, np.ones(19))[: len(power)] > 0


def real_scenes(people: People, level: float) -> Iterator[Mixture]:
    """The real recordings as rooms: the far end alone, and with each of eleven phrases from second 6 on."""
    folder = people.folder / "aec_real"
    for far in sorted(folder.glob("*_farend_singletalk_lpb.wav")):
        reference = read_wav(far)
        echo = read_wav(Path(str(far).replace("_lpb", "_mic")))
        length = min(len(reference), len(echo)) // BLOCK * BLOCK
        reference, echo = reference[:length], echo[:length]
        yield _real(reference, echo, level, None)
        chosen = [r for r in people.phrases if r.folder == "librispeech_test_other" and r.seconds < 4.9][:11]
        for phrase in chosen:
            yield _real(reference, echo, level, trim(read_wav(phrase.path)))


def _real(reference: Samples, echo: Samples, level: float, phrase: Samples | None) -> Mixture:
    user, near = np.zeros_like(echo), np.zeros(len(echo) // BLOCK, bool)
    spans: tuple[tuple[float, float], ...] = ()
    if phrase is not None:
        first = 6 * RATE
        phrase = phrase[: len(echo) - first]
        user[first : first + len(phrase)] = phrase * factor(active_level(echo) - level - active_level(phrase))
        near[first // BLOCK : (first + len(phrase)) // BLOCK] = True
        spans = ((6.0, 6.0 + len(phrase) / RATE),)
    return Mixture("real", level, echo + user, reference, echo, user, near, spans, RoomSettings())


def row(name: str, tally: Tally) -> str:
    """One line of the table."""
    low, high = bounds(tally.noticed, tally.phrases)
    waits = np.percentile(tally.waits, [50, 95]) * 1000 if tally.waits else (0, 0)
    hours = tally.alone / 3600
    rate = tally.false / hours if hours else 0.0
    return (
        f"| {name} | {tally.noticed} of {tally.phrases} ({low:.0%}-{high:.0%}) | {waits[0]:.0f} / {waits[1]:.0f} "
        f"| {tally.false} in {tally.alone / 60:.1f} min ({rate:.0f}/h) | {tally.cost / max(tally.heard, 1e-9):.1%} |"
    )


HEAD = (
    "| guard, echo | phrases of 1 s noticed (95 %) | duck after, ms: median / p95 | false ducks | of one core |\n"
    "|---|---|---|---|---|"
)


def run(scenes: Iterable[Mixture], guard: str, settled: float = 0.0) -> Tally:
    """A guard's tally over scenes."""
    total = Tally()
    for scene in scenes:
        found, cost = ducks(scene, guard)
        tally = judge(scene, found, settled)
        tally.cost = cost
        total += tally
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=40, help="a level")
    parser.add_argument("--first", type=int, default=0, help="seed of the first scene")
    parser.add_argument("--guards", default="own,aec3,none")
    parser.add_argument("--levels", default=",".join(map(str, LEVELS)))
    parser.add_argument("--kind", help="only scenes of this kind (see mixtures.KINDS)")
    parser.add_argument("--real", action="store_true", help="the recordings in speech/aec_real, from second 2 on")
    parser.add_argument("--picture", type=Path, help="draw the shares noticed into this file")
    parser.add_argument("--draw", type=Path, help="draw the scene --first at the first level into this file, and stop")
    asked = parser.parse_args()
    people = People()
    cast = unseen_cast(people)
    if asked.draw:
        level = float(asked.levels.split(",")[0])
        pictures.scene(mixture(cast, asked.first, kind=asked.kind, echo_db=level), asked.draw)
        return
    print(HEAD)
    results: dict[str, dict[float, Tally]] = {}
    for guard in asked.guards.split(","):
        whole = Tally()
        results[guard] = {}
        for level in map(float, asked.levels.split(",")):
            if asked.real:
                scenes = real_scenes(people, level)
            else:
                numbers = range(asked.first, asked.first + asked.scenes)
                scenes = (mixture(cast, seed, kind=asked.kind, echo_db=level) for seed in numbers)
            tally = run(scenes, guard, settled=2.0 if asked.real else 0.0)
            whole += tally
            results[guard][level] = tally
            print(row(f"{guard}, {level:+.0f} dB", tally), flush=True)
        print(row(f"{guard}, all", whole), flush=True)
    if asked.picture:
        pictures.by_level(results, asked.picture)


if __name__ == "__main__":
    main()
