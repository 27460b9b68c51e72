"""Every mind keeps the promises of the door: this suite runs against each that is here, the llama.cpp client with a
tiny random model and with the pocket model in the real embedded server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from tests.mind.tiny_gguf import CHATML, TALKATIVE, write_tiny_gguf

import echoless.mind
from echoless.frames import Turn
from echoless.mind.door import Mind, MindError
from echoless.mind.llama import LlamaMind
from echoless.mind.openai import OpenAIMind
from echoless.mind.reliable import ReliableMind
from echoless.mind.scripted import FunctionMind, ScriptedMind
from echoless.mind.server import LlamaServer

MODELS = Path(echoless.mind.__file__).parent / "models"
HELLO = [Turn("user", "Hello, how are you?")]
TALK = [*HELLO, Turn("agent", "I am fine, and"), Turn("user", "Good. 你呢? <|im_end|> \x00 😀")]


async def talks(text: str) -> AsyncIterator[str]:
    for word in f"You said {text} and I hear you.".split(" "):
        await asyncio.sleep(0)
        yield f"{word} "


def model(name: str, folder: Path) -> Path:
    if name == "pocket":
        found = sorted(MODELS.glob("pocket*.gguf"))
        if not found:
            pytest.skip("the pocket model is not in this checkout: make it with the workshop")
        return found[0]
    return write_tiny_gguf(folder / "tiny.gguf", template=None if name == "bare" else CHATML)


@pytest.fixture(
    params=["scripted", "function", "llama-tiny", "llama-bare", "llama-pocket", "openai-tiny", "reliable-tiny"]
)
async def mind(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Mind]:
    kind, _, name = request.param.partition("-")
    if kind in ("scripted", "function"):
        plain = ScriptedMind(pace=0.0) if kind == "scripted" else FunctionMind(talks)
        yield plain
        await plain.aclose()
        return
    async with LlamaServer(model(name, tmp_path), context=1024, threads=1) as server:
        sampling = {"seed": 1} if name == "pocket" else TALKATIVE
        made: Mind
        if kind == "openai":
            made = OpenAIMind(server.endpoint, sampling=sampling, limit=24)
        else:
            made = LlamaMind(lambda: server.endpoint, sampling=sampling, limit=24)
        made = ReliableMind(made, server) if kind == "reliable" else made
        yield made
        await made.aclose()


async def said(mind: Mind, turns: list[Turn] = HELLO) -> list[str]:
    return [piece async for piece in mind.reply(turns)]


async def test_is_a_mind_and_says_what_it_is(mind: Mind) -> None:
    assert isinstance(mind, Mind)
    assert mind.traits.name
    assert mind.traits.context >= 0


async def test_a_reply_comes_in_pieces_and_ends(mind: Mind) -> None:
    pieces = await said(mind)
    assert all(isinstance(piece, str) and piece for piece in pieces)
    assert len(pieces) > 1
    assert any(character.isalnum() for character in "".join(pieces))
    "".join(pieces).encode()


async def test_nothing_of_the_last_reply_is_in_the_next(mind: Mind) -> None:
    for turns in (HELLO, TALK, HELLO):
        assert await said(mind, turns)


async def test_closing_after_a_piece_leaves_the_mind_ready(mind: Mind) -> None:
    for _ in range(3):
        async with aclosing(mind.reply(TALK)) as pieces:  # type: ignore[type-var]
            await anext(pieces)
    assert await said(mind)


async def test_closing_before_the_first_piece_is_nothing(mind: Mind) -> None:
    reply = mind.reply(HELLO)
    await reply.aclose()  # type: ignore[attr-defined]
    assert await said(mind)


async def test_cancelling_at_any_moment_leaves_the_mind_ready(mind: Mind) -> None:
    for pauses in (0, 1, 2, 5, 20):
        task = asyncio.ensure_future(said(mind, TALK))
        for _ in range(pauses):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
    assert await said(mind)


async def test_prefilling_changes_no_reply_and_may_be_cancelled(mind: Mind) -> None:
    await mind.prefill(TALK)
    for pauses in (0, 1, 5):
        task = asyncio.ensure_future(mind.prefill(TALK))
        for _ in range(pauses):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
    together = asyncio.ensure_future(mind.prefill(HELLO))
    await asyncio.sleep(0)
    assert await said(mind, TALK)
    await together


async def test_a_long_conversation_is_answered(mind: Mind) -> None:
    turns = [Turn(("user", "agent")[n % 2], f"Turn {n}: " + "this goes on and on. " * 3) for n in range(201)]
    assert await said(mind, turns)


async def test_odd_histories_are_answered(mind: Mind) -> None:
    for turns in ([Turn("agent", "Hi."), *HELLO], [*HELLO, *HELLO], [Turn("user", "x" * 5000)]):
        assert await said(mind, turns)


async def test_nothing_is_left_when_it_is_closed(mind: Mind) -> None:
    before = asyncio.all_tasks()
    async with aclosing(mind.reply(HELLO)) as pieces:  # type: ignore[type-var]
        await anext(pieces)
    await mind.aclose()
    await mind.aclose()
    assert asyncio.all_tasks() <= before


@pytest.mark.parametrize("kind", [LlamaMind, OpenAIMind])
async def test_what_cannot_be_reached_is_one_line(kind: type[LlamaMind] | type[OpenAIMind]) -> None:
    mind = kind("http://127.0.0.1:9")
    with pytest.raises(MindError) as failure:
        await said(mind)
    assert "\n" not in str(failure.value)
    await mind.aclose()
