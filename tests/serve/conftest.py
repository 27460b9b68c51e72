"""A server with a real call behind it; the mind is a function."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from echoless.serve.command import Place, Serving, Terms
from echoless.serve.session import Sessions
from echoless.settings import Settings

REPLY = "The sea is wide and deep, and nobody has seen the bottom of it. That is all I know about the sea today."


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    settings = Settings(greet=False)
    async with Serving(settings, Place(port=0), Terms(2, 20), reply=lambda text: REPLY) as made:
        yield made


@pytest.fixture
async def bare(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serving]:
    """As `serving`, without a conversation in store: for requests that get nowhere near one."""

    async def prepare(self: Sessions) -> None:
        return None

    monkeypatch.setattr(Sessions, "prepare", prepare)
    async with Serving(Settings(greet=False), Place(port=0), Terms(2, 20), reply=lambda text: REPLY) as made:
        yield made
