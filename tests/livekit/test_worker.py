"""Real workers on a real server: sent for, drained, full, killed in mid-call."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.peers.canned import Canned, Manner
from livekit import api

from echoless.livekit import wire
from echoless.livekit.client import Client, attribute
from echoless.livekit.memory import unpacked
from echoless.livekit.server import LocalServer
from echoless.serve.rooms import Rooms
from echoless.settings import Settings
from tests.livekit.people import Person, until
from tests.livekit.workers import RunningWorker

pytest.importorskip("livekit.agents", reason="livekit-agents is not installed: run 'make livekit-setup'")


@pytest.fixture(scope="module")
def mind() -> Iterator[str]:
    with Canned(Manner(reply="The barn is red.", first=0.01)) as canned:
        yield canned.url


async def ready(*workers: RunningWorker) -> None:
    for worker in workers:
        await asyncio.to_thread(worker.wait_ready)


async def test_a_room_is_served_and_the_worker_ends_in_order(server: LocalServer, mind: str, tmp_path: Path) -> None:
    person = Person()
    with RunningWorker(server, tmp_path, mind, "--drain", "1") as worker:
        await ready(worker)
        async with Client(server.access, "served", "anna", play=person.play, dispatch="echoless") as client:
            async with asyncio.timeout(90):
                await client.agent_sounds.wait()
            await client.write("What colour is the barn?")
            await until(lambda: "The barn is red." in client.said.get(client.agent.identity, {}).values(), 90)
            assert person.loud(100_000)
            assert worker.jobs == 1
            worker.process.terminate()
            await until(lambda: client.agent is None, 60)
        assert await asyncio.to_thread(worker.process.wait, 60) == 0


async def test_a_call_goes_on_when_its_worker_is_killed(server: LocalServer, mind: str, tmp_path: Path) -> None:
    with RunningWorker(server, tmp_path, mind) as first, RunningWorker(server, tmp_path, mind) as second:
        await ready(first, second)
        await asyncio.sleep(3)  # until they have heard of each other
        async with Client(server.access, "killed", "anna", dispatch="echoless") as client:
            async with asyncio.timeout(90):
                await client.agent_sounds.wait()
            await client.write("What colour is the barn?")
            before = client.agent
            await until(lambda: "The barn is red." in client.said.get(before.identity, {}).values(), 90)
            await until(lambda: len(unpacked(client.room.metadata)) == 2)
            holder = first if first.jobs == 1 else second
            holder.kill()
            begun = time.monotonic()
            await until(lambda: client.agent and client.agent.identity != before.identity, 90)
            print(f"another agent after {time.monotonic() - begun:.2f} s")
            assert attribute(client.agent.attributes, wire.GENERATION) == 2
            await until(lambda: client.agent.attributes.get(wire.STATE) == "listening", 90)
            print(f"it listens after {time.monotonic() - begun:.2f} s")
            await client.write("Are you still there?")
            await until(lambda: "The barn is red." in client.said.get(client.agent.identity, {}).values(), 90)
            await until(lambda: len(unpacked(client.room.metadata)) == 4)
            texts = [turn.text for turn in unpacked(client.room.metadata)]
            assert texts == ["What colour is the barn?", "The barn is red.", "Are you still there?", "The barn is red."]


async def test_a_caller_for_whom_there_is_no_room_is_told_so(server: LocalServer, mind: str, tmp_path: Path) -> None:
    messages: list[dict] = []
    person = Person()
    with RunningWorker(server, tmp_path, mind, "--conversations", "1") as worker:
        await ready(worker)
        async with Client(server.access, "first", "anna", dispatch="echoless") as client:
            async with asyncio.timeout(90):
                await client.agent_sounds.wait()
            async with Client(
                server.access, "second", "ben", play=person.play, dispatch="echoless", on_message=messages.append
            ) as refused:
                await until(lambda: any(message.get("type") == "full" for message in messages), 90)
                assert "try again" in messages[0]["text"]
                await until(lambda: person.loud(100_000), 60)  # said aloud, too
                await until(lambda: refused.agent is None, 60)
            assert client.agent is not None


async def test_a_caller_whose_agent_cannot_talk_is_told_so(server: LocalServer, tmp_path: Path) -> None:
    messages: list[dict] = []
    with RunningWorker(server, tmp_path, "http://127.0.0.1:9") as worker:  # nobody thinks there
        await ready(worker)
        async with Client(server.access, "broken", "anna", dispatch="echoless", on_message=messages.append) as client:
            await until(lambda: any(message.get("type") == "trouble" for message in messages), 90)
            (text,) = {message["text"] for message in messages if message["type"] == "trouble"}
            assert "wrong at my end" in text and "127.0.0.1" not in text
            await until(lambda: client.agent is None, 60)
        assert "127.0.0.1:9" in worker.log.read_text(errors="replace")  # who runs it learns more


async def test_a_conversation_outlives_its_own_process(server: LocalServer, mind: str, tmp_path: Path) -> None:
    """The worker lives, the process of one conversation is killed: it sends for another agent itself."""
    with RunningWorker(server, tmp_path, mind) as worker:
        await ready(worker)
        async with Client(server.access, "crashed", "anna", dispatch="echoless") as client:
            async with asyncio.timeout(90):
                await client.agent_sounds.wait()
            await client.write("What colour is the barn?")
            before = client.agent
            await until(lambda: len(unpacked(client.room.metadata)) == 2)
            os.kill(worker.conversations[0], signal.SIGKILL)
            await until(lambda: client.agent and client.agent.identity != before.identity, 90)
            await until(lambda: client.agent.attributes.get(wire.STATE) == "listening", 90)
            await client.write("Are you still there?")
            await until(lambda: len(unpacked(client.room.metadata)) == 4)


async def test_a_room_without_an_agent_can_send_for_one(server: LocalServer, mind: str, tmp_path: Path) -> None:
    rooms = Rooms(server.access)
    joined = rooms.join({"room": "summoned"})
    async with Client(None, "", "", url=joined["url"], token=joined["token"]) as client:
        with RunningWorker(server, tmp_path, mind) as worker:  # not there yet when the room was made
            await ready(worker)
            assert await rooms.summon(joined)
            await until(lambda: client.agent and client.agent.attributes.get(wire.STATE) == "listening", 90)
            assert not await rooms.summon(joined)  # one is there


async def test_the_watch_is_no_room_for_agents(server: LocalServer, mind: str, tmp_path: Path) -> None:
    with RunningWorker(server, tmp_path, mind) as worker:
        await ready(worker)
        async with server.access.admin() as admin:
            await until_async(lambda: _named(admin, "echoless-watch"))
            await admin.agent_dispatch.create_dispatch(
                api.CreateAgentDispatchRequest(agent_name="echoless", room="echoless-watch")
            )
            await asyncio.sleep(2)
            there = await admin.room.list_participants(api.ListParticipantsRequest(room="echoless-watch"))
            assert [each.identity for each in there.participants if each.kind == api.ParticipantInfo.Kind.AGENT] == []


async def _named(admin: api.LiveKitAPI, name: str) -> bool:
    rooms = await admin.room.list_rooms(api.ListRoomsRequest(names=[name]))
    return bool(rooms.rooms)


async def until_async(true, seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(0.2)


def test_conversations_of_one_worker_are_recorded_apart(tmp_path: Path) -> None:
    from echoless.settings import recorded_apart

    folders = {recorded_apart(Settings(record=tmp_path), job).record for job in ("AJ_1", "AJ_2")}
    assert len(folders) == 2 and {folder.parent for folder in folders if folder} == {tmp_path}
    assert recorded_apart(Settings(), "AJ_1").record is None


def test_no_model_of_livekits_is_loaded() -> None:
    """Their turn detector and voice activity may be used only with their agents; ours need neither."""
    import subprocess

    code = (
        "import sys, json, echoless.livekit.worker, echoless.livekit.job;"
        "from livekit.agents.ipc import _preload;"
        "from livekit.agents.inference_runner import _InferenceRunner as r;"
        "import livekit.local_inference as li;"
        "print(json.dumps([_preload._local_inference_models(), len(r.registered_runners),"
        " any('plugins' in m for m in sys.modules if m.startswith('livekit.'))]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [False, 0, False]
