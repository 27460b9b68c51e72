"""A GGUF in llama.cpp's real server - the one Echoless talks through -, asked over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from echoless.mind.server import LlamaServer
from echoless.workshop.mind.pocket.dialogue import Said


class Served:
    """A running server. A fresh connection for every request: a reused one fails after a stream was cut."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.headers = url, {"Authorization": f"Bearer {key}"}

    async def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST `body` and return the answer. Raises httpx.HTTPError."""
        # No TLS on loopback: `verify` would load the system's certificates for every request.
        async with httpx.AsyncClient(timeout=120, headers=self.headers, trust_env=False, verify=False) as client:
            answer = await client.post(self.url + path, json=body)
            answer.raise_for_status()
            return dict(answer.json())

    async def prompt(self, turns: Sequence[Said]) -> str:
        """The model's own template around `turns`, asking for the agent's next one."""
        messages = [{"role": role, "content": text} for role, text in turns]
        return str((await self.ask("/apply-template", {"messages": messages}))["prompt"])

    async def tokens(self, text: str) -> list[int]:
        """Token ids of `text`, control tokens read as such, without the start token."""
        return list(
            (await self.ask("/tokenize", {"content": text, "add_special": False, "parse_special": True}))["tokens"]
        )

    async def complete(self, prompt: str | list[int], **settings: Any) -> dict[str, Any]:
        """One completion: `content`, `stop_type` (`eos`, `limit`), `tokens` if asked for by `return_tokens`."""
        return await self.ask("/completion", {"prompt": prompt, "cache_prompt": False, **settings})


@asynccontextmanager
async def serve(model: Path, context: int = 1024, *, exact: bool = False) -> AsyncIterator[Served]:
    """The server with `model`, on loopback, gone afterwards. Raises MindError where the model does not load. `exact`
    as LlamaServer has it."""
    async with LlamaServer(model, context=context, threads=1, exact=exact) as server:
        yield Served(server.endpoint.url, server.endpoint.key)
