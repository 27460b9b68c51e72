"""One conversation with whatever page holds its secret: a call on a line that outlives the page.

A page that is reloaded, or whose network was away, comes back with the secret and finds its conversation as it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

from echoless.frames import Event
from echoless.house import open_call
from echoless.lines.door import LineError
from echoless.lines.webrtc import WebLine
from echoless.serve import messages as m
from echoless.serve.following import Following, whose_turn
from echoless.settings import Settings
from echoless.talk import Call

GRACE = 10.0
"""Seconds that a conversation keeps its place for a page that has gone, even if others want it."""

Reply = Callable[[str], Any]


class Why(Enum):
    """Why a page has to leave."""

    REPLACED = "the conversation goes on in another window"
    OVER = "the conversation has ended"
    CLOSING = "the server is closing"


class Page(Protocol):
    """A page's socket."""

    def send(self, message: dict[str, Any]) -> None:
        """Put a message on its way; never blocks."""
        ...

    def leave(self, why: Why) -> None:
        """Another page took over, or the conversation has ended."""
        ...


class Session:
    """A conversation. `open` in a task of its own; it ends with the call."""

    def __init__(self, settings: Settings, line: WebLine, reply: Reply | None = None) -> None:
        self.secret = secrets.token_urlsafe(24)
        self.line = line
        self.call: Call | None = None
        self.trouble: str | None = None
        """Why there is no call, in one line."""
        self.ready = asyncio.Event()
        """The call is open, or could not be opened."""
        self._settings, self._reply = settings, reply
        self._claimed = asyncio.Event()
        self._closing = False
        self._page: Page | None = None
        self._left_at = time.monotonic()
        self._following = Following(self._tell, lambda: line.latency)
        self._progress = ""
        line.on_hush = lambda seconds: self._tell({"type": "hush", "seconds": round(seconds, 3)})

    # --- the call -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Open the call, hold it as soon as a page asks for it, until it ends."""
        try:
            async with open_call(self._settings, line=self.line, reply=self._reply, tell=self._loading) as call:
                self.call = call
                call.subscribe(self._on_event)
                self.ready.set()
                await self._claimed.wait()
                if self._closing:
                    return
                self._tell({"type": "ready"})
                captions = asyncio.ensure_future(self._following.captions(call))
                try:
                    await call.run()
                finally:
                    captions.cancel()
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "echoless":
                raise
            self.trouble = " ".join(str(error).split())
        finally:
            self.call = None
            self.ready.set()
            self._tell({"type": "trouble", "text": self.trouble} if self.trouble else {"type": "ended"})
            if self._page:
                self._page.leave(Why.OVER)

    def close(self) -> None:
        """End the conversation."""
        self._closing = True
        self._claimed.set()
        if self.call:
            self.call.close()
            self.line.begin()  # so that it notices

    def _loading(self, what: str) -> None:
        self._progress = what
        self._tell({"type": "loading", "what": what})

    # --- the page -------------------------------------------------------------------------------------------

    def attach(self, page: Page, resumed: bool) -> None:
        """A page takes the conversation up; the one before, if any, has to leave."""
        before, self._page = self._page, page
        if before:
            before.leave(Why.REPLACED)
        recorded = self._settings.record is not None
        self._tell({"type": "session", "id": self.secret, "resumed": resumed, "recorded": recorded})
        for bubble in self._following.transcript.all():
            self._tell(bubble)
        if self._following.latencies:
            self._tell({"type": "latency", "seconds": self._following.latencies[-1]})
        if self.call:
            self._tell({"type": "ready"})
            self._tell(whose_turn(self.call))
        else:
            self._tell({"type": "loading", "what": self._progress})
        self._claimed.set()

    def detach(self, page: Page) -> None:
        """A page is gone: the conversation waits for a while."""
        if self._page is page:
            self._page = None
            self._left_at = time.monotonic()
            self.line.away()

    @property
    def deserted(self) -> float:
        """Seconds since its page left; nothing while it has one."""
        return 0.0 if self._page else time.monotonic() - self._left_at

    async def take(self, message: m.Message) -> None:
        """What the page asks for."""
        self.line.alive()
        match message:
            case m.Offer():
                await self._connect(message)
            case m.Typed(text):
                await self.ready.wait()
                if self.call:
                    self.line.begin()
                    self._following.typed(self.call)
                    self.call.type(text)
            case m.Stop():
                if self.call:
                    self.call.stop()
            case m.Mute(on):
                if self.call:
                    self.call.mute(on)
            case m.Quiet():
                self.line.hang_up()
            case m.Playout(seconds):
                self.line.playout(seconds)
            case m.End():
                self.close()

    async def _connect(self, offer: m.Offer) -> None:
        await self.ready.wait()
        if self.call is None:
            return
        try:
            answer = await self.line.answer(offer.sdp)
        except LineError as error:
            self._tell({"type": "refused", "text": str(error)})
            return
        self.line.cancels_echo = offer.cancels_echo
        self.call.ears.guard.cancels_echo = offer.cancels_echo
        self.line.begin()
        self._tell({"type": "answer", "sdp": answer})

    # --- what the page is told ------------------------------------------------------------------------------

    def _tell(self, message: dict[str, Any]) -> None:
        if self._page:
            self._page.send(message)

    def _on_event(self, event: Event) -> None:
        if self.call:
            self._following.event(self.call, event)


class Full(Exception):
    """There are as many conversations as are allowed. One line."""


class Sessions:
    """All conversations. `make` builds one that is not open yet; at most `most` at a time, one ready beforehand."""

    def __init__(self, make: Callable[[], Session], most: int) -> None:
        self._make, self._most = make, most
        self._open: dict[str, tuple[Session, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._spare: Session | None = None

    @property
    def count(self) -> int:
        """Conversations that are under way, the prepared one not counted."""
        return len(self._open) - (self._spare is not None)

    async def prepare(self) -> str | None:
        """Have a conversation ready for the first page; why there can be none, in one line."""
        self._spare = self._start()
        await self._spare.ready.wait()
        trouble = self._spare.trouble
        if trouble:
            self._spare = None
        return trouble

    def resume(self, secret: str) -> Session | None:
        """The conversation with this secret, if it is still there."""
        found = None
        for known, (session, _) in self._open.items():
            if secrets.compare_digest(known.encode(), secret.encode("utf-8", "surrogatepass")):
                found = session
        return None if found is self._spare else found

    def begin(self) -> Session:
        """A new conversation. Where there are as many as are allowed, the one that its page left first has to go,
        unless it may just be reloading. Raises Full."""
        spare, self._spare = self._spare, None
        if spare and spare.call:
            return spare
        if len(self._open) >= self._most:
            longest = max((session for session, _ in self._open.values()), key=lambda session: session.deserted)
            if longest.deserted < GRACE:
                raise Full(f"there are {self._most} conversations already")
            del self._open[longest.secret]
            longest.close()
        return self._start()

    def _start(self) -> Session:
        session = self._make()
        task = asyncio.ensure_future(session.run())
        self._open[session.secret] = session, task
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(session, done))
        return session

    def _ended(self, session: Session, task: asyncio.Task[None]) -> None:
        self._open.pop(session.secret, None)
        self._tasks.discard(task)
        if self._spare is session:
            self._spare = None
        if not task.cancelled() and (error := task.exception()):
            asyncio.get_running_loop().call_exception_handler({"message": "a conversation broke", "exception": error})

    async def aclose(self) -> None:
        """End them all."""
        tasks = list(self._tasks)
        for session, _ in list(self._open.values()):
            session.close()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=5)
            for task in late:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*late, return_exceptions=True)
