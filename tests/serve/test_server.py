"""The server over real HTTP and sockets, with a real call behind it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from echoless.serve import messages as m
from echoless.serve.app import FULL, OVER, REPLACED, WRONG
from echoless.serve.command import Place, Serving
from echoless.serve.gate import COOKIE, Admission
from tests.serve.conftest import REPLY
from tests.serve.pages import Page, Tape, until


class Client:
    """A page's socket."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.got: list[dict[str, Any]] = []

    async def say(self, **message: Any) -> None:
        await self.ws.send_str(json.dumps(message))

    async def until(self, wanted: Any, seconds: float = 30) -> dict[str, Any]:
        """The next message for which `wanted` holds (a type, or a function)."""
        fits = wanted if callable(wanted) else lambda message: message["type"] == wanted
        async with asyncio.timeout(seconds):
            while True:
                message = json.loads(await self.ws.receive_str())
                self.got.append(message)
                if fits(message):
                    return message

    async def closed(self) -> int:
        """Read to the end; the closing code."""
        async with asyncio.timeout(20):
            while (await self.ws.receive()).type == aiohttp.WSMsgType.TEXT:
                pass
        return int(self.ws.close_code or 0)


@asynccontextmanager
async def client(serving: Serving, session: str | None = None, hello: bool = True) -> AsyncIterator[Client]:
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(serving.url + "/talk", origin=serving.url, max_msg_size=0) as ws,
    ):
        page = Client(ws)
        if hello:
            await page.say(type="hello", session=session)
        yield page


def done(who: str) -> Any:
    return lambda message: message["type"] == "bubble" and message["who"] == who and message["done"]


async def test_a_written_turn_is_answered_and_survives_a_reload(serving: Serving) -> None:
    async with client(serving) as page:
        secret = (await page.until("session"))["id"]
        await page.until("ready")
        await page.say(type="type", text="Tell me about the sea.")
        asked = await page.until(done("user"))
        assert asked["text"] == "Tell me about the sea." and asked["typed"]
        live = await page.until(lambda each: each["type"] == "bubble" and each["who"] == "agent" and each["rest"])
        assert not live["done"] and (live["text"] + " " + live["rest"]).split()[:3] == ["The", "sea", "is"]
        await page.say(type="stop")
        answer = await page.until(done("agent"))
        assert answer["rest"] and REPLY.startswith(answer["text"])
        assert any(each["type"] == "latency" and 0 <= each["seconds"] < 20 for each in page.got)
    async with client(serving, secret) as page:
        assert (await page.until("session"))["resumed"]
        assert (await page.until(done("user")))["text"] == asked["text"]
        assert (await page.until(done("agent"))) == answer
        await page.until("ready")
        await page.say(type="end")
        assert await page.closed() == OVER
    async with client(serving, secret) as page:
        assert not (await page.until("session"))["resumed"]


async def test_the_answer_is_heard_over_webrtc(serving: Serving) -> None:
    async with client(serving) as page:
        await page.until("ready")
        peer = Page(Tape())
        await page.say(type="offer", sdp=await peer.offer())
        await peer.take((await page.until("answer"))["sdp"])
        await page.say(type="type", text="Tell me about the sea.")
        await until(lambda: len(peer.heard) and abs(peer.heard).max() > 0.05, 30)
        await page.say(type="stop")
        assert 0 < (await page.until("hush"))["seconds"] < 2.5
        await peer.aclose()


async def test_two_windows_share_no_conversation_and_a_third_is_too_many(serving: Serving) -> None:
    async with client(serving) as first, client(serving) as second:
        one, two = (await first.until("session"))["id"], (await second.until("session"))["id"]
        assert one != two
        async with client(serving) as third:
            assert await third.closed() == FULL
        async with client(serving, one) as moved:
            assert (await moved.until("session"))["id"] == one
            assert await first.closed() == REPLACED


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_a_deserted_conversation_makes_room(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    async with client(serving) as page:
        left = (await page.until("session"))["id"]
    async with client(serving) as second:
        await second.until("session")
        async with client(serving) as third:
            assert await third.closed() == FULL  # the first may just be reloading
        monkeypatch.setattr("echoless.serve.session.GRACE", 0.0)
        async with client(serving) as third:
            await third.until("session")
            assert serving.sessions.count == 2 and serving.sessions.resume(left) is None
            assert not second.ws.closed


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc to count open files")
async def test_pages_that_come_and_go_leave_nothing_behind(serving: Serving) -> None:
    async def visit(secret: str | None) -> str:
        async with client(serving, secret) as page:
            secret = (await page.until("session"))["id"]
            await page.until("ready")
            peer = Page(Tape())
            await page.say(type="offer", sdp=await peer.offer())
            await peer.take((await page.until("answer"))["sdp"])
            await until(lambda: len(peer.heard) > 960)
            await peer.aclose()
        return secret

    secret = await visit(None)
    session = serving.sessions.resume(secret)
    assert session is not None
    await until(lambda: session.line._peer is None and not session.line._leaving)
    before = len(asyncio.all_tasks()), threading.active_count(), open_files()
    for _ in range(3):
        assert await visit(secret) == secret
    await until(lambda: session.line._peer is None and not session.line._leaving)
    await until(lambda: len(asyncio.all_tasks()) <= before[0])
    after = len(asyncio.all_tasks()), threading.active_count(), open_files()
    assert after[0] <= before[0] and after[1] <= before[1] + 1 and after[2] <= before[2] + 2, (before, after)


@pytest.mark.parametrize(
    "words",
    [
        '{"type":"stop"}',
        "rubbish",
        '{"type":"hello","session":5}',
    ],
)
async def test_who_does_not_say_hello_is_shown_out(bare: Serving, words: str) -> None:
    async with client(bare, hello=False) as page:
        await page.ws.send_str(words)
        assert await page.closed() == WRONG
    assert bare.sessions.count == 0


async def test_long_and_many_messages_are_refused(serving: Serving) -> None:
    async with client(serving) as page:
        await page.until("session")
        await page.ws.send_str(json.dumps({"type": "offer", "sdp": "x" * m.LONGEST}))
        assert await page.closed() == 1009
    async with client(serving) as page:
        await page.until("session")
        for _ in range(200):
            await page.say(type="stop")
        assert await page.closed() == WRONG


async def test_binary_messages_and_many_offers_are_refused(serving: Serving) -> None:
    async with client(serving, hello=False) as page:
        await page.ws.send_bytes(b"hello")
        assert await page.closed() == WRONG
    async with client(serving) as page:
        await page.until("ready")
        for _ in range(8):
            await page.say(type="offer", sdp="v=0")
        assert await page.closed() == WRONG


ROUTES = [("GET", "/"), ("GET", "/health"), ("GET", "/talk"), ("POST", "/enter"), ("GET", "/nowhere")]


async def fetch(serving: Serving, method: str, path: str, **more: Any) -> tuple[int, Any, str]:
    async with aiohttp.ClientSession() as http, http.request(method, serving.url + path, **more) as response:
        return response.status, response.headers, await response.text()


async def test_every_route_refuses_foreign_origins_and_hosts(bare: Serving) -> None:
    for method, path in ROUTES:
        foreign = {"Origin": "https://evil.example"}
        status, headers, body = await fetch(bare, method, path, headers=foreign)
        assert status == 403 and "origin" in body, path
        assert "Access-Control-Allow-Origin" not in headers
        status, _, _ = await fetch(bare, method, path, headers={"Host": "evil.example"})
        assert status == 421, path
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with aiohttp.ClientSession() as http:
            await http.ws_connect(bare.url + "/talk", origin="https://evil.example")
    assert caught.value.status == 403


async def test_the_page_is_whole_and_its_policy_strict(bare: Serving) -> None:
    status, headers, body = await fetch(bare, "GET", "/")
    assert status == 200 and "<title>Echoless</title>" in body
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert "style=" not in body and "onclick" not in body and "<script>" not in body
    for name in [part.split('"')[0] for part in body.split('="./')[1:]]:
        status, headers, _ = await fetch(bare, "GET", f"/{name}")
        assert status == 200 and headers["X-Content-Type-Options"] == "nosniff", name


@pytest.mark.parametrize(
    "path", ["/assets/../../command.py", "/%2e%2e/command.py", "/assets/%2e%2e%2findex.html", "/x"]
)
async def test_only_the_pages_own_files_are_served(bare: Serving, path: str) -> None:
    import yarl

    url = yarl.URL(bare.url + path, encoded=True)
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        assert response.status == 404


async def test_too_many_requests_are_refused(bare: Serving) -> None:
    statuses = [(await fetch(bare, "GET", "/health"))[0] for _ in range(120)]
    assert statuses[0] == 200 and 429 in statuses


async def test_with_a_token_nobody_comes_in_without(serving: Serving) -> None:
    serving.admission = door = Admission(lambda: 0.0)
    guarded = server_of(serving)
    guarded.admission = door
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with client(serving):
            pass
    assert caught.value.status == 401
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        async with http.post(serving.url + "/enter", json={"code": "wrong"}) as response:
            assert response.status == 401 and COOKIE not in response.cookies
        async with http.post(serving.url + "/enter", json={"code": door.link()}) as response:
            assert response.status == 200
            cookie = response.cookies[COOKIE]
            assert cookie["httponly"] and cookie["samesite"] == "Strict"
        async with http.ws_connect(serving.url + "/talk", origin=serving.url) as ws:
            await ws.send_str('{"type":"hello","session":null}')
            assert json.loads(await ws.receive_str())["type"] == "session"


async def test_guessing_the_token_is_slow(bare: Serving) -> None:
    server_of(bare).admission = Admission(lambda: 0.0)
    statuses = [(await fetch(bare, "POST", "/enter", json={"code": str(k)}))[0] for k in range(12)]
    assert statuses[0] == 401 and statuses[-1] == 429


@pytest.mark.parametrize("body", ["", "x", "[]", '{"code":5}', json.dumps({"code": "x" * 300})])
async def test_a_strange_way_in_is_refused(bare: Serving, body: str) -> None:
    assert (await fetch(bare, "POST", "/enter", data=body))[0] == 400
    assert (await fetch(bare, "POST", "/enter", data="x" * 5000))[0] == 413


def server_of(serving: Serving) -> Any:
    assert serving.server is not None
    return serving.server


async def test_a_taken_port_is_one_line(bare: Serving) -> None:
    from echoless.serve.command import ServeError
    from echoless.settings import Settings

    port = int(bare.url.rpartition(":")[2])
    second = Serving(Settings(greet=False), Place(port=port), reply=lambda text: "x")
    with pytest.raises(ServeError, match="another --port") as caught:
        async with second:
            pass
    assert "\n" not in str(caught.value)
