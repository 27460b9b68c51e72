from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echoless.ears.words import alike, echo_share, joined, normal, sounds, spans, tokens, units


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("...", 0),
        ("Hello, world!", 2),
        ("don't stop", 2),
        ("don’t stop", 2),
        ("今天天气怎么样？", 7),
        ("我用Python写了3个程序", 9),
        ("OK好的", 3),
        ("ありがとう", 5),
        ("ÉCOLE naïve", 2),
    ],
)
def test_words_are_counted_and_mandarin_by_character(text: str, count: int) -> None:
    assert units(text) == count == len(tokens(text))


def test_normal_form_compares_equal_across_punctuation_and_width() -> None:
    assert normal("Well, I’m  HERE!") == normal("well i'm here")
    assert normal("你好，世界！") == normal("你好 世界") == "你好世界"
    assert normal("ＯＫ") == "ok"


@given(st.text(max_size=60))
def test_spans_point_into_the_text(text: str) -> None:
    at = 0
    for word, begin, end in spans(text):
        assert word and at <= begin < end <= len(text)
        at = end


def test_sounds_follow_context_in_mandarin() -> None:
    assert sounds(list("银行"))[1] != sounds(list("行走"))[0]
    assert sounds(["三"]) == sounds(["三", "3"])[1:]


@pytest.mark.parametrize(
    ("a", "b"), [("weight", "wait"), ("know", "no"), ("stopp", "stop"), ("3", "three"), ("他", "她")]
)
def test_words_that_sound_alike_are_alike(a: str, b: str) -> None:
    assert alike(a, b) >= 0.65


@pytest.mark.parametrize(("a", "b"), [("museum", "kitchen"), ("stop", "go"), ("停", "好"), ("stop", "停")])
def test_words_that_do_not_are_not(a: str, b: str) -> None:
    assert alike(a, b) < 0.65


def at_rate(text: str, begin: float, seconds: float = 0.35) -> list[tuple[str, float, float]]:
    words = text.split() if " " in text else list(text)
    return [(word, begin + n * seconds, begin + (n + 1) * seconds) for n, word in enumerate(words)]


REPLY = "the museum opens at nine every morning and closes at five in the afternoon except on Mondays"


def test_the_agents_words_as_they_are_played_are_echo() -> None:
    played = at_rate(REPLY, 10.0)
    assert echo_share("The museum opens at nine every morning", played, 10.1, 12.7) == 1.0


def test_misheard_echo_is_still_echo() -> None:
    played = at_rate(REPLY, 10.0)
    assert echo_share("the music um opens at mine every mourning", played, 10.1, 12.7) > 0.7


def test_words_run_together_or_split_match() -> None:
    assert echo_share("every morning clothes", [("everymorning", 1.0, 1.7), ("closes", 1.7, 2.1)], 1.0, 2.2) > 0.8


def test_a_quotation_a_moment_later_is_the_users() -> None:
    played = at_rate(REPLY, 10.0)
    assert echo_share("the museum opens at nine", played, 14.5, 16.0) < 0.3
    assert echo_share("the museum opens at nine", played, 18.0, 19.5) == 0.0
    assert echo_share("did you say nine every morning", played, 14.5, 16.5) < 0.2


def test_a_quotation_while_the_agent_has_gone_on_is_the_users() -> None:
    """The window holds other words by then, though the agent never paused."""
    played = at_rate(REPLY, 10.0, 0.3)
    assert echo_share("opens at nine", played, 13.2, 14.0) < 0.4


def test_other_words_at_the_same_time_are_the_users() -> None:
    played = at_rate(REPLY, 10.0)
    for said in ("stop", "no wait", "hold on a second please", "tell me about something else", "what about Sundays"):
        assert echo_share(said, played, 11.0, 12.0) < 0.5, said


def test_order_counts() -> None:
    played = at_rate("one two three four five six seven eight", 0.0, 0.2)
    assert echo_share("eight seven six five four three two one", played, 0.0, 1.6) < 0.4


def test_the_delay_of_the_echo_is_allowed_for() -> None:
    played = at_rate("good evening everybody", 5.0, 0.4)
    assert echo_share("good evening everybody", played, 6.4, 7.6, delay=(1.2, 1.6), slack=0.3) == 1.0
    assert echo_share("good evening everybody", played, 8.5, 9.7, delay=(0.0, 0.3), slack=0.3) == 0.0


def test_mandarin_echo_is_matched_by_sound() -> None:
    played = at_rate("博物馆每天早上九点开门", 2.0, 0.22)
    assert echo_share("博物馆每天早上久点开门", played, 2.1, 4.6) > 0.95
    assert echo_share("请等一下我想问别的", played, 2.1, 4.6) < 0.3
    assert echo_share("博物馆每天早上九点开门", played, 7.0, 9.4) == 0.0


def test_nothing_heard_or_nothing_played_is_no_echo() -> None:
    assert echo_share("", at_rate(REPLY, 0.0), 0.0, 1.0) == 0.0
    assert echo_share("...", at_rate(REPLY, 0.0), 0.0, 1.0) == 0.0
    assert echo_share("hello", [], 0.0, 1.0) == 0.0


@given(
    st.text(max_size=40),
    st.lists(st.tuples(st.text(max_size=8), st.floats(0, 9), st.floats(0, 9)), max_size=8),
    st.floats(0, 9),
    st.floats(0, 9),
)
def test_a_share_is_a_share(heard: str, played: list[tuple[str, float, float]], begin: float, end: float) -> None:
    assert 0.0 <= echo_share(heard, played, min(begin, end), max(begin, end)) <= 1.0


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (["tell me", "", "more."], "tell me more."),
        (["你好，", "今天怎么样？"], "你好，今天怎么样？"),
        (["我喜欢", "Python", "和音乐"], "我喜欢 Python 和音乐"),
        (["", ""], ""),
    ],
)
def test_stretches_are_joined_as_their_language_is_written(parts: list[str], text: str) -> None:
    assert joined(parts) == text
