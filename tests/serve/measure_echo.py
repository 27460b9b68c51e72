"""A page that cancels no echo: what it plays comes back into its microphone. The agent must not answer itself.

Not part of the suite yet: it does not hold on a busy machine. Run it by its path: pytest tests/serve/measure_echo.py
"""

from __future__ import annotations

import asyncio
import json

import aiohttp
import numpy as np
import pytest

from echoless.serve.command import Place, Serving, Terms
from echoless.settings import Settings
from tests.serve.pages import RATE, Page, Tape
from tests.serve.test_server import Client

pytestmark = pytest.mark.slow

REPLY = (
    "The sea is wide and deep. Nobody has seen the bottom of it. Many ships sail over it every day. "
    "Some of them are very old. The water is cold in winter and warm in summer. Fish live in it, small and big. "
    "People have always loved to look at it. They stand on the shore for hours. The wind blows over the waves."
)


class Room(Tape):
    """The microphone hears the loudspeaker, `delay` seconds later and `gain` as loud, with a little reverberation."""

    def __init__(self, delay: float, gain: float) -> None:
        super().__init__()
        self.page: Page | None = None
        self._delay, self._gain = round(delay * RATE), gain
        self._written = self._end = 0
        self.sound = np.zeros(RATE * 240, np.float32)

    async def recv(self):  # type: ignore[no-untyped-def]
        heard = self.page.heard if self.page else self.sound[:0]
        fresh = heard[self._written :]
        self._written = len(heard)
        begin = self.at + self._delay
        if abs(self._end - begin) < RATE // 5:  # a loudspeaker plays on without a gap however unevenly packets come
            begin = self._end
        self._end = begin + len(fresh)
        for later, gain in ((0, 1.0), (0.011, 0.4), (0.027, -0.25), (0.048, 0.15)):
            at = begin + round(later * RATE)
            self.sound[at : at + len(fresh)] += self._gain * gain * fresh
        return await super().recv()


@pytest.mark.parametrize("gain", [0.3, 1.0])
async def test_an_echo_from_far_away_is_not_answered(gain: float) -> None:
    async with (
        Serving(Settings(greet=False), Place(port=0), Terms(1, 30), reply=lambda text: REPLY) as serving,
        aiohttp.ClientSession() as http,
        http.ws_connect(serving.url + "/talk", origin=serving.url) as ws,
    ):
        page = Client(ws)
        await page.say(type="hello", session=None)
        await page.until("ready")
        room = Room(0.12, gain)
        peer = Page(room)
        room.page = peer
        await page.say(type="offer", sdp=await peer.offer())
        await peer.take((await page.until("answer"))["sdp"])
        await page.say(type="type", text="Tell me about the sea.")
        bubbles: dict[int, dict[str, object]] = {}
        async with asyncio.timeout(90):
            async for raw in ws:
                message = json.loads(raw.data)
                if message["type"] == "bubble":
                    bubbles[message["id"]] = message
                if any(each["who"] == "agent" and each["done"] for each in bubbles.values()):
                    break
        await asyncio.sleep(3)  # whatever is still on its way back
        assert float(np.abs(room.sound).max()) > 0.05  # there was an echo
        (session,) = [session for session, _ in serving.sessions._open.values()]
        said = [(b.who, b.text, b.rest) for b in session._transcript.bubbles if b.who != "note"]
        assert [who for who, _, _ in said] == ["user", "agent"], said
        await peer.aclose()
