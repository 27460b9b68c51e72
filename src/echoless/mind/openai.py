"""A mind behind an OpenAI-compatible server (vLLM, Ollama, LM Studio, llama.cpp too): `/v1/chat/completions`."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from echoless.frames import Turn
from echoless.mind.door import MindError, MindTraits
from echoless.mind.pieces import Waiting, speakable
from echoless.mind.prompt import SYSTEM, Window, estimate, messages
from echoless.mind.spoken import ReplyFilter
from echoless.mind.sse import ServerEvent
from echoless.mind.wire import Patience, Refusal, Where, Wire, one_line

CONTEXT = 4096
"""Tokens of context assumed where nobody tells (Ollama's default)."""
_OURS = ("messages", "stream", "model", "max_tokens")
_MOST_GARBAGE = 8


class OpenAIMind:
    """A Mind over the chat completions API (OpenAI API reference, "Create chat completion", streamed).

    `model` is asked of `/v1/models` where it is empty. Tokens are estimated, on the safe side, as there is no
    tokeniser to ask. Reasoning that the server keeps apart (`reasoning_content`) is never spoken either.
    """

    def __init__(
        self,
        where: Where,
        *,
        model: str = "",
        system: str = SYSTEM,
        sampling: Mapping[str, Any] | None = None,
        patience: Patience | None = None,
        limit: int = 400,
        context: int = 0,
    ) -> None:
        self.patience = patience or Patience()
        self._wire = Wire(where, self.patience)
        self._model = model
        self._system = system
        self._sampling = {k: v for k, v in (sampling or {"temperature": 0.7}).items() if k not in _OURS}
        self._limit = limit
        self._context = context
        self._window = Window()
        self._rate = 1.0

    @property
    def traits(self) -> MindTraits:
        return MindTraits(self._model or "openai", self._context or CONTEXT, template=True)

    async def check(self) -> MindTraits:
        """Ask the server what it is. Raises MindError where none answers or it has no model."""
        if not self._model or not self._context:
            answer = await self._wire.get("/v1/models")
            models = [
                m for m in (answer.get("data") if isinstance(answer, dict) else None) or [] if isinstance(m, dict)
            ]
            known = next((m for m in models if not self._model or m.get("id") == self._model), {})
            if not self._model and not known.get("id"):
                raise MindError(f"the server at {self._wire.endpoint.url} offers no model: name one")
            self._model = self._model or str(known["id"])
            meta = known.get("meta")
            told = known.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, dict) else None)
            self._context = self._context or (told if isinstance(told, int) else CONTEXT)
        return self.traits

    def reply(self, turns: Sequence[Turn]) -> AsyncIterator[str]:
        """Pieces of the answer to the last turn."""
        return self._reply(turns)

    async def prefill(self, turns: Sequence[Turn]) -> None:
        """This API has no way to read ahead without answering."""

    async def aclose(self) -> None:
        await self._wire.aclose()

    async def _reply(self, turns: Sequence[Turn]) -> AsyncGenerator[str, None]:
        who = f"the model at {self._wire.endpoint.url}"
        waiting = Waiting(self.patience, who)
        for tries in range(4):
            async with waiting:
                chat = await self._prepare(turns)
            reply = ReplyFilter(limit=min(self._limit, self.traits.context // 4))
            try:
                source = self._pieces(chat, reply.hard_limit)
                async with aclosing(speakable(source, reply, waiting, who)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except Refusal as why:
                if tries == 3 or why.status not in (400, 413) or "context" not in str(why).lower():
                    raise
                self._rate *= 2  # our estimate was too low for its tokeniser

    async def _prepare(self, turns: Sequence[Turn]) -> list[dict[str, str]]:
        await self.check()

        async def count(kept: Sequence[Turn]) -> int:
            return round(self._rate * sum(estimate(m["content"]) + 8 for m in messages(self._system, kept)))

        room = self.traits.context - 2 * min(self._limit, self.traits.context // 4)
        return messages(self._system, await self._window.fit(turns, max(16, room), count))

    async def _pieces(self, chat: list[dict[str, str]], tokens: int) -> AsyncGenerator[str, None]:
        body = {**self._sampling, "model": self._model, "messages": chat, "stream": True, "max_tokens": tokens}
        garbage, finished = 0, False
        async with aclosing(self._wire.stream("/v1/chat/completions", body)) as events:
            async for event in events:
                if event.data.strip() == "[DONE]":
                    return
                choice = _choice(event)
                garbage += choice is None
                if garbage > _MOST_GARBAGE:
                    break
                if choice:
                    delta = choice.get("delta")
                    yield str((delta.get("content") if isinstance(delta, dict) else "") or "")
                    finished = finished or bool(choice.get("finish_reason"))
        if not finished:
            what = "sends garbage" if garbage else "hung up in the middle of its reply"
            raise MindError(f"the server at {self._wire.endpoint.url} {what}")


def _choice(event: ServerEvent) -> dict[str, Any] | None:
    """The first choice in an event, empty where it has none (usage, a ping), None for garbage. Raises MindError."""
    try:
        answer = json.loads(event.data)
    except ValueError:
        return None
    if not isinstance(answer, dict):
        return None
    if error := answer.get("error"):
        said = error.get("message", error) if isinstance(error, dict) else error
        raise MindError(f"the server gave up in the middle of its reply: {one_line(said)}")
    choices = answer.get("choices")
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
