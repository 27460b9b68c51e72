"""The real embedded server with a tiny random model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.mind.tiny_gguf import write_tiny_gguf

from echoless.mind.server import LlamaServer


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without a chat template, and without the tokens of one."""
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "bare.gguf", template=None)


@pytest.fixture(scope="session")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slow enough to be caught in the middle of reading or talking."""
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "slow.gguf", layers=4, width=384)


@pytest.fixture
async def server(tiny: Path) -> AsyncIterator[LlamaServer]:
    async with LlamaServer(tiny, context=2048) as running:
        yield running
