"""The mind behind a llama.cpp server: `/completion` with server-sent events, the model's own chat template."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from echoless.frames import Turn
from echoless.mind.door import MindError, MindTraits
from echoless.mind.pieces import Waiting, speakable
from echoless.mind.prefill import Prefills
from echoless.mind.prompt import SYSTEM, TRANSCRIPT_STOPS, Window, estimate, messages, transcript
from echoless.mind.spoken import ReplyFilter, close_reasoning
from echoless.mind.sse import ServerEvent
from echoless.mind.wire import Patience, Refusal, Where, Wire, one_line

CONTEXT = 2048
"""Tokens of context assumed of a server that does not tell."""
SAMPLING: Mapping[str, Any] = {"temperature": 0.7, "top_p": 0.95, "min_p": 0.05, "repeat_penalty": 1.05}
_OURS = ("prompt", "stream", "cache_prompt", "return_progress", "n_predict", "id_slot", "stop")
_MOST_GARBAGE = 8


@dataclass(slots=True)
class _Server:
    """What was learned about the server: what it offers beyond `/completion`, and how its template wants its turns."""

    name: str
    context: int
    template: bool = True
    strict: bool = False
    tokenises: bool = True
    rate: float = 1.0
    """Tokens for each one that we estimate, learned from a server that can only refuse."""
    counted: int = 0


class LlamaMind:
    """A Mind over HTTP. Of the server only `/completion` is required; `/props`, `/apply-template` and `/tokenize` are
    used where they are.

    `where` is an address, an Endpoint, or a function giving today's Endpoint. `limit` is the length in tokens after
    which a reply ends at its next sentence. `context` overrides what the server says (tokens). `sampling` goes into
    the request as it is (llama.cpp's names). `slot` pins the conversation to one slot of a server that has many.
    """

    def __init__(
        self,
        where: Where,
        *,
        system: str = SYSTEM,
        sampling: Mapping[str, Any] | None = None,
        patience: Patience | None = None,
        limit: int = 400,
        context: int = 0,
        slot: int = -1,
    ) -> None:
        self.patience = patience or Patience()
        self._wire = Wire(where, self.patience)
        self._system = system
        self._sampling = {k: v for k, v in (SAMPLING if sampling is None else sampling).items() if k not in _OURS}
        self._limit = limit
        self._context = context
        self._slot = slot
        self._server: _Server | None = None
        self._window = Window()
        self._prefills = Prefills()

    @property
    def traits(self) -> MindTraits:
        """What is known so far; complete after `check` or the first reply."""
        server = self._server
        if server is None:
            return MindTraits("llama.cpp", self._context, prefills=True)
        return MindTraits(server.name, server.context, server.template, prefills=True)

    async def check(self) -> MindTraits:
        """Ask the server what it is. Raises MindError where none answers."""
        self._server = None
        await self._learn()
        return self.traits

    def reply(self, turns: Sequence[Turn]) -> AsyncIterator[str]:
        """Pieces of the answer to the last turn."""
        return self._reply(turns, "")

    def go_on(self, turns: Sequence[Turn], said: str) -> AsyncIterator[str]:
        """Pieces of the answer to the last turn from `said` on: for a reply that broke off in the middle."""
        return self._reply(turns, said)

    async def prefill(self, turns: Sequence[Turn]) -> None:
        """Have the server read the prompt ahead; a reply or a newer prefill ends this one at once."""
        async with self._prefills.one():
            prompt, _, server = await self._prepare(turns, "")
            async with aclosing(self._pieces(prompt, server, 0)) as pieces:
                async for _ in pieces:
                    pass

    async def aclose(self) -> None:
        await self._prefills.end()
        await self._wire.aclose()

    async def _reply(self, turns: Sequence[Turn], said: str) -> AsyncGenerator[str, None]:
        await self._prefills.end()
        who = f"the model at {self._wire.endpoint.url}"
        waiting = Waiting(self.patience, who)
        try:
            for last in (False, False, True):
                async with waiting:
                    prompt, stops, server = await self._prepare(turns, said)
                reply = ReplyFilter(stops, limit=self._most(server))
                reply.spoke = bool(said)
                try:
                    source = self._pieces(prompt, server, reply.hard_limit, stops)
                    async with aclosing(speakable(source, reply, waiting, who)) as pieces:
                        async for piece in pieces:
                            yield piece
                    return
                except Refusal as why:
                    if last or not _too_long(why, server):
                        raise
        except MindError:
            self._server = None
            raise

    async def _pieces(
        self, prompt: str, server: _Server, tokens: int, stops: Sequence[str] = ()
    ) -> AsyncGenerator[str, None]:
        """The raw text of one completion, piece by piece; empty pieces tell that the prompt is being read."""
        body = {
            **self._sampling,
            "prompt": prompt,
            "n_predict": tokens,
            "stop": list(stops),
            "stream": True,
            "cache_prompt": True,
            "return_progress": True,
            "id_slot": self._slot,
        }
        garbage = 0
        async with aclosing(self._wire.stream("/completion", body)) as events:
            async for event in events:
                answer = _answer(event)
                if answer is None:
                    garbage += 1
                    if garbage > _MOST_GARBAGE:
                        break
                    continue
                yield str(answer.get("content") or "")
                if answer.get("stop"):
                    return
        what = "sends garbage" if garbage else "hung up in the middle of its reply"
        raise MindError(f"the server at {self._wire.endpoint.url} {what}")

    async def _prepare(self, turns: Sequence[Turn], said: str) -> tuple[str, Sequence[str], _Server]:
        """The prompt of the newest turns that fit, the strings to stop at, the server as known."""
        server = await self._learn()
        prompt = ""

        async def count(kept: Sequence[Turn]) -> int:
            nonlocal prompt
            prompt = await self._render(server, kept) + said
            server.counted = await self._tokens(server, prompt)
            return server.counted

        reserved = ReplyFilter(limit=self._most(server)).hard_limit + 8
        await self._window.fit(turns, max(16, server.context - reserved), count)
        return prompt, () if server.template else TRANSCRIPT_STOPS, server

    def _most(self, server: _Server) -> int:
        return max(8, min(self._limit, server.context // 4))

    async def _learn(self) -> _Server:
        if self._server is None:
            props: Any = {}
            with suppress(Refusal):
                props = await self._wire.get("/props")
            props = props if isinstance(props, dict) else {}
            settings = props.get("default_generation_settings") or {}
            path = str(props.get("model_alias") or props.get("model_path") or "llama.cpp")
            server = _Server(
                PurePath(path.replace("\\", "/")).name, self._context or int(settings.get("n_ctx") or CONTEXT)
            )
            server.template = await self._has_template(str(props.get("chat_template") or "<|im_start|>"))
            self._server = server
        return self._server

    async def _has_template(self, template: str) -> bool:
        """llama.cpp makes one up (ChatML) for models that have none: its tokens then fall to pieces."""
        if "<|im_start|>" not in template:
            return True
        with suppress(Refusal, KeyError, TypeError):
            answer = await self._wire.post("/tokenize", {"content": "<|im_start|>", "parse_special": True})
            return len(answer["tokens"]) == 1
        return True

    async def _render(self, server: _Server, turns: Sequence[Turn]) -> str:
        while server.template:
            chat = messages(self._system, turns, strict=server.strict)
            try:
                body = {"messages": chat, "chat_template_kwargs": {"enable_thinking": False}}
                answer = await self._wire.post("/apply-template", body)
                return close_reasoning(str(answer["prompt"]))
            except (Refusal, KeyError, TypeError) as why:
                missing = not isinstance(why, Refusal) or why.status in (404, 405, 501)
                server.template = not missing and not server.strict
                server.strict = True
        return transcript(self._system, turns)

    async def _tokens(self, server: _Server, prompt: str) -> int:
        """Tokens of the prompt, or an upper bound where that settles it: a token has at least one byte."""
        bound = len(prompt.encode("utf-8", "replace")) + 8
        if bound <= server.context // 2:
            return bound
        if server.tokenises:
            with suppress(Refusal, KeyError, TypeError):
                answer = await self._wire.post(
                    "/tokenize", {"content": prompt, "add_special": True, "parse_special": True}
                )
                return len(answer["tokens"])
            server.tokenises = False
        return min(bound, round(estimate(prompt) * server.rate))


def _answer(event: ServerEvent) -> dict[str, Any] | None:
    """The JSON object in an event, None for garbage. Raises MindError for an error."""
    if event.data.strip() == "[DONE]":
        return {"stop": True}
    try:
        answer = json.loads(event.data)
    except ValueError:
        answer = None
    error = answer.get("error") if isinstance(answer, dict) else None
    if event.name == "error" or error:
        said = error.get("message", error) if isinstance(error, dict) else error or event.data
        raise MindError(f"the server gave up in the middle of its reply: {one_line(said)}")
    return answer if isinstance(answer, dict) and ("content" in answer or "stop" in answer) else None


def _too_long(why: Refusal, server: _Server) -> bool:
    """Whether the server found the prompt too long and said so; then takes note of what fits."""
    if why.answer.get("type") != "exceed_context_size_error":
        return False
    context, size = why.answer.get("n_ctx"), why.answer.get("n_prompt_tokens")
    if not isinstance(context, int) or not isinstance(size, int):
        return False
    server.context = min(server.context, context)
    server.rate *= max(1.0, size / max(1, server.counted))
    return True
