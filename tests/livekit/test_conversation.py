"""Whole conversations in rooms of a real server: spoken, written, cut off, and with an open loudspeaker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from livekit import api, rtc

from echoless.frames import Event, Turn
from echoless.livekit import wire
from echoless.livekit.client import Client, joined
from echoless.livekit.conversation import READING, Conversation
from echoless.livekit.memory import Memory, unpacked
from echoless.livekit.server import LocalServer
from echoless.settings import Settings
from tests.livekit.people import Person, spoken, until

STORY = (
    "Well, that is a fair thing to ask. Last summer my neighbours planted apple trees behind the old barn. "
    "This autumn every branch was heavy with sweet red fruit."
)
SETTINGS = Settings(tts_model="espeak", greet=False)


class Held:
    """A conversation under way, and its events."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.events: list[Event] = []

    def texts(self, name: str) -> list[str]:
        return [event.data["text"] for event in self.events if event.event == name]

    def count(self, name: str) -> int:
        return sum(event.event == name for event in self.events)


@contextlib.asynccontextmanager
async def agent(server: LocalServer, name: str, **more) -> AsyncIterator[Held]:
    room = rtc.Room()
    await joined(room, server.access.url, server.access.token(name, "agent", agent=True))
    conversation = Conversation(SETTINGS, room, **{"reply": lambda text: STORY, "patience": 60.0, **more})
    held = Held(conversation)
    running = asyncio.ensure_future(conversation.run())
    try:
        await until(lambda: conversation.call or running.done())
        assert conversation.call is not None, running.exception()
        conversation.call.subscribe(held.events.append)
        yield held
    finally:
        conversation.close()
        await asyncio.wait_for(running, 30)
        await room.disconnect()


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    return request.node.name


def anna(server: LocalServer, room: str, person: Person, messages: list[dict]) -> Client:
    """Somebody with a microphone and a headset."""
    return Client(
        server.access,
        room,
        "anna",
        microphone=person.microphone,
        play=person.play,
        cancels_echo=True,  # else a busy machine makes it half duplex
        on_message=messages.append,
    )


async def test_a_spoken_turn_is_answered_and_cut_off(server: LocalServer, room: str) -> None:
    person, messages = Person(), []
    async with agent(server, room) as held, anna(server, room, person, messages) as client:
        await until(lambda: held.conversation.line.heard)
        person.say(spoken("What did your neighbours do last summer?"))
        await until(person.loud, 90)
        await until(lambda: any(client.said.get("agent", {}).values()))
        person.say(spoken("Stop, stop, please wait a moment, I have another question."))
        await until(lambda: held.count("agent.stopped"), 90)
        stopped = next(event for event in held.events if event.event == "agent.stopped")
        assert stopped.data["reason"] == "interrupted"
        await until(lambda: held.texts("agent.said"))
        heard = held.texts("agent.said")[0]
        assert STORY.startswith(heard) and heard != STORY
        await until(lambda: heard in client.said["agent"].values())
        words = client.said["anna"]
        await until(lambda: "summer" in words.get("U0", "").lower())  # whole, and no other turn's
        assert [m for m in messages if m.get("type") == "bubble" and m["who"] == "user" and m["name"] == "anna"]
        latency, *_ = [m for m in messages if m.get("type") == "latency"]
        assert latency["seconds"] == pytest.approx(sum(latency["parts"].values()), abs=0.01)
        assert latency["parts"]["turn"] > 0.1


async def test_the_stop_button_mutes_what_is_on_its_way(server: LocalServer, room: str) -> None:
    person, messages = Person(), []
    async with agent(server, room) as held, anna(server, room, person, messages) as client:
        await until(lambda: held.conversation.line.heard)
        await client.tell({"type": "hello", "session": None})  # once it knows us
        await client.write("Tell me about last summer.")
        await until(person.loud, 90)
        await client.tell({"type": "stop"})
        await until(lambda: any(message.get("type") == "hush" for message in messages))
        assert client.muted_until > 0
        await until(lambda: held.texts("agent.said"))
        await until(lambda: not person.loud(50))


async def test_a_conversation_ends_at_once_where_nobody_is_left(server: LocalServer, room: str) -> None:
    async with agent(server, room) as held:
        async with Client(server.access, room, "anna") as client:
            await client.agent_came.wait()
        await asyncio.sleep(0.5)
        held.conversation.close()
        await until(lambda: held.conversation.call is None, 5)


async def test_a_written_turn_is_answered_aloud_and_in_writing(server: LocalServer, room: str) -> None:
    states, person = [], Person()
    async with agent(server, room, reply=lambda text: f"You wrote {text}.") as held:
        client = Client(server.access, room, "ben", play=person.play)
        client.room.on("participant_attributes_changed", lambda changed, who: states.append(changed.get(wire.STATE)))
        async with client:
            await client.agent_sounds.wait()
            await client.write("tomatoes")
            await until(lambda: held.texts("agent.said"), 90)
            assert held.texts("agent.said") == ["You wrote tomatoes."]
            await until(lambda: "You wrote tomatoes." in client.said.get("agent", {}).values())
            assert person.loud(10_000)
            assert "tomatoes" in client.said["ben"].values()
            await until(lambda: states[-1:] == ["listening"])
            assert "speaking" in states


async def test_a_page_that_comes_late_gets_everything(server: LocalServer, room: str) -> None:
    async with agent(server, room, reply=lambda text: "Yes.") as held:
        async with Client(server.access, room, "ben") as client:
            await client.agent_came.wait()
            await client.tell({"type": "type", "text": "are you there"})
            await until(lambda: held.texts("agent.said"), 90)
        messages: list[dict] = []
        async with Client(server.access, room, "ben", on_message=messages.append) as client:
            await client.agent_came.wait()
            await client.tell({"type": "hello", "session": None})
            await until(lambda: sum(message.get("type") == "bubble" for message in messages) >= 2)
        assert {"are you there", "Yes."} <= {message.get("text") for message in messages}


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 9000, b"\xff\xfe", b'{"type": "offer"}', b'{"type": "typ"}'])
async def test_nonsense_in_the_room_changes_nothing(server: LocalServer, room: str, data: bytes) -> None:
    async with agent(server, room) as held, Client(server.access, room, "ben") as client:
        await client.agent_came.wait()
        if data:
            await client.room.local_participant.publish_data(data, topic=wire.TOPIC)
        await client.tell({"type": "ping", "n": 5})
        await asyncio.sleep(0.2)
        assert held.conversation.call is not None and not held.count("failure")


async def test_a_flood_of_texts_is_not_read(server: LocalServer, room: str) -> None:
    async with agent(server, room) as held, Client(server.access, room, "ben") as client:
        await client.agent_came.wait()
        texts = [await client.room.local_participant.stream_text(topic=wire.CHAT) for _ in range(READING + 5)]
        await until(lambda: len(held.conversation._reading) == READING)
        await asyncio.sleep(0.5)
        assert len(held.conversation._reading) == READING
        for each in texts:
            await each.aclose()
        await until(lambda: not held.conversation._reading)


async def test_only_the_agent_moves_a_client(server: LocalServer, room: str) -> None:
    messages: list[dict] = []
    async with (
        Client(server.access, room, "anna", on_message=messages.append) as anna,
        Client(server.access, room, "mallory") as mallory,
    ):
        heard = asyncio.Event()
        anna.room.on("data_received", lambda packet: packet.topic == "after" and heard.set())
        await until(lambda: {"anna"} <= set(mallory.room.remote_participants) and anna.room.remote_participants)
        for data, topic in ((b'{"type":"hush","seconds":2}', wire.TOPIC), (b"1", "after")):
            await mallory.room.local_participant.publish_data(data, topic=topic)
        async with asyncio.timeout(30):
            await heard.wait()
        assert not messages and anna.muted_until == float("-inf")


async def test_what_is_kept_last_is_written_before_the_end(server: LocalServer, room: str) -> None:
    async with Client(server.access, room, "anna"), server.access.admin() as admin:
        async with Memory(admin, room, "mine") as memory:
            await memory.keep([Turn("user", "one")])
            await memory.keep([Turn("user", "one"), Turn("agent", "two")])
        listed = await admin.room.list_rooms(api.ListRoomsRequest(names=[room]))
        assert [turn.text for turn in unpacked(listed.rooms[0].metadata)] == ["one", "two"]
        assert "mine" in listed.rooms[0].metadata


async def test_what_was_said_before_is_remembered_and_answered(server: LocalServer, room: str) -> None:
    from echoless.frames import Turn

    asked: list[str] = []
    past = [Turn("user", "My name is Ada."), Turn("agent", "Hello Ada."), Turn("user", "What is my name?")]
    kept: list[list[Turn]] = []

    async def keep(turns) -> None:
        kept.append(list(turns))

    def reply(text: str) -> str:
        asked.append(text)
        return "Ada."

    async with Client(server.access, room, "ada"), agent(server, room, reply=reply, past=past, keep=keep) as held:
        await until(lambda: held.texts("agent.said"), 90)
        assert asked == ["What is my name?"]
        await until(lambda: kept and kept[-1][-1] == Turn("agent", "Ada."))
        assert [turn.text for turn in kept[-1]] == ["My name is Ada.", "Hello Ada.", "What is my name?", "Ada."]


async def test_the_earlier_agent_leaves_when_a_later_one_comes(server: LocalServer, room: str) -> None:
    async with Client(server.access, room, "ada"), agent(server, room, generation=1) as held:
        second = rtc.Room()
        await joined(second, server.access.url, server.access.token(room, "second", agent=True))
        await second.local_participant.set_attributes({wire.GENERATION: "2"})
        await until(lambda: held.conversation.call is None)
        await second.disconnect()
