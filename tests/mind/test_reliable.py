"""A mind that fails is tried once more, by its own server if it has one, and then says so in one line."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from tests.mind.liar import Liar
from tests.mind.test_llama import (
    HELLO,
    QUICK,
    dies,
    empty,
    endless,
    error_event,
    fine,
    garbage,
    patience,
    refuse,
    silent,
    stalls,
)
from tests.mind.tiny_gguf import TALKATIVE

from echoless.frames import Turn
from echoless.mind.door import MindError
from echoless.mind.llama import LlamaMind
from echoless.mind.reliable import ReliableMind
from echoless.mind.scripted import FunctionMind
from echoless.mind.server import LlamaServer
from echoless.mind.wire import Patience


class Notes(list[tuple[str, str, str]]):
    def __call__(self, part: str, what: str, action: str) -> None:
        assert part == "mind" and what and "\n" not in what
        self.append((part, what, action))

    @property
    def actions(self) -> list[str]:
        return [action for _, _, action in self]


async def ask(handlers: Any, turns: Sequence[Turn] = HELLO, **options: Any) -> tuple[str, Notes, Liar]:
    notes, said = Notes(), ""
    first = handlers[0] if isinstance(handlers, list) else handlers
    async with Liar(completion=handlers).serving() as liar:
        mind = ReliableMind(LlamaMind(liar.url, patience=patience(first), **options), note=notes)
        try:
            async for piece in mind.reply(turns):
                said += piece
        except MindError as why:
            said += f" !{why}"
        await mind.aclose()
    return said, notes, liar


@pytest.mark.parametrize("handler", [refuse, silent, garbage, empty])
async def test_what_fails_before_a_word_is_tried_once_more(handler: Any) -> None:
    said, notes, liar = await ask([handler, fine])
    assert said == "I am fine."
    assert notes.actions == ["retried"]
    assert len(liar.bodies("/completion")) == 2


@pytest.mark.parametrize("handler", [dies, stalls, error_event])
async def test_a_reply_that_breaks_off_goes_on_where_it_was(handler: Any) -> None:
    said, notes, liar = await ask([handler, fine])
    begun = said.removesuffix("I am fine.")
    assert begun in ("I was going to", "Well", "One")
    assert notes.actions == ["retried"]
    assert liar.bodies("/completion")[1]["prompt"].endswith(f"Assistant:{begun}")


@pytest.mark.parametrize("handler", [refuse, silent, garbage, empty, dies, stalls, error_event])
async def test_failing_twice_is_said_in_one_line(handler: Any) -> None:
    said, notes, liar = await ask(handler)
    assert " !the " in said
    assert notes.actions == ["retried", "gave_up"]
    assert len(liar.bodies("/completion")) == 2


async def test_an_endless_reply_is_no_failure() -> None:
    said, notes, _ = await ask(endless, limit=20)
    assert said and not notes


async def test_nobody_there_is_said_after_two_tries() -> None:
    notes = Notes()
    mind = ReliableMind(LlamaMind("http://127.0.0.1:9", patience=QUICK), note=notes)
    with pytest.raises(MindError, match="no server answers"):
        [piece async for piece in mind.reply(HELLO)]
    assert notes.actions == ["retried", "gave_up"]
    await mind.prefill(HELLO)
    assert notes.actions[-1] == "degraded"
    await mind.aclose()


async def test_a_mind_that_cannot_go_on_does_not_start_again_in_mid_sentence() -> None:
    async def breaks(text: str) -> AsyncIterator[str]:
        yield "One "
        raise ValueError("two")

    notes, said = Notes(), []
    with pytest.raises(MindError, match="raised ValueError: two"):
        async for piece in ReliableMind(FunctionMind(breaks), note=notes).reply(HELLO):
            said += [piece]
    assert said == ["One "]
    assert notes.actions == ["gave_up"]


async def test_our_own_server_killed_in_mid_sentence_goes_on(slow: Path) -> None:
    notes = Notes()
    async with LlamaServer(slow, context=2048) as server:
        inner = LlamaMind(lambda: server.endpoint, sampling=TALKATIVE, limit=400, patience=Patience(first=20))
        mind = ReliableMind(inner, server, notes)
        first, pieces = server.pid, 0
        assert first
        async with aclosing(mind.reply(HELLO)) as reply:  # type: ignore[type-var]
            async for _ in reply:
                pieces += 1
                if pieces == 1:
                    os.kill(first, signal.SIGKILL)
                if server.pid != first and notes:
                    break
        assert notes.actions == ["restarted"]
        assert server.pid != first and pieces > 1
        await mind.aclose()


async def test_closing_closes_what_is_inside() -> None:
    closed = []

    async def talks(text: str) -> AsyncIterator[str]:
        try:
            yield "One "
            yield "two."
        finally:
            closed.append(True)

    async with aclosing(ReliableMind(FunctionMind(talks)).reply(HELLO)) as reply:  # type: ignore[type-var]
        assert await anext(reply) == "One "
    assert closed


async def test_a_server_that_cannot_be_revived_is_the_end_of_it(tiny: Path) -> None:
    class Hopeless:
        async def ensure(self) -> bool:
            raise MindError("the built-in model server died 4 times within a minute")

    async with Liar(completion=refuse).serving() as liar:
        notes = Notes()
        mind = ReliableMind(LlamaMind(liar.url, patience=QUICK), Hopeless(), notes)
        with pytest.raises(MindError, match="died 4 times"):
            [piece async for piece in mind.reply(HELLO)]
        await mind.aclose()
    assert notes.actions == ["gave_up"]
