"""The steps of an answer are those of the reply that was heard, and what a record says is not believed blindly."""

from __future__ import annotations

import pytest

from echoless.frames import Event
from echoless.steps import answers, each, table


def event(t: float, name: str, **data: object) -> Event:
    return Event(t, name, data)


WAITED = {"silence": 0.6, "words": 0.2, "sure_at": [[0.2, 0.4], [0.5, 0.9]]}
CALL = [
    event(1.0, "user.started"),
    event(3.10, "user.stopped"),
    event(3.20, "user.partial", text="I would like"),
    event(3.21, "agent.thinking", generation=1),
    event(3.40, "agent.thinking", generation=2),
    event(3.70, "user.said", text="I would like some tea", evidence=WAITED),
    event(3.72, "agent.started", generation=2, token=3.5, sound=3.6),
]


def test_steps_are_those_of_the_reply_that_was_heard() -> None:
    (answer,) = answers([(3.0, 10.0)], CALL)
    assert answer.text == "I would like some tea"
    assert answer.sure == ((0.2, 0.4), (0.5, 0.9))
    expected = {"voice": 100, "paused": 100, "words": 300, "begun": 400, "token": 500, "sound": 600, "ended": 700}
    assert answer.at == pytest.approx({**expected, "audible": 720})
    line = each([answer]).splitlines()[1]
    assert line.split()[2:10] == ["100", "100", "300", "400", "500", "600", "700", "720"]
    assert "0.90 (0.50)" in line and line.endswith("I would like some tea")


def test_what_was_not_answered_has_no_row_and_the_table_says_how_many() -> None:
    found = answers([(3.0, 6.0), (7.0, 10.0)], CALL)
    assert len(found) == 1
    assert "| audible | 720 | 720 | 1 |" in table(found)
    assert table([]).count("\n") == 1


@pytest.mark.parametrize(
    "evidence", [None, "x", {"silence": "long"}, {"silence": True, "sure_at": [[1]]}, {"sure_at": 3}]
)
def test_a_record_of_somebody_elses_is_read_as_far_as_it_goes(evidence: object) -> None:
    said = event(3.70, "user.said", text=None, evidence=evidence)
    (answer,) = answers([(3.0, 10.0)], [said, event(3.8, "agent.started", token="soon", generation=None)])
    assert answer.at == pytest.approx({"ended": 700, "audible": 800}) and answer.sure == ()
    assert each([answer])
