"""Who speaks to whom in a room with several people."""

from __future__ import annotations

import pytest

from echoless.livekit.company import AFTER, ALONE, Company

TWO = {"a": "Anna", "b": "Ben"}


def test_a_person_alone_means_the_agent() -> None:
    assert Company().addressed("a", "Ben said no", 0.0, {"a": "Anna"}, False)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Echoless, what time is it?", True),
        ("ask the assistant", True),
        ("Ben, what do you think?", False),
        ("What do you think, ben", False),
        ("The bend in the river", True),
        ("助手，现在几点？", True),
    ],
)
def test_names_decide(text: str, meant: bool) -> None:
    assert Company().addressed("a", text, 100.0, TWO, False) is meant


def test_a_talk_between_two_people_is_not_answered() -> None:
    company = Company()
    company.said("a", 10.0, to_agent=False)
    assert not company.addressed("b", "Yes, I was there too.", 12.0, TWO, False)
    assert company.addressed("b", "Yes, I was there too.", 10.1 + ALONE, TWO, False)


def test_who_talks_with_the_agent_goes_on_to() -> None:
    company = Company()
    company.said("b", 5.0, to_agent=False)
    company.said("a", 10.0, to_agent=True)
    assert company.addressed("a", "And tomorrow?", 15.0, TWO, False)
    company.said("b", 16.0, to_agent=False)
    assert not company.addressed("a", "And tomorrow?", 17.0, TWO, False)
    assert not company.addressed("a", "And tomorrow?", 10.0 + AFTER, {**TWO, "c": "Cleo"}, False) or AFTER > ALONE


def test_whoever_cuts_in_means_the_agent() -> None:
    company = Company()
    company.said("a", 10.0, to_agent=False)
    assert company.addressed("b", "No, wait.", 11.0, TWO, cuts_in=True)
