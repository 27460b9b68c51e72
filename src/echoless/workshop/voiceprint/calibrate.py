"""How sure is a voiceprint? False accepts and rejects on recorded people, and the thresholds that follow.

Three questions are asked of some seconds of speech: is this the person who enrolled with 10 s (`enrolled`), the same
when they are heard across a room (`room`: reverberation time 0.2 to 0.55 s, 0.4 to 1.2 m away, simulated; a call asks
this), and were these two stretches spoken by one person (`pair`)? Nobody is compared with what they enrolled with.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from echoless.ears.voiceprint import Embedding, Encoder, Limits, similarity, speech_of
from echoless.frames import RATE, Samples
from echoless.rooms.acoustics import impulse, places
from echoless.rooms.people import People, Recording
from echoless.rooms.script import RoomSettings
from echoless.workshop.voiceprint.across import across
from echoless.workshop.voiceprint.sound import read

SECONDS = {"enrolled": (0.5, 1.0, 2.0, 3.0, 6.0), "room": (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)}
SECONDS["pair"] = SECONDS["enrolled"]
SURE = 0.003
"""Strangers who pass where a voice is taken for known before it has finished."""
ENROL = 10.0
"""Seconds of speech that a person enrols with, or nearly: something must be left to be heard later."""
MOST = 12
"""Stretches a person is heard with, for each length."""
KNOWN = ("librispeech_test_other", "cmu_arctic", "ljspeech", "picovoice_barista", "aishell1")
STRANGERS = ("librispeech_train_clean", "jfk", "zh_misc")
"""Folders with one utterance a person: they enrol nowhere and are only ever strangers."""

Grid = NDArray[np.float64]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trials:
    """Similarities at one length of speech, of one person's and of two people's."""

    same: Grid
    other: Grid
    who: tuple[Grid, Grid] | None = None
    """The numbers of the people in each trial, (trials, 2), where it matters."""

    def without(self, *people: int) -> Trials:
        """The trials in which none of these people takes part."""
        assert self.who is not None
        same, other = (~np.isin(pairs, people).any(axis=1) for pairs in self.who)
        return Trials(self.same[same], self.other[other])

    def sure(self) -> float:
        """The threshold that no more than `SURE` of the strangers pass, and no lower than the equal one."""
        return max(self.equal()[0], float(np.quantile(self.other, 1 - SURE)))

    def rates(self, threshold: float) -> tuple[float, float]:
        """False accepts and false rejects, 0..1."""
        return float((self.other >= threshold).mean()), float((self.same < threshold).mean())

    def equal(self) -> tuple[float, float]:
        """The threshold at which both errors are (nearest to) equal, and that error rate."""
        grid = np.linspace(0.3, 1.0, 701)
        errors = np.array([self.rates(at) for at in grid])
        gap = np.abs(errors[:, 0] - errors[:, 1])
        best = np.flatnonzero(gap == gap.min())
        at = best[len(best) // 2]  # the middle of a gap between the two, where there is one
        return float(grid[at]), float(errors[at].mean())


@dataclass(frozen=True, slots=True)
class Voice:
    """A person: speech of each utterance, without silence."""

    name: str
    utterances: tuple[Samples, ...]


def voices(people: People, folders: Iterable[str], least: float) -> list[Voice]:
    """The people of these folders who have at least `least` seconds of speech in all."""
    by_name: dict[str, list[Recording]] = {}
    for each in people.recordings:
        if each.folder in folders and each.speaker and "+" not in each.speaker:
            by_name.setdefault(each.speaker, []).append(each)
    found = []
    for name, recordings in sorted(by_name.items()):
        speech = tuple(speech_of(read(each.path)) for each in recordings)
        if sum(map(len, speech)) >= least * RATE:
            found.append(Voice(name, speech))
    return found


def split(voice: Voice) -> tuple[list[Samples], list[Samples]]:
    """Whole utterances of about `ENROL` seconds to enrol with, and the rest."""
    enrol: list[Samples] = []
    rest = list(voice.utterances)
    while rest[1:] and sum(map(len, enrol)) < ENROL * RATE:
        enrol.append(rest.pop(0))
    return enrol, rest


def in_room(utterance: Samples, seed: int) -> Samples:
    """The utterance as a microphone on a table hears it, float32 at 16 kHz."""
    draw = np.random.default_rng([seed, len(utterance)])
    room = RoomSettings(rt60=float(draw.uniform(0.2, 0.55)), user_distance=float(draw.uniform(0.4, 1.2)))
    where = places(room, seed)
    path = impulse(where.size, room.rt60, where.user, where.microphone)
    return fftconvolve(utterance, path)[: len(utterance)].astype(np.float32)


def stretches(utterances: Iterable[Samples], seconds: float) -> list[Samples]:
    """At most `MOST` stretches of just this length, spread over the utterances."""
    size = round(seconds * RATE)
    cut = [u[at : at + size] for u in utterances for at in range(0, len(u) - size + 1, size)]
    return [cut[round(at)] for at in np.linspace(0, len(cut) - 1, min(MOST, len(cut)))]


def trials(people: People, tell: Tell = lambda what: None) -> dict[str, dict[float, Trials]]:
    """Similarities for each question by length of speech. Raises ScriptError where there are no recordings."""
    encoder = Encoder()
    known, heard = who_is_who(people)
    tell(f"{len(known)} people enrol ({', '.join(known)}); {len(heard) - len(known)} never do")
    enrolled = {name: encoder.embed(speech) for name, speech in known.items()}
    found: dict[str, dict[float, Trials]] = {"enrolled": {}, "room": room_trials(people, tell), "pair": {}}
    for seconds in SECONDS["enrolled"]:
        tell(f"{seconds} s of speech")
        embedded = {n: [encoder.embed(s) for s in stretches(u, seconds)] for n, u in heard.items()}
        found["enrolled"][seconds] = _against(enrolled, embedded)
        found["pair"][seconds] = _pairs(embedded)
    return found


def who_is_who(people: People) -> tuple[dict[str, Samples], dict[str, list[Samples]]]:
    """What each person enrols with, and what of everybody is heard later."""
    known, heard = {}, {}
    for voice in voices(people, KNOWN, ENROL + 0.5):
        enrol, heard[voice.name] = split(voice)
        known[voice.name] = np.concatenate(enrol)
    return known, heard | {voice.name: list(voice.utterances) for voice in voices(people, STRANGERS, 3)}


def room_trials(people: People, tell: Tell = lambda what: None) -> dict[float, Trials]:
    """The question of a call: everybody heard across rooms, against whoever enrolled (`across`)."""
    encoder = Encoder()
    known, heard = who_is_who(people)
    enrolled = {name: across(speech, encoder.embed) for name, speech in known.items()}
    far = {name: [in_room(u, seed) for seed, u in enumerate(each)] for name, each in heard.items()}
    found = {}
    for seconds in SECONDS["room"]:
        tell(f"{seconds} s of speech across a room")
        found[seconds] = _against(
            enrolled, {n: [encoder.embed(s) for s in stretches(u, seconds)] for n, u in far.items()}
        )
    return found


def limits(found: dict[float, Trials], *without: str, names: Sequence[str] = ()) -> Limits:
    """What follows from `room_trials`, in which some of `names` (`everybody`) take no part."""
    numbers = [names.index(name) for name in without if name in names]
    left = {seconds: each.without(*numbers) if numbers else each for seconds, each in found.items()}
    return Limits(
        tuple((seconds, each.equal()[0]) for seconds, each in left.items()),
        tuple((seconds, each.sure()) for seconds, each in left.items() if seconds >= 1),
    )


def _against(enrolled: dict[str, Embedding], heard: dict[str, list[Embedding]]) -> Trials:
    """Everybody's stretches against each person who enrolled; people are numbered in the order of `heard`."""
    scores: dict[bool, list[float]] = {True: [], False: []}
    pairs: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    numbers = {name: number for number, name in enumerate(heard)}
    for (known, print_), (name, embedded) in itertools.product(enrolled.items(), heard.items()):
        scores[known == name] += [similarity(print_, each) for each in embedded]
        pairs[known == name] += [(numbers[known], numbers[name])] * len(embedded)
    who = tuple(np.array(pairs[each], float).reshape(-1, 2) for each in (True, False))
    return Trials(np.array(scores[True]), np.array(scores[False]), (who[0], who[1]))


def _pairs(heard: dict[str, list[Embedding]]) -> Trials:
    scores: dict[bool, list[float]] = {True: [], False: []}
    everything = [(name, each) for name, embedded in heard.items() for each in embedded]
    for (a, one), (b, other) in itertools.combinations(everything, 2):
        scores[a == b].append(similarity(one, other))
    return Trials(np.array(scores[True]), np.array(scores[False]))


def table(found: dict[str, dict[float, Trials]]) -> str:
    """A markdown table of both questions."""
    rows = [
        "| question | speech | same / other | same, mean / least | others, mean / most | equal error | at | sure at |"
    ]
    rows.append("|---|---|---|---|---|---|---|---|")
    for question, by_length in found.items():
        for seconds, t in by_length.items():
            at, error = t.equal()
            rows.append(
                f"| {question} | {seconds:g} s | {len(t.same)} / {len(t.other)} | {t.same.mean():.3f} / "
                f"{t.same.min():.3f} | {t.other.mean():.3f} / {t.other.max():.3f} | {100 * error:.1f} % | {at:.3f} | "
                f"{t.sure():.3f} |"
            )
    return "\n".join(rows)


def write(found: dict[str, dict[float, Trials]], folder: Path) -> list[Path]:
    """errors.png, table.md and thresholds.json in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "errors.png", folder / "table.md", folder / "thresholds.json"]
    draw(found, paths[0])
    paths[1].write_text(table(found) + "\n", encoding="utf-8")
    equal = {q: [[s, round(t.equal()[0], 3)] for s, t in by.items()] for q, by in found.items()}
    equal["sure"] = [[s, round(at, 3)] for s, at in limits(found["room"]).sure]
    paths[2].write_text(json.dumps(equal, indent=1) + "\n", encoding="utf-8")
    return paths


def draw(found: dict[str, dict[float, Trials]], path: Path) -> None:
    """False accepts and rejects over the threshold, a panel a question."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(found), sharey=True)
    grid = np.linspace(0.4, 1.0, 301)
    titles = {
        "enrolled": f"enrolled with {ENROL:g} s",
        "room": "the same across a room, as in a call",
        "pair": "two stretches",
    }
    for panel, (question, by_length) in zip(panels, found.items(), strict=True):
        for number, (seconds, t) in enumerate(by_length.items()):
            accepts, rejects = np.array([t.rates(at) for at in grid]).T * 100
            colour = f"C{number}"
            panel.plot(grid, accepts, colour, label=f"{seconds:g} s, accepted others")
            panel.plot(grid, rejects, colour, linestyle="--", label=f"{seconds:g} s, rejected itself")
            panel.axvline(t.equal()[0], color=colour, linewidth=0.6, alpha=0.6)
        panel.set(title=titles[question], xlabel="threshold (cosine)", ylim=(0, 30))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("errors, %")
    panels[0].legend(fontsize=7)
    figure.savefig(path, dpi=110)
