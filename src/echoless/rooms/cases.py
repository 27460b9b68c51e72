"""The suite's scripts: a grid of echo levels, rooms, voices and people, and everything nasty, drawn from seeds."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from echoless.rooms.people import People, Recording, write_made_up

LEVELS = (-10, 0, 5, 10, 15)
SECONDS = 50.0
REPLY_SECONDS = 7.0
"""No reply of the bank is shorter, in the fastest of the voices."""

Keys = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One script of the suite: its file and the seed that it is rehearsed with."""

    name: str
    path: Path
    seed: int
    seconds: float


def _static(draw: random.Random, people: People, made: dict[str, list[Path]]) -> Keys:
    return {}


def _jumps(draw: random.Random, people: People, made: dict[str, list[Path]]) -> Keys:
    jumps = [[round(draw.uniform(6, 40), 2), draw.choice([80, -60, 200, -150, 30])] for _ in range(3)]
    return {"delay_ms": draw.randint(60, 250), "delay_jumps": sorted(jumps)}


def _slips(draw: random.Random, people: People, made: dict[str, list[Path]]) -> Keys:
    return {"delay_ms": 300, "delay_jumps": [[5.0 * k, -20] for k in range(1, 10)]}


def _drift(draw: random.Random, people: People, made: dict[str, list[Path]]) -> Keys:
    return {"drift_ppm": draw.choice([-300, -125, -75, -40, 40, 75, 125, 300])}


def _late(draw: random.Random, people: People, made: dict[str, list[Path]]) -> Keys:
    return {"delay_ms": draw.randint(10, 60), "reference_late": [[round(draw.uniform(0, 20), 2), draw.randint(10, 60)]]}


def _lost(draw: random.Random, people: People, made: dict[str, list[Path]]) -> Keys:
    if draw.random() < 0.5:
        return {"reference_loss": 0.05}
    return {"reference_gaps": [[3.0 * k, 200] for k in range(1, 16)]}


def _far_away(draw: random.Random, people: People, made: dict[str, list[Path]]) -> Keys:
    return {"delay_ms": draw.randint(400, 800)}


def _near(draw: random.Random, people: People, made: dict[str, list[Path]]) -> Keys:
    return {"delay_ms": draw.randint(0, 12)}


def _volume(draw: random.Random, people: People, made: dict[str, list[Path]]) -> Keys:
    return {"volume_changes": [[round(draw.uniform(5, 20), 2), -10], [round(draw.uniform(21, 40), 2), 4]]}


def _moved(draw: random.Random, people: People, made: dict[str, list[Path]]) -> Keys:
    return {"path_changes": [[round(draw.uniform(5, 45), 2), round(draw.uniform(0.1, 0.8), 2)] for _ in range(3)]}


def _restless(draw: random.Random, people: People, made: dict[str, list[Path]]) -> Keys:
    return {"restless": round(draw.uniform(0.03, 0.15), 3)}


def _cheap(draw: random.Random, people: People, made: dict[str, list[Path]]) -> Keys:
    return {"nonlinear": round(draw.uniform(0.6, 1.0), 2), "drift_ppm": draw.choice([0, 75, -75])}


def _reverberant(draw: random.Random, people: People, made: dict[str, list[Path]]) -> Keys:
    return {"rt60": round(draw.uniform(0.7, 1.1), 2), "size": [7.0, 6.0, 3.2], "user_distance": 1.6}


def _noisy(draw: random.Random, people: People, made: dict[str, list[Path]]) -> Keys:
    noises = people.noises
    if not noises or draw.random() < 0.3:
        return {"noise": draw.choice(["white", "pink"]), "noise_db": draw.randint(-50, -42)}
    return {"noise_wav": draw.choice(noises), "noise_db": draw.randint(-52, -42)}


NASTY: dict[str, Callable[[random.Random, People, dict[str, list[Path]]], Keys]] = {
    "jumps": _jumps,
    "slips": _slips,
    "drift": _drift,
    "late": _late,
    "lost": _lost,
    "far": _far_away,
    "near": _near,
    "volume": _volume,
    "moved": _moved,
    "restless": _restless,
    "cheap": _cheap,
    "reverberant": _reverberant,
    "noisy": _noisy,
}
PEOPLE = ("walking", "two", "television", "music", "quote", "nobody")
"""Families that differ in who talks."""
FAMILIES = ("static", *NASTY, *PEOPLE)


class Suite:
    """Makes scripts into a folder. Case number n is the same whatever else is made."""

    def __init__(self, people: People, folder: Path, seed: int = 0, seconds: float = SECONDS) -> None:
        self.people, self.folder, self.seed, self.seconds = people, folder, seed, seconds
        self.made = write_made_up(folder / "made")

    def cases(self, count: int) -> Iterator[Case]:
        """Every second case is static; the others go through the nasty families; levels go round in both."""
        for n in range(count):
            family = "static" if n % 2 == 0 else FAMILIES[1 + n // 2 % (len(FAMILIES) - 1)]
            yield self.case(n, family, LEVELS[(n // 2 + n // 2 // (len(FAMILIES) - 1)) % len(LEVELS)])

    def case(self, number: int, family: str, level: int) -> Case:
        draw = random.Random(f"{self.seed} {number}")
        room = self._room(draw, level)
        room |= NASTY.get(family, _static)(draw, self.people, self.made)
        keys: Keys = {"seconds": self.seconds, "reply_seconds": REPLY_SECONDS, "room": room}
        keys |= self._conversation(draw, family)
        keys["tags"] = {"family": family, "echo_db": level}
        name = f"{number:05d}-{family}{level:+d}"
        path = self.folder / "scripts" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(_relative(keys, path.parent), indent=1) + "\n"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
        return Case(name, path, self.seed * 100_000 + number, self.seconds)

    def _room(self, draw: random.Random, level: int) -> Keys:
        return {
            "rt60": round(draw.uniform(0.2, 0.55), 2),
            "size": [round(draw.uniform(3, 6.5), 1), round(draw.uniform(2.6, 5), 1), round(draw.uniform(2.4, 3), 1)],
            "echo_db": level,
            "delay_ms": draw.randint(20, 250),
            "nonlinear": round(draw.uniform(0.05, 0.4), 2),
            "noise_db": draw.randint(-68, -56),
            "speaker_distance": round(draw.uniform(0.15, 0.9), 2),
            "user_distance": round(draw.uniform(0.4, 1.2), 2),
        }

    def _conversation(self, draw: random.Random, family: str) -> Keys:
        """A question; someone cuts into the first reply; into the second: a nod, a cough, or a short word."""
        asked = draw.choice(self.people.questions)
        talkers = [{"at": round(draw.uniform(0.8, 2), 2), **_says(asked), "kind": "turn"}]
        if family == "nobody":  # the agent alone with itself for the rest of the call
            return {"talkers": talkers}
        if family == "quote":
            return self._quote(draw, talkers)
        phrase = self.people.same_person(asked, self.people.phrases, draw)
        cut_in = {"after": "agent.started", "plus": round(draw.uniform(0.6, 4.5), 2), **_says(phrase)}
        if family == "walking":
            cut_in["move"] = round(draw.uniform(0.6, 1.5), 2)
        talkers.append({**cut_in, "kind": "interrupt"})
        if family == "two":
            other = draw.choice([r for r in self.people.phrases if r.speaker != asked.speaker])
            talkers.append({**cut_in, **_says(other), "who": "stranger", "gain_db": -6, "kind": "interrupt"})
        second = {"after": "agent.started", "nth": 2, "plus": round(draw.uniform(1.0, 4.5), 2)}
        talkers.append({**second, **self._aside(draw)})
        if family in ("television", "music"):
            sound = draw.choice(self.people.television if family == "television" else self.made["music"])
            gain = draw.randint(-15, -5)
            talkers.append({"at": 0, "wav": sound, "who": "media", "loop": self.seconds, "gain_db": gain})
        return {"talkers": talkers}

    def _aside(self, draw: random.Random) -> Keys:
        kind = draw.choice(["short", "short", "backchannel", "backchannel", "noise"])
        if kind == "short" and self.people.short:
            return {"kind": "short", **_says(draw.choice(self.people.short))}
        if kind == "noise":
            return {"kind": "noise", "wav": draw.choice(self.made["cough"]), "gain_db": draw.randint(-6, 3)}
        nods: list[Keys] = [_says(r) for r in self.people.nods] + [{"wav": path} for path in self.made["nod"]]
        return {"kind": "backchannel", **draw.choice(nods), "gain_db": draw.randint(-6, 0)}

    def _quote(self, draw: random.Random, talkers: list[Keys]) -> Keys:
        """The agent says what somebody recorded; that person says it again, over it or after it."""
        quote = draw.choice(self.people.quotable)
        before = "Let me read you the line that I have in mind."
        after = "That is the line, and I can go on with the next page if you like, or we can leave it there for today."
        sentence = quote.text.rstrip(".").capitalize() + "."
        if draw.random() < 0.5:
            cue = {"after": "agent.stopped", "nth": 1, "plus": round(draw.uniform(0.4, 1.5), 2)}
            replies = [f"{before} {after} Here it comes. {sentence}"]
        else:
            # the sentence begins about 3 s into the reply: over it or shortly after it
            cue = {"after": "agent.started", "nth": 1, "plus": round(draw.uniform(3.5, 7.5), 2)}
            replies = [f"{before} {sentence} {after}"]
        return {"talkers": [*talkers, {**cue, **_says(quote), "kind": "quote"}], "replies": replies}


def _says(recording: Recording) -> Keys:
    said: Keys = {"wav": recording.path}
    if recording.text:
        said["text"] = recording.text
    if recording.language:
        said["language"] = recording.language
    return said


def _relative(value: Any, folder: Path) -> Any:
    """Paths made relative to the script, as the contract has them."""
    if isinstance(value, Path):
        return os.path.relpath(value, folder)
    if isinstance(value, dict):
        return {key: _relative(v, folder) for key, v in value.items()}
    if isinstance(value, list):
        return [_relative(v, folder) for v in value]
    return value
