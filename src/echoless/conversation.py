"""`echoless talk`: holds a conversation with what there is - a sound card, files, a browser, a keyboard, or nothing.

With nothing at all (a container, a script) it still shows the main job: a person in a simulated room talks to the
agent and cuts in, and the sound and the picture of it are left in a folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from echoless.captions import watch
from echoless.plain import piece, plain
from echoless.settings import Loaded, Settings
from echoless.tongue import tongue


def converse(loaded: Loaded, typed: bool = False) -> int:
    """Hold one conversation to its end; the exit code. Raises the one-line errors of the parts."""
    settings, tell = loaded.settings, _teller(loaded.settings)
    if typed:
        return asyncio.run(_type(settings))
    if settings.microphone is not None:
        return asyncio.run(_hold(settings))
    if settings.device is not None or (trouble := no_sound_card()) is None:
        return asyncio.run(_hold(settings))
    if sys.stdin.isatty():
        from echoless.serve.command import desktop_browser, hold_in_browser

        if desktop_browser():
            tell(f"{trouble} Going on in the browser, which may have one.")
            return hold_in_browser(settings)
        tell(f"{trouble} Going on with the keyboard.")
        return asyncio.run(_type(settings))
    tell(f"{trouble} There is no keyboard either: a person in a simulated room talks instead.")
    from echoless.demo import demonstrate

    return demonstrate(settings, _folder())


def no_sound_card() -> str | None:
    """Why there can be no conversation over a sound card, in one sentence; None where there can."""
    from echoless.lines import portaudio
    from echoless.lines.door import LineError

    try:
        devices = portaudio.list_devices()
    except LineError as error:
        return str(error)
    if not any(device.inputs for device in devices) or not any(device.outputs for device in devices):
        return "There is no sound card here."
    return None


async def _hold(settings: Settings) -> int:
    from echoless.house import keep_loaded, open_call

    console, tell = Console(highlight=False), _teller(settings)
    async with open_call(settings, tell=tell) as call:
        keep_loaded()

        def levels() -> tuple[float, float]:
            return decibel(call.microphone_level), decibel(call.loudspeaker_level)

        async with contextlib.aclosing(call.events()) as events:  # type: ignore[type-var]
            await watch(events, call, levels, console, settings.language)
    if settings.microphone is not None:
        tell(f"the agent's side: {settings.loudspeaker or settings.microphone.with_suffix('.reply.wav')}")
    if settings.record is not None:
        tell(f"the record: {settings.record} (echoless show {settings.record})")
    return 0


async def _type(settings: Settings) -> int:
    """A conversation in writing: a line from the user, the reply as it comes."""
    from echoless.frames import Turn
    from echoless.house import open_filter, open_mind
    from echoless.mind.decent import decently
    from echoless.mind.door import MindError

    console, tell, say = Console(highlight=False), _teller(settings), tongue(settings.language)
    turns: list[Turn] = []
    decent = open_filter(settings)
    async with contextlib.AsyncExitStack() as stack:
        mind = await open_mind(settings, stack, tell=tell)
        if sys.stdin.isatty():
            tell("Write, and press Enter. Ctrl-D ends it.")
        while (text := await _line(f"{say('you')}: ")) is not None:
            if not text.strip():
                continue
            turns.append(Turn("user", text.strip()))
            console.print(f"{say('agent')}: ", end="", style="bold green")
            said = ""
            try:
                async with contextlib.aclosing(mind.reply(turns)) as pieces:  # type: ignore[type-var]
                    async for each in decently(pieces, decent) if decent else pieces:
                        console.print(piece(each), end="", markup=False, soft_wrap=True)
                        said += each
            except MindError as error:
                console.print(f"[{plain(error)}]", end="", markup=False, style="yellow", soft_wrap=True)
            console.print()
            turns.append(Turn("agent", said.strip()))
    return 0


async def _line(prompt: str) -> str | None:
    """A line from the keyboard, None at its end. Read in a thread that nobody waits for: Ctrl-C needs no Enter."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str | None] = loop.create_future()

    def deliver(text: str | None) -> None:
        if not done.done():
            done.set_result(text)

    def read() -> None:
        try:
            text: str | None = input(prompt if sys.stdin.isatty() else "")
        except (EOFError, OSError, UnicodeDecodeError):
            text = None
        with contextlib.suppress(RuntimeError):  # the loop has gone
            loop.call_soon_threadsafe(deliver, text)

    threading.Thread(target=read, daemon=True).start()
    return await done


def decibel(peak: float) -> float:
    """dBFS of a peak value."""
    return 20 * math.log10(max(peak, 1e-5))


def _folder() -> Path:
    """`out` here, or a folder for what is temporary where nothing can be written here."""
    folder = Path("out")
    try:
        folder.mkdir(exist_ok=True)
        (folder / ".writable").touch()
        (folder / ".writable").unlink()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="echoless-"))
    return folder


def _teller(settings: Settings) -> Callable[[str], None]:
    """Tells a person something, in their language."""
    say = tongue(settings.language)
    return lambda text: print(say(text), file=sys.stderr, flush=True)
