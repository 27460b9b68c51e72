"""The gate's bookkeeping and its doors; its calls need recorded people and minutes (`voiceprint/gate.py`)."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from echoless.ears.voiceprint import ME, Spoken
from echoless.workshop.voiceprint.gate import held, table, tasks
from echoless.workshop.voiceprint.gate_calls import Doors, Outcome


def outcome(kind: str, number: int, stopped: bool, door: str = "enrolled", **more: object) -> Outcome:
    told = {"reasons": ("stranger",) * (not stopped), "nearest": "", "cost": 0.01, "trail": ({"t": 1.5},)}
    return Outcome(1, kind, number, door, "anna", "ben", "espeak", 0, stopped, 1, **(told | more))  # type: ignore[arg-type]


def test_those_who_talk_come_first_and_the_two_doors_hear_the_same_calls() -> None:
    kinds = [task.kind for task in tasks(2, 1, own_voice=False)]
    assert kinds == ["enrolled", "stranger"] * 2 + ["nobody"] * 2
    pairs = list(tasks(2, 1, own_voice=True))
    assert len(pairs) == 8
    for one, other in zip(pairs[::2], pairs[1::2], strict=True):
        assert (one.kind, one.number, one.seed) == (other.kind, other.number, other.seed)
        assert {one.door, other.door} == {"open", "own-voice"}


def test_a_run_goes_on_after_a_row_that_was_cut_off(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    assert held(log) == []
    rows = [json.dumps(asdict(outcome("stranger", number, False))) for number in range(3)]
    log.write_text("\n".join(rows)[:-20], encoding="utf-8")
    assert [each.number for each in held(log)] == [0, 1]
    assert held(log)[0] == outcome("stranger", 0, False)
    assert log.read_text(encoding="utf-8").endswith("}\n"), "what is added begins on a line of its own"


def test_both_errors_are_counted_for_each_kind_and_door() -> None:
    held_ = [outcome("enrolled", n, n != 0) for n in range(4)] + [outcome("nobody", 0, False, "open", nearest="me")]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table(held_).splitlines()[2:]]
    assert [row[:4] for row in rows] == [["enrolled", "enrolled", "4", "3"], ["nobody", "open", "1", "0"]]
    assert rows[0][4] == "stranger 1"
    assert rows[1][6] == "1"


class Knows:
    """Says the same of whatever it hears."""

    def __init__(self, name: str | None) -> None:
        self.name = name

    def who(self, sound: np.ndarray) -> Spoken:
        return Spoken(self.name, self.name or "", 0.6, 0.5, 1.2)


@pytest.mark.parametrize(
    ("door", "name", "said"),
    [("enrolled", "anna", "anna"), ("enrolled", None, None), ("own-voice", ME, ME), ("own-voice", None, "somebody")],
)
def test_a_door_lets_in_whom_it_is_for(door: str, name: str | None, said: str | None) -> None:
    doors = Doors(door, Knows(name))  # type: ignore[arg-type]
    assert doors.only_enrolled
    assert doors.who(np.zeros(100, np.float32)).name == said
    assert not Doors("open", Knows(name)).only_enrolled  # type: ignore[arg-type]
