"""A model's replies, as a talk would get them: through llama.cpp's server, with the model's own template, streamed."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from echoless.mind.sentences import SentenceBuffer
from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.form import HELD_OUT, Talk, read_talks
from echoless.workshop.mind.pocket.served import Served

Turns = tuple[tuple[str, str], ...]
"""Roles and texts up to what is to be answered."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. `ended` by itself; milliseconds from asking to the first token, to the first sentence, to the end."""

    asked: Turns
    text: str
    ended: bool
    tokens: int
    first_token: float
    first_sentence: float
    whole: float


def gguf_of(place: Path) -> Path:
    """A GGUF file itself; of a run its newest one. Raises MindError where it has none."""
    if place.suffix == ".gguf" or place.is_file():
        return place
    found = sorted(place.glob("*.gguf"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise MindError(f"{place} holds no GGUF: 'echoless mind export {place}' writes one")
    return found[-1]


def prompts_of(path: Path, count: int) -> list[Turns]:
    """What is to be answered: held-out dialogues up to their last turn of the user, or a text file, a prompt a line."""
    if path.is_file() and path.suffix != ".jsonl":
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
        found: list[Turns] = [(("user", line),) for line in lines if line and not line.startswith("#")]
    else:
        found = [turns for talk in read_talks(path, HELD_OUT) if (turns := _asked(talk))]
    if not found:
        raise MindError(f"{path}: nothing to answer in it")
    return found[:count]


def _asked(talk: Talk) -> Turns:
    turns = [(message.role, message.text) for message in talk.messages]
    while turns and turns[-1][0] != "user":
        turns.pop()
    return tuple(turns)


async def _stream(served: Served, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """The server-sent events of /completion."""
    client = httpx.AsyncClient(timeout=120, headers=served.headers, trust_env=False, verify=False)
    async with client, client.stream("POST", f"{served.url}/completion", json={**body, "stream": True}) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if line.startswith("data: ") and line != "data: [DONE]":
                yield json.loads(line[6:])


async def answer(served: Served, asked: Turns, settings: dict[str, Any]) -> Reply:
    """One reply, streamed as in a talk. The clock is the wall's: compare inside one run."""
    prompt = await served.prompt(asked)
    buffer, text, last, marks = SentenceBuffer(), "", {}, dict[str, float]()
    begun = time.monotonic()
    async for event in _stream(served, {"prompt": prompt, "cache_prompt": True, **settings}):
        now = 1000 * (time.monotonic() - begun)
        if piece := event.get("content"):
            text += piece
            marks.setdefault("token", now)
            if list(buffer.feed(piece)):
                marks.setdefault("sentence", now)
        last = event
    whole = 1000 * (time.monotonic() - begun)
    ended = last.get("stop_type") == "eos"
    tokens = int(last.get("tokens_predicted", 0))
    first = marks.get("token", whole)
    return Reply(asked, text.strip(), ended, tokens, first, marks.get("sentence", whole), whole)


async def answers(served: Served, prompts: Sequence[Turns], settings: dict[str, Any]) -> list[Reply]:
    """All replies, one after the other."""
    return [await answer(served, asked, settings) for asked in prompts]


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How a model foretells replies: nats in all over so many tokens and characters, `missed` tokens not among them."""

    nats: float
    tokens: int
    characters: int
    missed: int


async def likelihood(served: Served, talks: Sequence[Talk], most: int) -> Likelihood:
    """The likelihood of the last reply of each talk after what went before, at most `most` tokens in all.

    The server gives a probability only of what it writes, so each token is forced in turn (a bias on it), and the
    probability that it gives is the one before the bias.
    """
    nats, tokens, characters, missed = 0.0, 0, 0, 0
    for talk in talks:
        turns = [(message.role, message.text.strip()) for message in talk.messages]
        if len(turns) < 2 or turns[-1][0] != "assistant" or tokens >= most:
            continue
        prompt = await served.prompt(turns[:-1])
        before = (await served.ask("/tokenize", {"content": prompt, "add_special": True, "parse_special": True}))[
            "tokens"
        ]
        said = (await served.ask("/tokenize", {"content": turns[-1][1], "add_special": False}))["tokens"]
        characters += len(turns[-1][1])
        for place, token in enumerate(said):
            found = await _forced(served, [*before, *said[:place]], token)
            nats, tokens, missed = nats - (found or 0.0), tokens + 1, missed + (found is None)
    return Likelihood(nats, tokens, characters, missed)


async def _forced(served: Served, before: list[int], token: int) -> float | None:
    """The log probability of `token` after `before`; None where the server does not tell: where it ends inside a
    character and is not among the two hundred likeliest."""
    ask = {"n_predict": 1, "temperature": 0, "cache_prompt": True}
    answer = await served.complete(before, **ask, n_probs=1, logit_bias=[[token, 1e4]])
    given = answer.get("completion_probabilities") or []
    if given and int(given[0]["id"]) == token:
        return float(given[0]["logprob"])
    answer = await served.complete(before, **ask, n_probs=200)
    for one in answer.get("completion_probabilities") or []:
        for likely in one["top_logprobs"]:
            if int(likely["id"]) == token:
                return float(likely["logprob"])
    return None
