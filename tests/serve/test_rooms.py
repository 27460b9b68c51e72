"""Tokens for pages that meet the agent in LiveKit rooms."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from livekit import api

from echoless.livekit.access import AGENT_NAME, Access
from echoless.serve.command import Place, Serving, Terms
from echoless.serve.gate import Admission
from echoless.serve.messages import BadMessage
from echoless.serve.rooms import Rooms
from echoless.settings import Settings

ACCESS = Access("ws://127.0.0.1:7880", "APIkey", "a secret of at least thirty-two characters")


@pytest.fixture
def rooms() -> Rooms:
    return Rooms(ACCESS)


def claims(token: str) -> api.access_token.Claims:
    return api.TokenVerifier(ACCESS.key, ACCESS.secret).verify(token)


def test_a_new_page_gets_a_room_of_its_own_and_sends_for_the_agent(rooms: Rooms) -> None:
    one, two = rooms.join({"name": "Ada"}), rooms.join({})
    assert one["room"] != two["room"] and one["url"] == ACCESS.url
    said = claims(one["token"])
    assert said.name == "Ada" and said.video is not None and said.video.room == one["room"] and said.video.room_join
    assert not said.video.room_admin and not said.video.agent
    assert said.room_config is not None and [each.agent_name for each in said.room_config.agents] == [AGENT_NAME]


def test_a_reloaded_page_is_who_it_was_and_nobody_becomes_somebody_else(rooms: Rooms) -> None:
    first = rooms.join({})
    again = rooms.join({"session": first["session"]})
    assert claims(again["token"]).identity == claims(first["token"]).identity and again["room"] == first["room"]
    room, identity, seal = first["session"].split(".")
    for forged in (
        f"{room}.{identity}.",
        f"{room}.{identity}.{seal[:-1]}",
        f"{room}.person-0.{seal}",
        f"x{room}.{identity}.{seal}",
        "..",
        "a",
    ):
        other = rooms.join({"session": forged, "room": room})
        assert claims(other["token"]).identity != claims(first["token"]).identity
    moved = rooms.join({"session": first["session"], "room": "another"})
    assert moved["room"] == "another" and claims(moved["token"]).identity != identity


def test_another_server_takes_no_session_of_this_one(rooms: Rooms) -> None:
    elsewhere = Rooms(Access(ACCESS.url, ACCESS.key, "another secret of thirty-two characters and more"))
    session = rooms.join({"room": "kitchen"})["session"]
    assert elsewhere.join({"session": session, "room": "kitchen"})["session"] != session


@pytest.mark.parametrize(
    "wish",
    [
        {"room": "../etc"},
        {"room": "a b"},
        {"room": "x" * 65},
        {"room": 5},
        {"name": ["x"]},
        {"session": {}},
        {"name": "n" * 300},
    ],
)
def test_a_strange_wish_is_refused_in_one_line(rooms: Rooms, wish: dict[str, object]) -> None:
    with pytest.raises(BadMessage) as caught:
        rooms.join(wish)
    assert "\n" not in str(caught.value)


@pytest.fixture
async def serving(rooms: Rooms) -> AsyncIterator[Serving]:
    async with Serving(Settings(), Place(port=0), Terms(), rooms=rooms) as made:
        yield made


async def post(
    serving: Serving, path: str, origin: str | None = None, **body: object
) -> tuple[int, dict[str, object], str]:
    headers = {"Origin": serving.url if origin is None else origin}
    async with aiohttp.ClientSession() as http, http.post(serving.url + path, json=body, headers=headers) as answer:
        return answer.status, await answer.json(), answer.headers["Content-Security-Policy"]


async def test_the_server_says_that_it_is_rooms_and_lets_the_page_reach_them(serving: Serving) -> None:
    status, said, policy = await post(serving, "/enter", code="")
    assert status == 200 and said["livekit"] is True
    assert "connect-src 'self' ws://127.0.0.1:7880 http://127.0.0.1:7880;" in policy
    status, said, _ = await post(serving, "/join", room="kitchen", name="Ada")
    assert status == 200 and said["room"] == "kitchen"
    async with aiohttp.ClientSession() as http, http.get(serving.url + "/talk") as answer:
        assert answer.status in (401, 403, 404)


async def test_foreign_pages_and_strangers_get_no_token(serving: Serving) -> None:
    status, said, _ = await post(serving, "/join", origin="https://evil.example")
    assert status == 403 and "token" not in said
    assert (await post(serving, "/join", room="a b"))[0] == 400
    assert serving.server is not None
    serving.server.admission = Admission(lambda: 0.0)
    assert (await post(serving, "/join"))[0] == 401


async def test_an_agent_is_sent_for_again_by_who_belongs_there_alone(serving: Serving) -> None:
    """The room's own server is not there: what is asked of it fails in one line."""
    _, joined, _ = await post(serving, "/join", room="kitchen")
    assert (await post(serving, "/summon", session="kitchen.person-0.seal"))[0] == 400
    assert (await post(serving, "/summon", origin="https://evil.example", session=joined["session"]))[0] == 403
    assert serving.server is not None and serving.server.rooms is not None
    nowhere = Access("ws://127.0.0.1:9", ACCESS.key, ACCESS.secret)
    serving.server.rooms = Rooms(nowhere)
    status, said, _ = await post(serving, "/summon", session=joined["session"])
    assert status == 502 and "\n" not in str(said["error"])


async def test_calls_cannot_be_begun_without_end(serving: Serving) -> None:
    statuses = [(await post(serving, "/join"))[0] for _ in range(9)]
    assert statuses[0] == 200 and statuses[-1] == 429
