"""The page in LiveKit rooms: real Chromium, real server, the real call behind it, or an agent that is not ours."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from livekit import rtc

from echoless.livekit.conversation import Conversation
from echoless.livekit.server import LocalServer
from echoless.livekit.server import missing as no_server
from echoless.serve.command import Place, Serving, Terms
from echoless.serve.rooms import Rooms
from echoless.settings import Settings
from tests.serve.browser import FIRST, FLOOR, REPLY, SECOND, browser, missing, pause, person
from tests.serve.scenarios import be_denied_the_microphone, speak_hear_and_cut_in, write_and_stop
from tests.serve.strangers import participant

WHY = missing() or no_server()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(WHY is not None, reason=str(WHY))]
BUBBLES = "[...document.querySelectorAll('#log li')].map(e => e.innerText).join('|')"


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


@pytest.fixture
async def serving(server: LocalServer) -> AsyncIterator[Serving]:
    rooms = Rooms(server.access, dispatch="")  # no worker here: the tests bring the agent
    async with Serving(Settings(), Place(port=0), Terms(), rooms=rooms) as made:
        yield made


@asynccontextmanager
async def agent(server: LocalServer, room: str) -> AsyncIterator[Conversation]:
    """Our agent in this room."""
    entered = rtc.Room()
    await entered.connect(server.access.url, server.access.token(room, "agent", agent=True))
    conversation = Conversation(Settings(greet=False), entered, reply=lambda text: REPLY, patience=1e9)
    holding = asyncio.ensure_future(conversation.run())
    try:
        yield conversation
    finally:
        conversation.close()
        await asyncio.wait([holding], timeout=20)
        holding.cancel()
        await entered.disconnect()


async def test_speak_see_hear_interrupt_and_reload(serving: Serving, server: LocalServer) -> None:
    async with agent(server, "spoken") as conversation, browser(person(4.0, FIRST, 16.0, SECOND, 60.0)) as page:
        await page("goto", url=f"{serving.url}/#room=spoken")
        await page.until("!document.getElementById('name-row').hidden")
        await speak_hear_and_cut_in(page)
        (caller,) = conversation.room.remote_participants.values()
        assert caller.attributes["echoless.cancels_echo"] == "true"


async def test_write_stop_with_the_button_and_with_escape(serving: Serving, server: LocalServer) -> None:
    async with agent(server, "written") as conversation, browser(person(120.0)) as page:
        await page("goto", url=f"{serving.url}/#room=written")
        await page.until("!document.getElementById('name-row').hidden")
        await write_and_stop(page)
        assert conversation.line.latency > 0


async def test_a_denied_microphone_leaves_writing_and_hearing(serving: Serving, server: LocalServer) -> None:
    async with agent(server, "denied"), browser(None) as page:
        await page("goto", url=f"{serving.url}/#room=denied")
        await page.until("!document.getElementById('name-row').hidden")
        await be_denied_the_microphone(page)


async def test_where_no_agent_comes_the_page_says_so_and_sends_again(server: LocalServer) -> None:
    """Nobody was there to be sent when the room was made; later there is, and is sent for."""
    rooms = Rooms(server.access, dispatch="latecomer")
    async with Serving(Settings(), Place(port=0), Terms(), rooms=rooms) as serving, browser(pause(90.0)) as page:
        await page("goto", url=f"{serving.url}/#room=empty")
        await page.until("!document.getElementById('name-row').hidden")
        await page("write", selector="#text", text="Is anybody there?")
        await page("press", key="Enter")
        await page.until("document.querySelector('#notices button')", 40)
        await page("click", selector="#notices button")
        await page.until("document.getElementById('notices').innerText === ''")
        async with server.access.admin() as admin:
            sent = await admin.agent_dispatch.list_dispatch("empty")
        assert [each.agent_name for each in sent].count("latecomer") == 2
        async with agent(server, "empty"):
            await page.until("document.querySelector('#log .agent')")  # and what was written meanwhile is answered


async def test_five_seconds_without_a_network(serving: Serving, server: LocalServer) -> None:
    """The LiveKit server stands still, so nothing travels either way; the same conversation goes on, and its sound."""
    async with agent(server, "lost"), browser(person(4.0, FIRST, 60.0)) as page:
        await page("goto", url=f"{serving.url}/#room=lost")
        await page.until("!document.getElementById('name-row').hidden")
        await page("click", selector="#talk")
        await page.until(f"{FLOOR} === 'speaking'")
        os.kill(server.pid, signal.SIGSTOP)
        try:
            await page.until(f"{FLOOR} === 'lost'", 20)
            await asyncio.sleep(1)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        await page.until(f"{FLOOR} !== 'lost'", 40)
        await page.until("document.querySelector('#log .agent.done')", 60)
        await page("write", selector="#text", text="Go on.")
        await page("press", key="Enter")
        await page.until(f"{FLOOR} === 'speaking'")
        # what was said before may be two turns: the person makes a pause
        assert await page("tell", what="document.querySelectorAll('#log .user.typed').length") == 1
        assert await page("tell", what="document.querySelectorAll('#log .user').length") >= 2


async def test_several_people_are_told_apart(serving: Serving, server: LocalServer) -> None:
    async with (
        agent(server, "party"),
        participant(server.access, "party", "person-ada", "Ada") as ada,
        browser(pause(60.0)) as page,
    ):
        await page("goto", url=f"{serving.url}/#room=party")
        await page.until("!document.getElementById('name-row').hidden")
        await page("write", selector="#text", text="Good morning.")
        await page("press", key="Enter")
        await page.until("document.getElementById('people').innerText === 'Ada'")
        await page.until(f"{FLOOR} === 'speaking'")
        await ada.write("What about the ships?")
        await page.until("document.querySelector('#log .user.other .name')?.innerText === 'Ada'")
        assert await page("tell", what="document.querySelectorAll('#log .user:not(.other)').length") == 1
        await ada.room.disconnect()
        await page.until("document.getElementById('people').hidden")


async def test_an_agent_that_is_not_ours(serving: Serving, server: LocalServer) -> None:
    """Transcriptions, state and chat as LiveKit has them are all that the page needs."""
    async with browser(pause(60.0)) as page:
        await page("goto", url=f"{serving.url}/#room=stranger")
        await page.until("!document.getElementById('name-row').hidden")
        await page("write", selector="#text", text="Is anybody there?")
        await page("press", key="Enter")
        await page.until(f"{FLOOR} === 'waiting'")
        async with participant(server.access, "stranger", "bot", agent=True) as bot:
            await bot.state("listening")
            await page.until(f"{FLOOR} === 'writing'")
            await page.until(f"{BUBBLES}.includes('Is anybody there?')")
            for _ in range(100):
                if bot.read:
                    break
                await asyncio.sleep(0.05)
            (who, text) = bot.read[0]
            assert text == "Is anybody there?"
            humming = asyncio.ensure_future(bot.hum(30))
            await bot.state("speaking")
            await bot.caption("I am", "A1", final=False)
            await page.until(f"{FLOOR} === 'speaking'")
            await page.until("document.querySelector('#log .agent .said')?.innerText === 'I am'")
            await bot.caption("I am here.", "A1", final=True)
            await page.until("document.querySelector('#log .agent.done .said')?.innerText === 'I am here.'")
            await page.until("Number(document.getElementById('level-agent').ariaValueNow) >= 50")
            await bot.caption("and so am I", "U1", final=False, who=who)
            await page.until("document.querySelector('#log .user.live .rest')?.innerText === 'and so am I'")
            humming.cancel()
        await page.until(f"{FLOOR} === 'waiting'")
        assert await page("complaints") == []
