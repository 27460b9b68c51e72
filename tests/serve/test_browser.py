"""The page in a real Chromium, with a recorded person at its microphone and the real call behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest

from echoless.serve.command import Place, Serving, Terms
from echoless.serve.gate import Admission
from echoless.settings import Settings
from tests.serve.browser import FIRST, FLOOR, RATE, REPLY, SAID, SECOND, browser, missing, pause, person, recognised

pytestmark = [pytest.mark.slow, pytest.mark.skipif(missing() is not None, reason=str(missing()))]


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    async with Serving(Settings(greet=False), Place(port=0), Terms(2, 60), reply=lambda text: REPLY) as made:
        yield made


async def test_speak_see_hear_interrupt_and_reload(serving: Serving) -> None:
    """One conversation: spoken, answered aloud, cut off by voice, gone on with after a reload."""
    async with browser(person(2.0, FIRST, 16.0, SECOND, 60.0)) as page:
        await page("goto", url=serving.url)
        await page.until("document.querySelector('#welcome h2').innerText.length > 3")
        await page("click", selector="#talk")
        await page.until(f"{SAID}.includes('lobster')")
        await page.until(f"{FLOOR} === 'speaking'")
        await page.start_recording()
        await page.until("document.querySelector('#log .agent .said')?.innerText.includes('wide and deep')")
        await page.until("document.querySelector('#log .agent .rest')")  # live captions: more to come
        await page.until("document.querySelector('#log .agent.done del')", 90)  # cut off by the second sentence
        heard = recognised((await page.recording())[: 12 * RATE])
        assert "bottom" in heard or "ships" in heard or "sea" in heard, heard
        kept = await page("tell", what="document.querySelector('#log .agent.done .said').innerText")
        assert REPLY.startswith(kept) and len(kept) > 20
        await page.until(f"/account|himself|better|anything/.test({SAID})")
        latency = await page("tell", what="document.getElementById('latency').innerText")
        assert "answered in" in latency
        before = await page("tell", what=SAID)
        await page("reload")
        await page.until(f"{SAID}.startsWith({before!r})")
        await page.until("document.getElementById('talk').getAttribute('aria-pressed') === 'true'")
        await page.until(f"['listening','hearing','thinking','speaking'].includes({FLOOR})")
        assert serving.sessions.count == 1
        assert await page("complaints") == []


async def test_write_stop_with_the_button_and_with_escape(serving: Serving) -> None:
    async with browser(person(120.0)) as page:
        await page("goto", url=serving.url)
        await page("press", key="/")
        await page("write", selector="#text", text="Tell me about the sea.")
        await page("press", key="Enter")
        for k, way in enumerate(("button", "escape"), 1):
            await page.until(f"{FLOOR} === 'speaking' && document.querySelectorAll('#log .agent').length === {k}")
            await page.until("!document.getElementById('voice').paused")
            if way == "button":
                await page("click", selector="#stop")
            else:
                await page("press", key="Escape")
            await page.until(f"document.querySelectorAll('#log .agent.done del').length === {k}", 20)
            if way == "button":
                await page("write", selector="#text", text="And again <b>please</b>.")
                await page("press", key="Enter")
        assert await page("tell", what="document.querySelector('#log b') === null")
        assert await page("tell", what="document.querySelectorAll('#log .user.typed').length") == 2
        assert await page("complaints") == []


async def test_a_denied_microphone_leaves_writing_and_says_so(serving: Serving) -> None:
    async with browser(None) as page:
        await page("goto", url=serving.url)
        await page("click", selector="#talk")
        await page.until("document.getElementById('notices').innerText.includes('refused')")
        assert await page("tell", what="document.activeElement.id") == "text"
        await page("write", selector="#text", text="Tell me about the sea.")
        await page("press", key="Enter")
        await page.until(f"{FLOOR} === 'speaking'")
        await page.until("document.getElementById('voice').srcObject")
        await page.start_recording()
        await asyncio.sleep(6)
        heard = recognised(await page.recording())
        assert any(word in heard for word in ("bottom", "ships", "sail", "sea", "deep")), heard


async def test_five_seconds_without_a_network(serving: Serving) -> None:
    """Sockets are cut, datagrams dropped both ways; the same conversation goes on, and its sound."""
    async with browser(person(2.0, FIRST, 60.0)) as page:
        await page("goto", url=serving.url)
        await page("click", selector="#talk")
        await page.until(f"{FLOOR} === 'speaking'")
        network = Network(serving)
        network.cut()
        await page.until(f"{FLOOR} === 'lost'", 20)
        await asyncio.sleep(5)
        network.mend()
        await page.until(f"{FLOOR} === 'speaking'", 30)
        assert serving.sessions.count == 1
        await page.start_recording()
        await asyncio.sleep(5)
        assert np.abs(await page.recording()).max() > 0.02
        assert await page("tell", what="document.querySelectorAll('#log .agent').length") == 1


class Network:
    """The server's own: refuses sockets and loses datagrams while it is cut."""

    def __init__(self, serving: Serving) -> None:
        (self._session,) = [session for session, _ in serving.sessions._open.values()]
        assert serving.server is not None
        self._server = serving.server
        self._mended: list[object] = []

    def cut(self) -> None:
        peer = self._session.line._peer
        assert peer is not None
        (transceiver,) = peer._connection.getTransceivers()
        for protocol in transceiver.receiver.transport.transport.iceGatherer._connection._protocols:
            self._mended.append((protocol.transport, protocol.transport.sendto, protocol, protocol.datagram_received))
            protocol.datagram_received = lambda data, addr: None
            protocol.transport = Deaf(protocol.transport)
        self._limit, self._server._limits.sockets = self._server._limits.sockets, 0
        for socket in list(self._server._sockets):
            transport = socket._ws._req.transport if socket._ws._req else None
            if transport:
                transport.abort()

    def mend(self) -> None:
        for transport, _, protocol, _ in self._mended:  # type: ignore[misc]
            protocol.transport = transport
            del protocol.datagram_received
        self._server._limits.sockets = self._limit


class Deaf:
    """A UDP transport that loses what it is given."""

    def __init__(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def sendto(self, data: bytes, addr: object = None) -> None:
        pass

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)


async def test_a_guarded_page_asks_for_the_token_and_takes_a_link(serving: Serving) -> None:
    assert serving.server is not None
    serving.server.admission = door = Admission(time.monotonic)
    async with browser(pause(60.0)) as page:
        await page("goto", url=serving.url)
        await page.until("document.getElementById('enter').open")
        await page("press", key="Escape")
        assert await page("tell", what="document.getElementById('enter').open")
        await page("write", selector="#token", text="not the token")
        await page("press", key="Enter")
        await page.until("document.getElementById('enter-error').innerText.includes('not the token')")
        await page("goto", url="about:blank")
        await page("goto", url=f"{serving.url}/#enter={door.link()}")
        await page.until("!document.getElementById('enter').open && location.hash === ''")
        await page("write", selector="#text", text="Tell me about the sea.")
        await page("press", key="Enter")
        await page.until(f"{FLOOR} === 'speaking'")


async def test_the_page_in_chinese_and_by_keyboard_alone(serving: Serving) -> None:
    async with browser(pause(60.0)) as page:
        await page("goto", url=serving.url)
        await page.until("document.querySelector('#welcome h2').innerText.length > 3")
        reached = set()
        for _ in range(8):
            await page("press", key="Tab")
            reached.add(await page("tell", what="document.activeElement.id"))
        assert {"open-settings", "talk", "text", "send"} <= reached
        unnamed = (
            "[...document.querySelectorAll('button, input, select')].filter(e => e.offsetParent && !e.labels?.length"
        )
        unnamed += " && !e.getAttribute('aria-label') && !e.innerText).map(e => e.id)"
        assert await page("tell", what=unnamed) == []
        await page("click", selector="#open-settings")
        change = "const l = document.getElementById('language'); l.value = 'zh'; l.dispatchEvent(new Event('change'))"
        await page("tell", what=f"(() => {{ {change} }})()")
        assert await page("tell", what="document.documentElement.lang") == "zh-Hans"
        assert await page("tell", what="document.getElementById('settings-title').innerText") == "设置"
        assert await page("tell", what=unnamed) == []
        await page("press", key="Escape")
        await page("reload")
        await page.until("document.querySelector('#welcome h2').innerText === '和我聊聊'")
