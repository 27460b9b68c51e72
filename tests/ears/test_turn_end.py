from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echoless.ears.door import TurnEnd
from echoless.ears.turn_end import (
    ASK_AFTER,
    TUNINGS,
    UNHEARD,
    FakeTurnEnd,
    Tuning,
    WordsOnly,
    completeness,
    fused,
    patience,
)

SILENCE = np.zeros(16_000, np.float32)


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_the_surer_the_shorter(a: float, b: float) -> None:
    one, other = patience(min(a, b)), patience(max(a, b))
    assert one.end >= other.end
    assert ASK_AFTER <= one.reply <= one.end


@pytest.mark.parametrize("odd", [math.nan, math.inf, -1.0, 2.0])
def test_a_broken_probability_means_no_opinion(odd: float) -> None:
    assert patience(odd) == patience(0.5)


def test_tuning_sets_both_ends() -> None:
    tuning = Tuning(sure=0.2, even=0.9, unsure=2.0, slope=0.5)
    assert patience(1.0, tuning).end == pytest.approx(0.2)
    assert patience(0.5, tuning).end == pytest.approx(0.9)
    assert patience(0.0, tuning).end == pytest.approx(2.0)


@settings(deadline=None)
@given(st.floats(0, 1))
def test_the_more_patient_the_longer(finished: float) -> None:
    quick, normal, patient = (patience(finished, TUNINGS[name]).end for name in ("quick", "normal", "patient"))
    assert quick < normal < patient


@settings(deadline=None)
@given(st.floats(0, 1))
def test_a_reply_is_begun_before_it_may_be_heard(finished: float) -> None:
    found = patience(finished)
    assert found.reply == max(ASK_AFTER, found.end - Tuning().ahead)
    assert Tuning().sure <= found.end <= Tuning().unsure


@pytest.mark.parametrize(
    ("begun", "whole"),
    [
        ("I would like to", "I would like to order a coffee"),
        ("what is the weather like in", "what is the weather like in London"),
        ("tell me about the", "tell me about the weather"),
        ("can I get a large", "can I get a large latte"),
        ("so I was thinking that", "I was thinking about it"),
        ("do you like", "do you like music"),
        ("我想去", "我想去故宫"),
        ("你好请问这个", "你好请问这个多少钱"),
        ("因为", "好的谢谢"),
        ("那个酒店的", "那个酒店的电话是多少"),
    ],
)
@pytest.mark.parametrize("mark", ["", ".", "。"])
def test_words_tell_a_beginning_from_a_whole(begun: str, whole: str, mark: str) -> None:
    """Whatever full stop the recogniser put."""
    assert completeness(begun + mark) < 0.35
    assert completeness(whole + mark) > completeness(begun + mark) + 0.15


@pytest.mark.parametrize("text", ["what is the weather like in London", "tell me about the", "嗯"])
def test_a_voice_that_has_not_answered_yet_leaves_it_to_the_words(text: str) -> None:
    assert fused(UNHEARD, text) == pytest.approx(completeness(text))


@pytest.mark.parametrize("text", ["Margaret, said Mr. Hale,", "好的，", "one, two、"])
def test_a_comma_at_the_end_is_no_end(text: str) -> None:
    assert completeness(text) < 0.1


@pytest.mark.parametrize(
    "text", ["yes", "No.", "Okay!", "Stop.", "好的。", "等一下", "How are you?", "What is your name?"]
)
def test_short_turns_are_complete(text: str) -> None:
    assert completeness(text) > 0.6


@pytest.mark.parametrize("text", ["um", "Well,", "Uh, um.", "嗯，那个", "I wanted to say...", "and then I—"])
def test_hesitation_is_never_complete(text: str) -> None:
    assert completeness(text) < 0.15


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_has_a_probability(text: str) -> None:
    assert 0.0 <= completeness(text) <= 1.0
    assert 0.0 <= fused(0.5, text) <= 1.0


def test_voice_and_words_each_move_the_answer() -> None:
    whole, begun = "Do you like music?", "I would like to"
    assert fused(0.9, whole) > fused(0.2, whole)
    assert fused(0.5, whole) > fused(0.5, begun)
    assert fused(math.nan, whole) == fused(0.5, whole)


@pytest.mark.parametrize("engine", [WordsOnly(), FakeTurnEnd(0.7, {"wait": 0.1})])
def test_the_engines_without_a_model_keep_the_door(engine: TurnEnd) -> None:
    assert isinstance(engine, TurnEnd)
    assert 0.0 <= engine.finished(engine.sounds_finished(SILENCE), "hello there") <= 1.0
    engine.close()


def test_the_fake_says_what_it_is_told() -> None:
    fake = FakeTurnEnd(0.7, {"wait": 0.1})
    assert (fake.finished(0.5, "wait"), fake.finished(0.5, "go")) == (0.1, 0.7)
