"""The history holds what was heard, in any script, and no more than it may."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echoless.frames import Turn
from echoless.mind.history import History, joined, last_word


def test_a_conversation_as_heard() -> None:
    history = History()
    history.user("How far is the moon?")
    history.agent(1, "It is about 384,400 kilometres away. That is far.")
    heard, unheard = history.heard(1, 15)
    assert (heard, unheard) == ("It is about", "384,400 kilometres away. That is far.")
    history.user("Stop.")
    assert history.turns == (
        Turn("user", "How far is the moon?"),
        Turn("agent", "It is about"),
        Turn("user", "Stop."),
    )


def test_the_user_goes_on_before_the_reply_was_heard() -> None:
    history = History()
    history.user("I would like")
    history.agent(1, "What would you like?")
    assert history.take_back(1) == "What would you like?"
    assert history.user("a cup of tea.") == Turn("user", "I would like a cup of tea.")
    assert history.turns == (Turn("user", "I would like a cup of tea."),)


def test_a_reply_that_never_made_a_sound_does_not_split_a_turn() -> None:
    history = History()
    history.user("我想要")
    history.agent(1, "")
    history.user("一杯茶。")
    assert history.turns == (Turn("user", "我想要一杯茶。"),)


def test_an_older_generation_cannot_touch_a_newer_reply() -> None:
    history = History()
    history.user("a")
    history.agent(2, "newer reply")
    assert history.heard(1, 3) == ("", "")
    assert history.take_back(1) == ""
    assert history.turns[-1] == Turn("agent", "newer reply")


def test_prefilling_shows_the_turn_as_it_will_be_and_changes_nothing() -> None:
    history = History()
    history.user("Tell me")
    assert history.with_user(" about the sea ") == (Turn("user", "Tell me about the sea"),)
    assert history.with_user("") == history.turns == (Turn("user", "Tell me"),)
    history.agent(1, "Sure.")
    assert history.with_user("now")[-1] == Turn("user", "now")


@pytest.mark.parametrize(
    ("text", "characters", "heard"),
    [
        ("Hello there, friend.", 11, "Hello there,"),
        ("Hello there, friend.", 9, "Hello"),
        ("Hello there, friend.", 0, ""),
        ("Hello there, friend.", 99, "Hello there, friend."),
        ("It's 3.14 or 10:30 o'clock", 7, "It's"),
        ("It's 3.14 or 10:30 o'clock", 2, ""),
        ("It's 3.14 or 10:30 o'clock", 9, "It's 3.14"),
        ("今天天气很好，我们出去走走吧。", 4, "今天天气"),
        ("今天天气很好，我们出去走走吧。", 6, "今天天气很好，"),
        ("我用Python写程序", 5, "我用"),
        ("say (not now)", 3, "say"),
        ("cafe\u0301 au lait", 4, ""),
    ],
)
def test_cutting_at_the_last_whole_word(text: str, characters: int, heard: str) -> None:
    assert text[: last_word(text, characters)].rstrip() == heard


@given(st.text(max_size=60), st.integers(-5, 70))
def test_no_character_is_lost_by_a_cut(text: str, characters: int) -> None:
    history = History()
    history.agent(1, text)
    heard, unheard = history.heard(1, characters)
    assert text.startswith(heard) and text.endswith(unheard)
    assert not text[len(heard) : len(text) - len(unheard)].strip()
    assert len(heard) <= max(0, characters) or not text[max(0, characters) : len(heard)].isalnum()


@pytest.mark.parametrize(
    ("first", "second", "whole"),
    [("I want", "tea.", "I want tea."), ("我要", "茶", "我要茶"), ("我要", "tea", "我要 tea"), ("", " x ", "x")],
)
def test_joining_two_halves(first: str, second: str, whole: str) -> None:
    assert joined(first, second) == whole


@given(st.lists(st.tuples(st.booleans(), st.text(max_size=50)), max_size=80))
def test_memory_is_bounded_and_roles_alternate(said: list[tuple[bool, str]]) -> None:
    history = History(most_turns=10, most_characters=200)
    for generation, (user, text) in enumerate(said):
        if user:
            history.user(text)
        else:
            history.agent(generation, text)
        assert len(history._entries) <= 10
        assert sum(len(turn.text) for turn in history.turns) <= 200
    roles = [turn.role for turn in history.turns]
    assert not any(a == b == "user" for a, b in itertools.pairwise(roles))


def test_a_day_of_talking() -> None:
    history = History()
    for generation in range(1200):
        history.user("word " * 40)
        history.agent(generation, "word " * 40)
    assert sum(len(turn.text) for turn in history.turns) <= 400_000
    assert history.turns[-1].role == "agent"
