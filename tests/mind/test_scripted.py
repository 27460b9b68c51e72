"""Replies without a model: the bank of the rehearsals, and a user's own function in three lines."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echoless.frames import Turn
from echoless.mind.door import MindError
from echoless.mind.scripted import FunctionMind, ScriptedMind, bank, tokens
from echoless.mind.wire import Patience


async def said(mind: Any, text: str = "Hello") -> str:
    return "".join([piece async for piece in mind.reply([Turn("user", text)])])


def test_the_bank_is_varied() -> None:
    english, mandarin = bank("en"), bank("zh")
    assert len(set(english)) == len(english) >= 40
    assert len(set(mandarin)) == len(mandarin) >= 15
    assert len({reply.split()[0] for reply in english}) >= 30
    assert len({reply[:2] for reply in mandarin}) >= 14


def test_every_reply_takes_8_to_15_seconds_to_say() -> None:
    """By rates from slow (espeak's Mandarin 2.9 characters a second, Piper's English 2.4 words) to quick."""
    for reply in bank("en"):
        assert len(reply.split()) + 1 >= 8 * 3.8 and len(reply.split()) <= 15 * 2.7
    for reply in bank("zh"):
        assert 8 * 4.6 <= len(reply) <= 15 * 2.9


async def test_a_seed_fixes_the_order_and_nothing_comes_twice_in_a_round() -> None:
    rounds = [[await said(mind) for _ in range(len(bank("en")))] for mind in (ScriptedMind(3), ScriptedMind(3))]
    assert rounds[0] == rounds[1]
    assert sorted(rounds[0]) == sorted(bank("en"))
    assert await said(ScriptedMind(4)) != rounds[0][0]


async def test_it_answers_in_the_language_of_the_user_or_the_one_it_is_told() -> None:
    assert await said(ScriptedMind(), "你好") in bank("zh")
    assert await said(ScriptedMind(language="zh"), "Hello") in bank("zh")
    assert await said(ScriptedMind(), "Hello") in bank("en")
    with pytest.raises(MindError, match="not fr"):
        await said(ScriptedMind(language="fr"))


async def test_given_replies_come_in_their_order_round_and_round() -> None:
    mind = ScriptedMind(replies=["One.", "Two."], language="fr")
    assert [await said(mind) for _ in range(3)] == ["One.", "Two.", "One."]


async def test_the_pace_is_kept_by_the_clock_it_is_given() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    mind = ScriptedMind(pace=0.05, first=0.3, sleep=sleep)
    pieces = [piece async for piece in mind.reply([Turn("user", "Hi")])]
    assert slept == [0.3] + [0.05] * len(pieces)
    assert len(pieces) > 30


@given(st.text(max_size=80))
def test_tokens_lose_nothing(text: str) -> None:
    assert "".join(tokens(text)) == text


async def later(text: str) -> str:
    await asyncio.sleep(0)
    return f"later {text}"


def stepwise(text: str) -> Iterator[str]:
    yield "step "
    yield text


async def streaming(text: str) -> AsyncIterator[str]:
    yield "stream "
    yield text


def remembers(text: str, turns: Sequence[Turn]) -> str:
    return f"{len(turns)} turns, {text}"


class Callable_:
    def __call__(self, text: str) -> list[str]:
        return ["called ", text]


@pytest.mark.parametrize(
    ("function", "reply"),
    [
        (lambda text: f"You said {text}", "You said Hi"),
        (later, "later Hi"),
        (stepwise, "step Hi"),
        (streaming, "stream Hi"),
        (remembers, "1 turns, Hi"),
        (Callable_(), "called Hi"),
        (lambda text, mood="fine": f"{text} {mood}", "Hi fine"),
        (lambda text: later(text), "later Hi"),
        (lambda text: streaming(text), "stream Hi"),
        (lambda text: 7, "7"),
    ],
)
async def test_any_function_is_a_mind(function: Any, reply: str) -> None:
    assert await said(FunctionMind(function), "Hi") == reply


async def test_what_a_function_raises_is_one_line() -> None:
    for wrong, line in [
        (lambda text: 1 / 0, "raised ZeroDivisionError: division by zero"),
        (lambda text: next(iter(())), "raised RuntimeError: StopIteration"),
        (lambda: "no argument", "raised TypeError"),
        (lambda text: None, "empty reply"),
        (lambda text: "  ", "empty reply"),
    ]:
        with pytest.raises(MindError, match=line) as failure:
            await said(FunctionMind(wrong))
        assert "\n" not in str(failure.value)


async def test_a_function_that_hangs_is_not_waited_for() -> None:
    release = threading.Event()
    mind = FunctionMind(lambda text: release.wait(30) and "x", patience=Patience(first=0.1))
    with pytest.raises(MindError, match="gave no word within"):
        await said(mind)
    release.set()


async def test_closing_the_reply_closes_the_users_generator() -> None:
    closed = asyncio.Event()

    async def talks(text: str) -> AsyncIterator[str]:
        try:
            yield "One "
            await asyncio.Event().wait()
        finally:
            closed.set()

    async with aclosing(FunctionMind(talks).reply([Turn("user", "Hi")])) as reply:  # type: ignore[type-var]
        assert await anext(reply) == "One "
    assert closed.is_set()


async def test_an_endless_function_is_cut() -> None:
    def endless(text: str) -> Iterator[str]:
        while True:
            yield "and on "

    assert len(await said(FunctionMind(endless, limit=50))) < 1000
