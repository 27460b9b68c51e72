"""What people do with the page, whichever way it reaches the agent."""

from __future__ import annotations

import asyncio
import re

from tests.serve.browser import FLOOR, RATE, REPLY, SAID, Browser, recognised

LIVE = "document.getElementById('talk').getAttribute('aria-pressed') === 'true'"


def is_the_reply(heard: str) -> bool:
    """Whether what was recognised is a part of the agent's reply, whichever: five of its longer words."""
    long = set(re.findall(r"[a-z]{4,}", REPLY.lower()))
    return len(long & set(re.findall(r"[a-z]{4,}", heard))) >= 5


async def speak_hear_and_cut_in(page: Browser) -> None:
    """The recorded person asks, hears the answer and cuts in; then the page is reloaded, and it goes on."""
    await page("click", selector="#talk")
    await page.until(f"{SAID}.includes('lobster')")
    await page.until(f"{FLOOR} === 'speaking'")
    await page.until("document.getElementById('voice').srcObject")
    await page.start_recording()
    await page.until("document.querySelector('#log .agent .said')?.innerText.includes('wide and deep')")
    await page.until("document.querySelector('#log .agent .rest')")  # live captions: more to come
    await page.until("document.querySelector('#log .agent.done del')", 90)  # cut off by the second sentence
    heard = recognised((await page.recording())[: 12 * RATE])
    assert is_the_reply(heard), heard
    kept = await page("tell", what="document.querySelector('#log .agent.done .said').innerText")
    assert REPLY.startswith(kept) and len(kept) > 20
    await page.until(f"/account|himself|better|anything/.test({SAID})")
    assert "answered in" in await page("tell", what="document.getElementById('latency').innerText")
    before = await page("tell", what=SAID)
    await page("reload")
    await page.until(f"{SAID}.startsWith({before!r})")
    await page.until(LIVE)
    await page.until(f"['listening','hearing','thinking','speaking'].includes({FLOOR})")
    assert await page("complaints") == []


async def write_and_stop(page: Browser) -> None:
    """Two turns in writing; the first answer is stopped with the button, the second with Escape."""
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
    assert await page("tell", what="document.querySelectorAll('#log .user').length") == 2
    assert await page("complaints") == []


async def be_denied_the_microphone(page: Browser) -> None:
    """The page says so; one writes, and hears the answer."""
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
    assert is_the_reply(heard), heard
