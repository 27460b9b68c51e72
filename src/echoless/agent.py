"""The Python door: ten lines hold a conversation.

    import asyncio, echoless

    async def main():
        async for event in echoless.Agent(language="en").events():
            if event.event in ("user.said", "agent.said"):
                print(event.event, event.data["text"])

    asyncio.run(main())

A reply function in place of the language model: `echoless.Agent(reply=lambda text: f"You said {text}.").run()`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from echoless.frames import Event
from echoless.lines.door import Line
from echoless.talk import Call

Hook = Callable[[], None]


class Agent:
    """A conversation with the settings of `echoless config`, given as keywords.

    `reply` is called with the user's words in place of the language model: it returns a string, an iterable or an
    async iterable of strings, or a coroutine of one. `line` replaces the sound card or the files. The hooks have the
    names that RealtimeSTT's users know. Raises SettingsError for an unknown keyword.
    """

    def __init__(
        self,
        reply: Callable[[str], Any] | None = None,
        *,
        line: Line | None = None,
        on_recording_start: Hook | None = None,
        on_recording_stop: Hook | None = None,
        on_transcription_start: Hook | None = None,
        on_event: Callable[[Event], None] | None = None,
        **settings: Any,
    ) -> None:
        from echoless.settings import load

        self.settings = load(settings).settings
        self.call: Call | None = None
        """The call under way."""
        self._reply = reply
        self._line = line
        self._hooks = {"user.started": on_recording_start, "user.stopped": on_recording_stop}
        self._on_transcription_start = on_transcription_start
        self._on_event = on_event

    async def events(self) -> AsyncIterator[Event]:
        """Hold the conversation and give the events of the call record as they happen. Leaving the loop ends it.

        Raises LineError, MindError, VoiceError or RecogniserError where a part cannot be had.
        """
        from echoless.house import open_call

        async with open_call(
            self.settings, line=self._line, reply=self._reply, on_recognising=self._on_transcription_start
        ) as call:
            self.call = call
            try:
                async with contextlib.aclosing(call.events()) as events:  # type: ignore[type-var]
                    async for event in events:
                        self._hook(event)
                        yield event
            finally:
                self.call = None

    async def arun(self) -> None:
        """Hold the conversation to its end."""
        async for _ in self.events():
            pass

    def run(self) -> None:
        """Hold the conversation to its end, or to Ctrl-C."""
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(self.arun())

    def _hook(self, event: Event) -> None:
        hook = self._hooks.get(event.event)
        if hook:
            hook()
        if self._on_event:
            self._on_event(event)
