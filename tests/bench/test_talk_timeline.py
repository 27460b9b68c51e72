"""The bench's timeline reads the steps of the answer that was heard, not of one that was taken back."""

from __future__ import annotations

import pytest

from echoless.bench.script import Said
from echoless.bench.timeline import answers, table
from echoless.frames import Event


def event(t: float, name: str, **data: object) -> Event:
    return Event(t, name, data)


CALL = [
    event(1.0, "user.started"),
    event(3.10, "user.stopped"),
    event(3.20, "user.partial", text="I would like"),
    event(3.21, "agent.thinking", generation=1),
    event(3.25, "bench.token"),
    event(3.40, "agent.thinking", generation=2),
    event(3.50, "bench.token"),
    event(3.60, "bench.sound"),
    event(3.70, "user.said", text="I would like some tea"),
    event(3.72, "agent.started", generation=2),
    event(3.90, "bench.sound"),
]


def test_steps_are_those_of_the_reply_that_was_heard() -> None:
    (answer,) = answers([Said(1.0, 3.0, (), False)], CALL, 10.0)
    assert answer.text == "I would like some tea"
    expected = {"silent": 100, "words": 200, "begun": 400, "token": 500, "sound": 600, "ended": 700, "audible": 720}
    assert answer.at == pytest.approx(expected)


def test_what_was_not_answered_has_no_row_and_the_table_says_how_many() -> None:
    said = [Said(1.0, 3.0, (), False), Said(6.0, 7.0, (), False)]
    found = answers(said, CALL, 10.0)
    assert len(found) == 1
    assert "| audible | 720 | 720 | 1 |" in table(found)
    assert table([]).count("\n") == 1
