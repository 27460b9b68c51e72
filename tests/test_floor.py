"""The floor's table, state by event, and under random orders."""

from __future__ import annotations

import typing

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from echoless import floor as f
from echoless.floor import Floor, IllegalEvent, Situation, State

EVENTS = typing.get_args(f.Event)
SAMPLE = {
    kind: kind(
        *([7] if "generation" in kind.__slots__ else ["words"] if {"text", "reason"} & set(kind.__slots__) else [])
    )
    for kind in EVENTS
}
EXPECTED = {
    # state: {event: (next state, actions)}
    "listening": {
        "UserStarted": ("hearing", ""),
        "Typed": ("thinking", "StartReply"),
        "Announced": ("thinking", "Say"),
        "StopPressed": ("listening", ""),
        "Closed": ("closed", ""),
    },
    "hearing": {
        "UserPaused": ("paused", ""),
        "Dismissed": ("listening", ""),
        "Typed": ("thinking", "StartReply"),
        "Announced": ("hearing", ""),
        "StopPressed": ("hearing", ""),
        "Closed": ("closed", ""),
    },
    "paused": {
        "UserStarted": ("hearing", ""),
        "LikelyEnd": ("guessing", "StartReply"),
        "TurnEnded": ("thinking", "StartReply"),
        "Dismissed": ("listening", ""),
        "Typed": ("thinking", "StartReply"),
        "Announced": ("paused", ""),
        "StopPressed": ("paused", ""),
        "Closed": ("closed", ""),
    },
    "guessing": {
        "UserStarted": ("hearing", "Revoke"),
        "LikelyEnd": ("guessing", "Revoke StartReply"),
        "TurnEnded": ("thinking", "Revoke StartReply"),
        "Dismissed": ("listening", "Revoke"),
        "ReplyFinished": ("guessing", ""),
        "ReplyFailed": ("guessing", "Apologise"),
        "Typed": ("thinking", "Revoke StartReply"),
        "Announced": ("guessing", ""),
        "StopPressed": ("listening", "Revoke"),
        "Closed": ("closed", "Revoke"),
    },
    "thinking": {
        "UserStarted": ("hearing", "Revoke"),
        "ReplyAudible": ("speaking", ""),
        "ReplyFinished": ("listening", "Finish"),
        "ReplyFailed": ("thinking", "Apologise"),
        "Typed": ("thinking", "Revoke StartReply"),
        "Announced": ("thinking", ""),
        "StopPressed": ("listening", "Revoke"),
        "Closed": ("closed", "Revoke"),
    },
    "speaking": {
        "UserStarted": ("ducked", "Duck"),
        "ReplyFinished": ("listening", "Finish"),
        "ReplyFailed": ("speaking", "Apologise"),
        "Typed": ("thinking", "Stop StartReply"),
        "Announced": ("speaking", ""),
        "StopPressed": ("listening", "Stop"),
        "Closed": ("closed", "Stop"),
    },
    "ducked": {
        "Confirmed": ("hearing", "Stop"),
        "Dismissed": ("speaking", "Resume"),
        "ReplyFinished": ("listening", "Finish"),
        "ReplyFailed": ("ducked", "Apologise"),
        "Typed": ("thinking", "Stop StartReply"),
        "Announced": ("ducked", ""),
        "StopPressed": ("listening", "Stop"),
        "Closed": ("closed", "Stop"),
    },
}


def floor_at(state: str) -> Floor:
    floor = Floor()
    floor.now = Situation(State(state), generation=7, turn=3, guess="other words")
    return floor


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("state", EXPECTED)
def test_every_state_meets_every_event(state: str, kind: type) -> None:
    floor = floor_at(state)
    if kind.__name__ not in EXPECTED[state]:
        with pytest.raises(IllegalEvent):
            floor.feed(SAMPLE[kind])
        assert floor.state == state
        return
    actions = floor.feed(SAMPLE[kind])
    assert (floor.state, " ".join(type(action).__name__ for action in actions)) == EXPECTED[state][kind.__name__]


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_after_the_end_nothing_happens(kind: type) -> None:
    floor = floor_at("closed")
    assert floor.feed(SAMPLE[kind]) == ()
    assert floor.state is State.CLOSED


@pytest.mark.parametrize("state", EXPECTED)
@pytest.mark.parametrize("kind", [f.ReplyAudible, f.ReplyFinished, f.ReplyFailed])
def test_an_older_generation_is_dropped_at_the_door(state: str, kind: type) -> None:
    floor = floor_at(state)
    before = floor.now
    assert floor.feed(kind(6)) == ()
    assert floor.now == before


def test_a_guess_that_proves_right_is_kept() -> None:
    floor = Floor()
    for event in (f.UserStarted(), f.UserPaused(), f.LikelyEnd("hello")):
        floor.feed(event)
    generation = floor.now.generation
    assert floor.feed(f.TurnEnded("hello")) == ()
    assert floor.state is State.THINKING
    assert floor.is_current(generation)


def test_going_on_before_the_reply_is_heard_keeps_the_turn() -> None:
    floor = Floor()
    for event in (f.UserStarted(), f.UserPaused(), f.TurnEnded("I would like")):
        floor.feed(event)
    turn = floor.now.turn
    (revoke,) = floor.feed(f.UserStarted())
    assert isinstance(revoke, f.Revoke)
    floor.feed(f.UserPaused())
    (start,) = floor.feed(f.TurnEnded("I would like a tea"))
    assert isinstance(start, f.StartReply)
    assert (start.turn, start.text) == (turn, "I would like a tea")


class RandomOrders(RuleBasedStateMachine):
    """A world that throws events in any order, late ones of old generations included."""

    def __init__(self) -> None:
        super().__init__()
        self.floor = Floor()
        self.audible: int | None = None
        self.making: set[int] = set()
        self.over: set[int] = set()

    def feed(self, event: f.Event) -> None:
        before = self.floor.now
        try:
            actions = self.floor.feed(event)
        except IllegalEvent:
            assert self.floor.now == before, "an illegal event must leave the floor as it was"
            return
        if isinstance(event, f.ReplyAudible) and self.floor.is_current(event.generation):
            self.audible = event.generation
        for action in actions:
            self.apply(action)

    def apply(self, action: f.Action) -> None:
        generation = action.generation
        assert generation not in self.over, "nothing may be asked of a generation that is over"
        match action:
            case f.StartReply() | f.Say():
                assert not self.making, "two replies in the making at once"
                self.making.add(generation)
            case f.Revoke():
                assert self.audible != generation, "what was heard must never be revoked silently"
                self.end(generation)
            case f.Stop() | f.Finish():
                self.end(generation)

    def end(self, generation: int) -> None:
        self.making.discard(generation)
        self.over.add(generation)
        if self.audible == generation:
            self.audible = None

    @rule(kind=st.sampled_from([f.UserStarted, f.UserPaused, f.Confirmed, f.StopPressed]))
    def bare(self, kind: type) -> None:
        self.feed(kind())

    @rule(
        kind=st.sampled_from([f.LikelyEnd, f.TurnEnded, f.Typed, f.Announced, f.Dismissed]),
        text=st.sampled_from(["a", "b"]),
    )
    def worded(self, kind: type, text: str) -> None:
        self.feed(kind(text))

    @precondition(lambda self: self.floor.now.generation > 0)
    @rule(kind=st.sampled_from([f.ReplyAudible, f.ReplyFinished, f.ReplyFailed]), age=st.integers(0, 3))
    def from_the_reply(self, kind: type, age: int) -> None:
        generation = self.floor.now.generation - age
        if generation in self.making or generation in self.over:
            self.feed(kind(generation))

    @invariant()
    def only_the_current_generation_is_ever_heard(self) -> None:
        if self.audible is not None:
            assert self.floor.is_current(self.audible)
            assert self.floor.agent_holds
        assert all(self.floor.is_current(generation) for generation in self.making)


TestRandomOrders = RandomOrders.TestCase
TestRandomOrders.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
