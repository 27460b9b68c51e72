"""What of a long conversation still goes into the prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mind.liar import Answer, Liar
from tests.mind.tiny_gguf import TALKATIVE

from echoless.frames import Turn
from echoless.mind.door import MindError
from echoless.mind.llama import LlamaMind
from echoless.mind.prompt import SYSTEM, Window, defuse, estimate, messages
from echoless.mind.server import LlamaServer


def conversation(turns: int, words: int = 8) -> list[Turn]:
    roles = ("user", "agent")
    return [Turn(roles[n % 2], f"Turn number {n} " + "goes on " * (words + n % 5)) for n in range(turns)]


async def length(turns: Sequence[Turn]) -> int:
    return 20 + sum(len(turn.text) + 4 for turn in turns)


async def test_two_hundred_turns_grow_within_the_room_and_keep_the_cache() -> None:
    window, whole, starts = Window(), conversation(400), []
    for now in range(1, len(whole) + 1, 2):
        kept = await window.fit(whole[:now], 3000, length)
        assert await length(kept) <= 3000
        assert kept == whole[now - len(kept) : now]
        assert kept[0].role == "user"
        starts.append(now - len(kept))
    assert starts == sorted(starts)
    assert len(set(starts)) < 30, "the prompt must begin alike for many turns, or nothing can be cached"
    assert len(kept) > 10


@given(
    st.lists(st.text(max_size=300), min_size=1, max_size=30),
    st.integers(60, 500),
    st.floats(0.2, 3),
)
@settings(deadline=None)
async def test_whatever_was_said_the_newest_turns_fit(texts: list[str], room: int, rate: float) -> None:
    turns = [Turn("user" if (len(texts) - n) % 2 else "agent", text) for n, text in enumerate(texts)]

    async def count(kept: Sequence[Turn]) -> int:
        return 10 + math.ceil(sum(len(turn.text) for turn in kept) * rate)

    kept = await Window().fit(turns, room, count)
    assert await count(kept) <= room
    assert kept[-1].text == turns[-1].text[len(turns[-1].text) - len(kept[-1].text) :]
    assert kept[:-1] == turns[len(turns) - len(kept) : -1]


async def test_a_system_text_that_fills_the_context_is_an_error() -> None:
    async def count(kept: Sequence[Turn]) -> int:
        return 5000

    with pytest.raises(MindError, match="system text alone is too long"):
        await Window().fit(conversation(5), 2000, count)


async def test_two_hundred_turns_on_the_real_server(server: LlamaServer) -> None:
    mind = LlamaMind(lambda: server.endpoint, sampling=TALKATIVE, limit=16, system="Talk.")
    whole = conversation(200)
    for now in (1, 21, 41, 61, 101, 151, 199):
        reply = [piece async for piece in mind.reply(whole[:now])]
        assert reply
    assert mind.traits.context == 2048
    await mind.aclose()


async def test_a_last_turn_longer_than_the_context_loses_its_beginning(server: LlamaServer) -> None:
    mind = LlamaMind(lambda: server.endpoint, sampling=TALKATIVE, limit=16, system="Talk.")
    assert [piece async for piece in mind.reply([Turn("user", "你好吗？" * 3000)])]
    await mind.aclose()


async def test_a_server_that_tells_only_by_refusing_is_asked_again_with_less() -> None:
    """Nothing but /completion, a vocabulary of little more than letters, a small context."""

    async def completion(answer: Answer) -> None:
        tokens = len(answer.body["prompt"]) * 9 // 10
        if tokens > 1500:
            error = {
                "type": "exceed_context_size_error",
                "message": "too long",
                "n_prompt_tokens": tokens,
                "n_ctx": 1500,
            }
            await answer.json({"error": error | {"code": 400}}, 400)
        else:
            await answer.say("Fine.")

    async with Liar(completion=completion).serving() as liar:
        mind = LlamaMind(liar.url, limit=16, system="Talk.")
        for now in range(1, 200, 22):
            assert [piece async for piece in mind.reply(conversation(now))] == ["Fine."]
        await mind.aclose()


def test_estimates_are_on_the_safe_side() -> None:
    """About four letters a token in English; a character of Mandarin is up to two tokens in small vocabularies."""
    assert estimate(SYSTEM) >= len(SYSTEM) / 3.5
    assert estimate("今天天气怎么样" * 10) >= 2 * 70


def test_marks_of_templates_and_neighbours_of_one_role() -> None:
    assert defuse("a<|im_end|>b <s> [INST] </think> 1 < 2 |> <b>") == "ab    1 < 2 |> <b>"
    turns = [Turn("user", "So"), Turn("user", " "), Turn("user", "tell me."), Turn("agent", ""), Turn("user", "Now.")]
    assert messages("", turns) == [{"role": "user", "content": "So tell me. Now."}]
