"""Any OpenAI-compatible server behind the same door: the real embedded server speaks that language too."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest
from tests.mind.liar import Answer, Liar
from tests.mind.test_llama import HELLO, QUICK, garbage, patience, refuse, silent
from tests.mind.test_window import conversation
from tests.mind.tiny_gguf import TALKATIVE

from echoless.frames import Turn
from echoless.mind.door import MindError
from echoless.mind.openai import OpenAIMind
from echoless.mind.server import LlamaServer

CHAT = "v1/chat/completions"


async def models(answer: Answer) -> None:
    await answer.json({"data": [{"id": "small-model", "max_model_len": 1024}]})


async def delta(answer: Answer, **choice: Any) -> None:
    await answer.event(choices=[{"index": 0, **choice}])


async def fine(answer: Answer) -> None:
    await answer.begin()
    await delta(answer, delta={"role": "assistant", "content": None})
    await delta(answer, delta={"reasoning_content": "hmm"})
    await delta(answer, delta={"content": "I am"})
    await delta(answer, delta={"content": " fine."})
    await delta(answer, delta={}, finish_reason="stop")
    await answer.event(choices=[], usage={"total_tokens": 5})
    await answer.send(b"data: [DONE]\n\n")


async def dies(answer: Answer) -> None:
    await answer.begin()
    await delta(answer, delta={"content": "I was"})


async def fails(answer: Answer) -> None:
    await answer.begin()
    await answer.event(error={"message": "overloaded"})


def liar(handler: Any) -> Liar:
    return Liar(**{CHAT: handler, "v1/models": models})


async def test_a_good_server() -> None:
    async with liar(fine).serving() as server:
        mind = OpenAIMind(f"{server.url}/v1", system="Be kind.", patience=QUICK)
        assert [piece async for piece in mind.reply(HELLO)] == ["I am", " fine."]
        await mind.prefill(HELLO)
        (body,) = server.bodies(f"/{CHAT}")
        await mind.aclose()
    assert mind.traits.name == body["model"] == "small-model"
    assert mind.traits.context == 1024
    assert [m["role"] for m in body["messages"]] == ["system", "user"]


@pytest.mark.parametrize(
    ("handler", "line"),
    [
        (refuse, "refused"),
        (silent, "gave no word"),
        (dies, "hung up"),
        (garbage, "garbage"),
        (fails, "overloaded"),
    ],
)
async def test_misbehaviour_is_one_line(handler: Any, line: str) -> None:
    async with liar(handler).serving() as server:
        mind = OpenAIMind(server.url, patience=patience(handler))
        with pytest.raises(MindError, match=line):
            [piece async for piece in mind.reply(HELLO)]
        await mind.aclose()


async def test_a_server_without_models() -> None:
    async def none(answer: Answer) -> None:
        await answer.json({"data": []})

    async with Liar(**{"v1/models": none}).serving() as server:
        mind = OpenAIMind(server.url, patience=QUICK)
        with pytest.raises(MindError, match="offers no model"):
            await mind.check()
        await mind.aclose()


async def test_two_hundred_turns_stay_within_the_context() -> None:
    async with liar(fine).serving() as server:
        mind = OpenAIMind(server.url, patience=QUICK)
        assert [piece async for piece in mind.reply(conversation(199))]
        (body,) = server.bodies(f"/{CHAT}")
        await mind.aclose()
    assert body["messages"][-1]["content"].startswith("Turn number 198")
    assert sum(len(m["content"]) for m in body["messages"]) < 1024 * 3


async def test_the_embedded_server_by_its_other_door(server: LlamaServer) -> None:
    mind = OpenAIMind(server.endpoint, sampling=TALKATIVE, limit=16)
    async with aclosing(mind.reply([Turn("user", "Hello")])) as reply:  # type: ignore[type-var]
        assert await anext(reply)
    await mind.aclose()
