"""What a person sees of a call in the terminal: captions of both sides, level meters, whose turn, and keys.

`Captions` holds what is on the screen and is fed with the call's events alone, so that a recorded call looks like a
live one. `watch` shows it: a live view on a terminal, else one plain line for each thing that was said.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from echoless.frames import Event
from echoless.keys import Keys
from echoless.plain import plain
from echoless.tongue import Translate, plain_english, tongue

REFRESH = 0.08
"""Seconds between two pictures."""
QUIETEST = -60.0
"""dBFS at the left end of a meter."""
MARK = {"user": "you", "agent": "agent", "note": "·"}
STYLE = {"user": "bold cyan", "agent": "bold green", "note": "yellow"}
REASONS = {"echo": "my own echo", "backchannel": "carry on", "noise": "a noise", "stranger": "somebody else"}

Levels = Callable[[], tuple[float, float]]
"""dBFS of the microphone and of the loudspeaker, now."""


class Controls(Protocol):
    """What the keys do to a call."""

    def mute(self, on: bool) -> None:
        """Hear nothing, or hear again."""
        ...

    def push_to_talk(self, on: bool) -> None:
        """The user has the floor from True to False, whatever the ears think."""
        ...

    def stop(self) -> None:
        """The agent falls silent."""
        ...

    def quit(self) -> None:
        """The call ends."""
        ...


@dataclass(slots=True)
class Said:
    """One caption: `text` in full colour, then `rest`, which is grey while it may change, struck out when cut off."""

    who: str
    text: str = ""
    rest: str = ""
    key: int = 0
    done: bool = False
    name: str = ""
    """Of a person whose voice is known."""
    say: Translate = plain_english

    def rendered(self) -> RenderableType:
        body = Text(self.text, style="yellow" if self.who == "note" else "")
        if self.rest:
            space = " " if self.text and not self.text.endswith(" ") else ""
            body.append(space).append(self.rest, style="strike bright_black" if self.done else "italic bright_black")
        line = Table.grid(padding=(0, 1))
        line.add_column(min_width=5, justify="right", style=STYLE[self.who])
        line.add_column(overflow="fold")
        line.add_row(self.name or self.say(MARK[self.who].strip()), body)
        return line

    def plain(self) -> str:
        cut = f" [{self.say(f'cut off: {self.rest}')}]" if self.rest else ""
        who = self.name or self.say(MARK[self.who].strip())
        return f"{who}: {self.text}{cut}" if self.who != "note" else f"({self.text})"


class Captions:
    """The screen's content, in a language that `tongue` knows. Unknown events and keys are ignored."""

    def __init__(self, language: str = "en") -> None:
        self.say = tongue(language)
        self.open: list[Said] = []
        self.state = "listening"
        self.duplex = "full"
        self.muted = False
        self.pushing = False
        self._said = -1
        """The generation of the agent's last whole caption: what comes late of it is known already."""

    def feed(self, event: Event) -> None:
        """Take one event of the call."""
        handler = getattr(self, "_" + event.event.replace(".", "_"), None)
        if handler is not None:
            handler(event.data)

    def take_done(self) -> list[Said]:
        """The oldest captions that will not change any more; they leave the screen's live part."""
        done: list[Said] = []
        while self.open and self.open[0].done:
            done.append(self.open.pop(0))
        return [each for each in done if each.text or each.rest]

    def finish(self) -> list[Said]:
        """All that is left, as the call ends."""
        for each in self.open:
            each.done = True
        return self.take_done()

    # --- the events, by name ---

    def _user_started(self, data: Mapping[str, Any]) -> None:
        if self.state == "listening":
            self.state = "hearing you"

    def _user_stopped(self, data: Mapping[str, Any]) -> None:
        if self.state == "hearing you":
            self.state = "listening"

    def _user_partial(self, data: Mapping[str, Any]) -> None:
        self._entry("user", data.get("turn", 0)).rest = plain(data.get("text", ""))

    def _user_said(self, data: Mapping[str, Any]) -> None:
        entry = self._entry("user", data.get("turn", 0))
        entry.text, entry.rest, entry.done = plain(data.get("text", "")), "", True
        entry.name = plain(data.get("who", ""))

    def _user_rejected(self, data: Mapping[str, Any]) -> None:
        for each in [each for each in self.open if each.who == "user" and not each.done]:
            self.open.remove(each)
        if self.state == "hearing you":
            self.state = "listening"
        if text := data.get("text"):
            why = REASONS.get(str(data.get("reason")), str(data.get("reason", "")))
            self._note(f"not answered, {why}: {text}")

    def _agent_thinking(self, data: Mapping[str, Any]) -> None:
        self.state = "thinking"

    def _agent_started(self, data: Mapping[str, Any]) -> None:
        self.state = "speaking"

    def _agent_ducked(self, data: Mapping[str, Any]) -> None:
        self.state = "ducked"

    def _agent_resumed(self, data: Mapping[str, Any]) -> None:
        self.state = "speaking"

    def _agent_saying(self, data: Mapping[str, Any]) -> None:
        if data.get("generation", 0) > self._said:
            self._entry("agent", data.get("generation", 0)).rest = plain(data.get("text", ""))

    def _agent_sentence(self, data: Mapping[str, Any]) -> None:
        if data.get("generation", 0) <= self._said:
            return
        entry = self._entry("agent", data.get("generation", 0))
        entry.text, entry.rest = plain(f"{entry.text} {data.get('text', '')}"), ""

    def _agent_stopped(self, data: Mapping[str, Any]) -> None:
        self.state = "listening"
        if data.get("reason") == "revoked":
            key = data.get("generation", 0)
            self.open = [each for each in self.open if not (each.who == "agent" and each.key == key)]

    def _agent_said(self, data: Mapping[str, Any]) -> None:
        self._said = data.get("generation", 0)
        entry = self._entry("agent", self._said)
        entry.text, entry.rest, entry.done = plain(data.get("text", "")), plain(data.get("unheard", "")), True

    def _mode(self, data: Mapping[str, Any]) -> None:
        if data.get("duplex") != self.duplex:
            self.duplex = str(data.get("duplex", "full"))
            self._note(f"{self.duplex} duplex: {data.get('why', '')}")

    def _failure(self, data: Mapping[str, Any]) -> None:
        self._note(f"{data.get('part', 'a part')} failed: {data.get('what', '')} ({data.get('action', '')})")

    def _note(self, text: str) -> None:
        self.open.append(Said("note", plain(self.say(text)), done=True))

    def _entry(self, who: str, key: int) -> Said:
        for each in reversed(self.open):
            if each.who == who and each.key == key and not each.done:
                return each
        self.open.append(Said(who, key=key, say=self.say))
        return self.open[-1]


def picture(captions: Captions, levels: tuple[float, float] | None, keys: bool = True) -> RenderableType:
    """The live part of the screen: captions that may change, meters, whose turn, keys."""
    rows: list[RenderableType] = [each.rendered() for each in captions.open]
    if levels is not None:
        rows.append(_meters(levels, captions.muted, captions.say))
    colour = {"speaking": "green", "ducked": "magenta", "thinking": "yellow", "hearing you": "cyan"}
    state = "muted" if captions.muted else "your turn, held" if captions.pushing else captions.state
    line = Text.assemble(("      ", ""), (f"● {captions.say(state)}", f"bold {colour.get(state, 'white')}"))
    if captions.duplex != "full":
        line.append(f"  ({captions.say(f'{captions.duplex} duplex')})", style="yellow")
    if keys:
        keys_told = captions.say("m mute · space hold the floor · Esc stop · q quit")
        line.append(f"    {keys_told}", style="bright_black")
    return Group(*rows, line)


def _meters(levels: tuple[float, float], muted: bool, say: Translate) -> Text:
    line = Text("      ")
    for name, level, style in (("mic", levels[0], "cyan"), ("out", levels[1], "green")):
        filled = round(20 * min(1.0, max(0.0, 1 - level / QUIETEST)))
        hot = level > -3
        style = "bright_black" if muted and name == "mic" else "red" if hot else style
        line.append(f"{say(name)} ", style="bright_black")
        line.append("▮" * filled, style=style).append("▯" * (20 - filled), style="bright_black").append("   ")
    return line


async def watch(
    events: AsyncIterator[Event],
    controls: Controls | None = None,
    levels: Levels | None = None,
    console: Console | None = None,
    language: str = "en",
) -> None:
    """Show a call until its events end. On a terminal a live view with keys, else plain lines."""
    console = console or Console(highlight=False)
    if not console.is_terminal or console.is_dumb_terminal:
        await _plain(events, console, language)
        return
    captions = Captions(language)
    reading = Keys(lambda key: _press(key, captions, controls)) if controls else contextlib.nullcontext()
    with Live(console=console, auto_refresh=False, transient=True) as live, reading as keys:
        drawing = asyncio.ensure_future(_draw(live, captions, levels, keys is not None and keys.alive))
        try:
            async for event in events:
                captions.feed(event)
        finally:
            drawing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await drawing
            _print(live.console, captions.finish())  # after Ctrl-C too


async def _draw(live: Live, captions: Captions, levels: Levels | None, keys: bool) -> None:
    while True:
        _print(live.console, captions.take_done())
        live.update(picture(captions, levels() if levels else None, keys), refresh=True)
        await asyncio.sleep(REFRESH)


def _print(console: Console, done: list[Said]) -> None:
    for each in done:
        console.print(each.rendered())


async def _plain(events: AsyncIterator[Event], console: Console, language: str) -> None:
    captions = Captions(language)
    try:
        async for event in events:
            captions.feed(event)
            for each in captions.take_done():
                console.print(escape(each.plain()), soft_wrap=True)
    finally:
        for each in captions.finish():
            console.print(escape(each.plain()), soft_wrap=True)


def _press(key: str, captions: Captions, controls: Controls) -> None:
    """What a key does."""
    match key:
        case "m":
            captions.muted = not captions.muted
            controls.mute(captions.muted)
        case " ":
            captions.pushing = not captions.pushing
            controls.push_to_talk(captions.pushing)
        case "\x1b":
            controls.stop()
        case "q" | "\x04":
            controls.quit()
