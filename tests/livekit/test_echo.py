"""A remote caller with no echo canceller at all: what it hears comes back, and the agent must not answer itself.

The long measurement is `python -m bench.livekit.echo`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import soundfile
from bench.livekit.parts import Call, Sides

from echoless.lines.livekitpeer import RATE
from echoless.livekit.server import LocalServer
from tests.livekit.people import spoken, until
from tests.livekit.test_conversation import agent


@pytest.mark.slow
@pytest.mark.parametrize(("echo", "delay"), [("0.3", "0.06"), ("1.0", "0.2")])
async def test_the_agent_does_not_answer_itself(server: LocalServer, tmp_path: Path, echo: str, delay: str) -> None:
    room = f"echo-{echo}"
    soundfile.write(tmp_path / "say.wav", spoken("What did your neighbours do last summer?"), RATE)
    async with (
        agent(server, room) as held,
        Call(server.access, room, tmp_path / "call", "--echo", echo, "--delay", delay, dispatch=None) as caller,
    ):
        await asyncio.wait_for(caller.there.wait(), 90)
        await caller.say(tmp_path / "say.wav")
        await until(lambda: held.count("agent.said"), 120)
        await asyncio.sleep(6.0)  # time enough to answer what came back
        await caller.hang_up()
    sides = Sides.read(tmp_path / "call")
    assert len(sides.said) == 1 and sides.heard
    replies = {event.data["turn"] for event in held.events if event.event == "agent.started"}
    assert len(replies) == 1, held.texts("user.said")
