"""What may be spoken: reasoning, stop strings and broken characters never reach the voice, however they are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echoless.mind.spoken import ReplyFilter, clean, close_reasoning


def spoken(pieces: list[str], **options: object) -> str:
    reply = ReplyFilter(**options)  # type: ignore[arg-type]
    return "".join(map(reply.feed, pieces)) + reply.flush()


CASES = [
    ("<think>Hmm, the user</think>\n\nHello there.", "Hello there."),
    ("Yes. <thinking>secret <b> </thinking>No.", "Yes. No."),
    ("<think>never closed", ""),
    ("a < b and <thin> is no tag", "a < b and <thin> is no tag"),
    ("Hi.<|im_end|>\n<|im_start|>user", "Hi."),
    ("Sure.\nUser: and then", "Sure."),
    ("\n\n  Hello", "Hello"),
    ("4 < 5 <", "4 < 5 <"),
    ("so</think> on", "so on"),
]


@pytest.mark.parametrize(("whole", "expected"), CASES)
@given(data=st.data())
def test_any_cut_gives_the_same_speech(whole: str, expected: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    edges = [0, *cuts, len(whole)]
    pieces = [whole[a:b] for a, b in itertools.pairwise(edges)]
    assert spoken(pieces, stops=("\nUser:",)) == expected


def test_a_template_that_opens_the_reasoning_itself() -> None:
    assert close_reasoning("<|im_start|>assistant\n<think>\n") == "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    assert close_reasoning("<think>\n\n</think>\n\n") == "<think>\n\n</think>\n\n"


def test_nothing_is_held_back_without_need() -> None:
    reply = ReplyFilter(("\nUser:",))
    assert [reply.feed(p) for p in ("Well", ", it", " is <", "3", "\n", "Us", "ed")] == [
        "Well",
        ", it",
        " is ",
        "<3",
        "",
        "",
        "\nUsed",
    ]


def test_an_endless_reply_ends_at_a_sentence_and_at_last_anywhere() -> None:
    reply = ReplyFilter(limit=10)
    said = ""
    for n in range(1000):
        said += reply.feed("end. " if n % 12 == 11 else "go ")
        if reply.done:
            break
    assert said.endswith("end. ") and n == 11
    reply = ReplyFilter(limit=10)
    assert sum(bool(reply.feed("go ")) for _ in range(1000)) == reply.hard_limit
    reply = ReplyFilter(limit=10)
    reply.feed("x" * 10_000)
    assert reply.done


def test_characters_no_voice_can_speak_are_dropped() -> None:
    assert clean("a\x00b\ufffd\ud83dc\n你好 é😀") == "abc\n你好 é😀"
    assert clean("a\x1b[31m") == "a[31m"
