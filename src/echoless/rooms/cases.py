"""The suite's scripts: a grid of echo levels, rooms, voices and people, and everything nasty, drawn from seeds."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from echoless.rooms.conversations import CONVERSATIONS, Stage, usual
from echoless.rooms.people import People, write_made_up
from echoless.rooms.recorded import agent_keys
from echoless.rooms.script import ScriptError
from echoless.rooms.throats import Throats

LEVELS = (-10, 0, 5, 10, 15)
SECONDS = 50.0
REPLY_SECONDS = 6.2
"""No reply of the bank is shorter, in the fastest of the voices."""

Keys = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One script of the suite: its file and the seed that it is rehearsed with."""

    name: str
    path: Path
    seed: int
    seconds: float


def _static(draw: random.Random, people: People) -> Keys:
    return {}


def _jumps(draw: random.Random, people: People) -> Keys:
    jumps = [[round(draw.uniform(6, 40), 2), draw.choice([80, -60, 200, -150, 30])] for _ in range(3)]
    return {"delay_ms": draw.randint(60, 250), "delay_jumps": sorted(jumps)}


def _slips(draw: random.Random, people: People) -> Keys:
    return {"delay_ms": 300, "delay_jumps": [[5.0 * k, -20] for k in range(1, 10)]}


def _drift(draw: random.Random, people: People) -> Keys:
    return {"drift_ppm": draw.choice([-300, -125, -75, -40, 40, 75, 125, 300])}


def _late(draw: random.Random, people: People) -> Keys:
    return {"delay_ms": draw.randint(10, 60), "reference_late": [[round(draw.uniform(0, 20), 2), draw.randint(10, 60)]]}


def _lost(draw: random.Random, people: People) -> Keys:
    if draw.random() < 0.4:
        return {"reference_loss": draw.choice([0.02, 0.05, 0.1])}
    length = draw.choice([60, 120, 200, 400, 800])
    return {"reference_gaps": [[round(3.0 * k + draw.uniform(-1, 1), 2), length] for k in range(1, 16)]}


def _far_away(draw: random.Random, people: People) -> Keys:
    return {"delay_ms": draw.randint(400, 800)}


def _near(draw: random.Random, people: People) -> Keys:
    return {"delay_ms": draw.randint(0, 12)}


def _volume(draw: random.Random, people: People) -> Keys:
    return {"volume_changes": [[round(draw.uniform(5, 20), 2), -10], [round(draw.uniform(21, 40), 2), 4]]}


def _moved(draw: random.Random, people: People) -> Keys:
    return {"path_changes": [[round(draw.uniform(5, 45), 2), round(draw.uniform(0.1, 0.8), 2)] for _ in range(3)]}


def _restless(draw: random.Random, people: People) -> Keys:
    return {"restless": round(draw.uniform(0.03, 0.15), 3)}


def _cheap(draw: random.Random, people: People) -> Keys:
    return {"nonlinear": round(draw.uniform(0.6, 1.0), 2), "drift_ppm": draw.choice([0, 75, -75])}


def _reverberant(draw: random.Random, people: People) -> Keys:
    return {"rt60": round(draw.uniform(0.7, 1.1), 2), "size": [7.0, 6.0, 3.2], "user_distance": 1.6}


def _noisy(draw: random.Random, people: People) -> Keys:
    noises = people.noises
    if not noises or draw.random() < 0.3:
        return {"noise": draw.choice(["white", "pink"]), "noise_db": draw.randint(-50, -42)}
    return {"noise_wav": draw.choice(noises), "noise_db": draw.randint(-52, -42)}


def _network(draw: random.Random, people: People) -> Keys:
    """A page or phone that cancels no echo: what it plays and sends goes through jitter buffers."""
    return {
        "delay_ms": draw.randint(10, 60),
        "network_ms": draw.choice([50, 120, 200, 320, 500, 740]),
        "network_jitter_ms": draw.choice([2, 8, 15, 25]),
        "network_loss": draw.choice([0, 0, 0.01, 0.03]),
    }


def _browser(draw: random.Random, people: People) -> Keys:
    """The same with a canceller at the far end."""
    return {**_network(draw, people), "cancels_echo": True}


NASTY: dict[str, Callable[[random.Random, People], Keys]] = {
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
    "network": _network,
    "browser": _browser,
}


def _mixed(draw: random.Random, people: People) -> Keys:
    """Two of the others at once."""
    first, second = draw.sample(sorted(NASTY), 2)
    return NASTY[first](draw, people) | NASTY[second](draw, people)


ROOMS = {**NASTY, "mixed": _mixed}
FAMILIES = ("static", *ROOMS, *CONVERSATIONS)


class Suite:
    """Makes scripts into a folder. Case number n is the same whatever else is made.

    With `recorded` the agents are recorded people, too (`recorded`), but for the families in which it matters what the
    agent says.
    """

    def __init__(
        self, people: People, folder: Path, seed: int = 0, seconds: float = SECONDS, recorded: bool = False
    ) -> None:
        self.people, self.folder, self.seed, self.seconds, self.recorded = people, folder, seed, seconds, recorded
        self.made = write_made_up(folder / "made")
        self.throats = Throats(people, folder / "made" / "said")

    def cases(self, count: int, families: Sequence[str] = (), first: int = 0) -> Iterator[Case]:
        """`count` cases from number `first` on. Every second case is static; the others go through all other families;
        levels go round in both.

        With `families`, only those, in turn. Raises ScriptError for one that there is not.
        """
        for family in families:
            if family not in FAMILIES:
                raise ScriptError(f"there is no family {family!r}; there is {', '.join(FAMILIES)}")
        others = FAMILIES[1:]
        for n in range(first, first + count):
            if families:
                yield self.case(n, families[n % len(families)], LEVELS[n // len(families) % len(LEVELS)])
            else:
                family = "static" if n % 2 == 0 else others[n // 2 % len(others)]
                yield self.case(n, family, LEVELS[(n // 2 + n // 2 // len(others)) % len(LEVELS)])

    def case(self, number: int, family: str, level: int) -> Case:
        draw = random.Random(f"{self.seed} {number}")
        seed = self.seed * 100_000 + number
        room = self._room(draw, level)
        room |= ROOMS.get(family, _static)(draw, self.people)
        tags: Keys = {"family": family, "echo_db": level}
        if "network_ms" in room:
            tags["network_ms"] = room["network_ms"]
        conversation = CONVERSATIONS.get(family, usual)(draw, self._stage(seed))
        if self.recorded and "replies" not in conversation:
            conversation |= agent_keys(random.Random(f"agent {seed}"), self.people, conversation["talkers"])
        name = f"{number:05d}-{family}{level:+d}"
        return Case(name, self._write(name, room, conversation, tags), seed, self.seconds)

    def long_call(self, conversation: Callable[[random.Random, Stage], Keys], level: int = 0) -> Path:
        """The script of one long call in a room that changes every few minutes."""
        draw = random.Random(f"{self.seed} long")
        room = self._room(draw, level)
        minutes = range(2, int(self.seconds / 60))
        room["delay_jumps"] = [[60.0 * m + 7, draw.choice([80, -60, 30, -50])] for m in minutes if m % 6 == 2]
        room["volume_changes"] = [[60.0 * m + 13, draw.choice([-6, 0, 4])] for m in minutes if m % 6 == 4]
        room["path_changes"] = [[60.0 * m + 29, round(draw.uniform(0.1, 0.6), 2)] for m in minutes if m % 6 == 0]
        talk = conversation(draw, self._stage(self.seed))
        return self._write("long", room, talk, {"family": "long", "echo_db": level})

    def _stage(self, seed: int) -> Stage:
        return Stage(self.people, self.throats, self.made, self.seconds, seed)

    def _write(self, name: str, room: Keys, conversation: Keys, tags: Keys) -> Path:
        keys: Keys = {
            "seconds": self.seconds,
            "reply_seconds": REPLY_SECONDS,
            "room": room,
            **conversation,
            "tags": tags,
        }
        path = self.folder / "scripts" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(_relative(keys, path.parent), indent=1) + "\n"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
        return path

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


def _relative(value: Any, folder: Path) -> Any:
    """Paths made relative to the script, as the contract has them."""
    if isinstance(value, Path):
        return os.path.relpath(value, folder)
    if isinstance(value, dict):
        return {key: _relative(v, folder) for key, v in value.items()}
    if isinstance(value, list):
        return [_relative(v, folder) for v in value]
    return value
