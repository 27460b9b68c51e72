"""Draw docs/pictures/page-*.png: python page/e2e/pictures.py (needs Chromium and `npm ci` in page/).

With a folder's name it draws there, and more: every state that is worth looking at, in both themes and languages.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.serve.browser import browser, pause  # noqa: E402

from echoless.serve.command import Place, Serving, Terms  # noqa: E402
from echoless.settings import Settings  # noqa: E402

ANSWERS = {
    "What is worth seeing by the sea?": "The harbour early in the morning, when the boats come home. "
    "And the old lighthouse; the stairs are steep, but on a clear day you can see the islands from the top.",
    "How far is it to the lighthouse?": "About half an hour on foot, along the beach all the way.",
    "I would rather cycle.": "Then take the road behind the dunes. It is longer, but it has no stairs "
    "and hardly any cars.",
}
FLOOR = "document.body.dataset.floor"


CHINESE = (
    "(() => { const l = document.getElementById('language'); l.value = 'zh'; l.dispatchEvent(new Event('change')) })()"
)


async def more(folder: Path) -> None:
    """No microphone, nothing said yet, Chinese, a phone on its side, keyboard focus."""
    async with Serving(Settings(greet=False), Place(port=0), Terms()) as serving, browser(None) as page:
        await page("goto", url=serving.url)
        for theme in ("light", "dark"):
            await page("theme", theme=theme)
            await page("picture", path=str(folder / f"welcome-{theme}.png"))
        await page("press", key="Tab")
        await page("press", key="Tab")
        await page("press", key="Tab")
        await page("picture", path=str(folder / "focus-dark.png"))
        await page("theme", theme="light")
        await page("click", selector="#talk")
        await page.until("document.getElementById('notices').innerText.includes('refused')")
        await page("picture", path=str(folder / "denied-light.png"))
        await page("tell", what=CHINESE)
        await page("size", width=390, height=760)
        await page("picture", path=str(folder / "denied-zh-phone.png"))
        await page("click", selector="#open-settings")
        await page("picture", path=str(folder / "settings-zh-phone.png"))
        await page("press", key="Escape")
        await page("size", width=740, height=360)
        await page("picture", path=str(folder / "phone-on-its-side.png"))


async def main(folder: Path) -> None:
    settings = Settings(greet=False)
    serve = Serving(settings, Place(port=0), Terms(), reply=lambda text: ANSWERS.get(text, "Yes."))
    async with serve as serving, browser(pause(300)) as page:
        await page("size", width=960, height=760)
        await page("theme", theme="light")
        await page("goto", url=serving.url)
        await page("picture", path=str(folder / "page-welcome.png"))
        await page("click", selector="#talk")
        await page.until(f"{FLOOR} === 'listening'")
        for k, question in enumerate(ANSWERS, 1):
            await page("write", selector="#text", text=question)
            await page("press", key="Enter")
            await page.until(f"document.querySelectorAll('#log .agent').length === {k}")
            if k == 1:
                await page.until("document.querySelector('#log .agent .said')?.innerText.includes('lighthouse')")
                await page("press", key="Escape")
            if k < 3:
                await page.until(f"document.querySelectorAll('#log .agent.done').length === {k}")
        await page.until("document.querySelectorAll('#log .agent .said')[2]?.innerText.includes('dunes')")
        for theme in ("light", "dark"):
            await page("theme", theme=theme)
            await page("picture", path=str(folder / f"page-{theme}.png"))
        await page("size", width=390, height=760)
        await page("theme", theme="light")
        await page("picture", path=str(folder / "page-phone.png"))
        await page("click", selector="#open-settings")
        await page("picture", path=str(folder / "page-settings.png"))


if len(sys.argv) > 1:
    aside = Path(sys.argv[1])
    aside.mkdir(parents=True, exist_ok=True)
    asyncio.run(more(aside))
    asyncio.run(main(aside))
else:
    asyncio.run(main(ROOT / "docs" / "pictures"))
