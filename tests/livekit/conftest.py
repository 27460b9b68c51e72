"""A real LiveKit server on loopback for every test here, or a reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from echoless.livekit.server import LocalServer, missing


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServer]:
    if why := missing():
        pytest.skip(why)
    with LocalServer() as running:
        yield running
