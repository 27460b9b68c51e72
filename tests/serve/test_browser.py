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
from tests.serve.browser import FIRST, FLOOR, REPLY, SECOND, browser, missing, pause, person
from tests.serve.scenarios import be_denied_the_microphone, speak_hear_and_cut_in, write_and_stop

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
        await speak_hear_and_cut_in(page)
        assert serving.sessions.count == 1


async def test_write_stop_with_the_button_and_with_escape(serving: Serving) -> None:
    async with browser(person(120.0)) as page:
        await page("goto", url=serving.url)
        await write_and_stop(page)
        assert await page("tell", what="document.querySelectorAll('#log .user.typed').length") == 2


async def test_a_denied_microphone_leaves_writing_and_says_so(serving: Serving) -> None:
    async with browser(None) as page:
        await page("goto", url=serving.url)
        await be_denied_the_microphone(page)


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
