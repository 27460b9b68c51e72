"""The web server: the page's files, the way in, and one socket for each page. Everything passes `guarded` first."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from echoless.livekit.access import LiveKitError
from echoless.serve import messages as m
from echoless.serve.gate import COOKIE, ENTRY_SECONDS, Admission, Origins, Refusal
from echoless.serve.limits import Bucket, Buckets
from echoless.serve.rooms import Rooms
from echoless.serve.session import Full, Session, Sessions, Why

HELLO_WITHIN = 10.0
"""Seconds that a socket has for its first message."""
PING = 1.0
"""Seconds between two signs of life that are asked for."""
GONE = 20.0
"""Seconds without any after which a socket counts as gone."""
OUTBOX = 500
"""Messages that may wait for a slow page."""
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
REPLACED, OVER, FULL, WRONG = 4001, 4002, 4003, 4004
"""Closing codes of ours: another window took over, the conversation ended, too many, the page misbehaved."""
CODES = {Why.REPLACED: REPLACED, Why.OVER: OVER, Why.CLOSING: int(WSCloseCode.GOING_AWAY)}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src {connect}; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS = {
    "Content-Security-Policy": POLICY.format(connect="'self'"),
    "Permissions-Policy": "microphone=(self), speaker-selection=(self), camera=(), geolocation=(), display-capture=()",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(slots=True)
class Limits:
    """How much one address may ask for (a second, and at once), and how many sockets there may be."""

    requests: Buckets = field(default_factory=lambda: Buckets(20, 60))
    entries: Buckets = field(default_factory=lambda: Buckets(1 / 6, 10))
    beginnings: Buckets = field(default_factory=lambda: Buckets(1 / 10, 6))
    messages: Callable[[], Bucket] = lambda: Bucket(30, 60)
    offers: Callable[[], Bucket] = lambda: Bucket(0.5, 5)
    sockets: int = 16


class Server:
    """The routes. `admission` None lets everybody in whose request is our own page's (loopback).

    With `rooms` pages meet the agent in LiveKit rooms, and no conversation is held here.
    """

    def __init__(
        self,
        sessions: Sessions,
        origins: Origins,
        admission: Admission | None = None,
        *,
        secure: bool = False,
        proxied: bool = False,
        limits: Limits | None = None,
        rooms: Rooms | None = None,
        language: str = "en",
    ) -> None:
        self.rooms, self.language = rooms, language
        self._headers = dict(HEADERS)
        if rooms:
            self._headers["Content-Security-Policy"] = POLICY.format(connect=f"'self' {rooms.sources()}")
        self.sessions, self.origins, self.admission = sessions, origins, admission
        self._secure, self._proxied = secure, proxied
        self._limits = limits or Limits()
        self._sockets: set[Socket] = set()
        self._files = page_files()

    def app(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(middlewares=[self._guarded], client_max_size=4096)
        app.router.add_get("/", self._page)
        app.router.add_get("/health", self._health)
        app.router.add_post("/enter", self._enter)
        if self.rooms:
            app.router.add_post("/join", self._in_rooms)
            app.router.add_post("/summon", self._in_rooms)
        else:
            app.router.add_get("/talk", self._talk)
        app.router.add_get("/{path:.+}", self._file)
        app.on_shutdown.append(self._shut)
        return app

    # --- before anything else -------------------------------------------------------------------------------

    @web.middleware
    async def _guarded(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        refusal = self._refusal(request)
        if refusal:
            return self._finished(refused(refusal))
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = refused(Refusal(error.status, error.reason.lower()))
        return response if response.prepared else self._finished(response)

    def _refusal(self, request: web.Request) -> Refusal | None:
        if not self._limits.requests.take(self._address(request), time.monotonic()):
            return Refusal(429, "too many requests; wait a little")
        socket, page = request.path == "/talk", request.path == "/" and request.method == "GET"
        refusal = self.origins.refuse(request.headers, socket=socket, page=page)
        if refusal is None and request.path in ("/talk", "/join", "/summon") and not self._admitted(request):
            return Refusal(401, "the link or token that the server's terminal shows is needed")
        return refusal

    def _finished(self, response: web.StreamResponse) -> web.StreamResponse:
        for name, value in self._headers.items():
            response.headers.setdefault(name, value)
        if self._secure:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        return response

    def _admitted(self, request: web.Request) -> bool:
        return self.admission is None or self.admission.admits(request.cookies.get(COOKIE))

    def _address(self, request: web.Request) -> str:
        """Who asks. What a proxy says of it counts only where there is said to be one."""
        forwarded = request.headers.get("X-Forwarded-For", "") if self._proxied else ""
        return forwarded.rpartition(",")[2].strip()[:64] or request.remote or "?"

    # --- routes ---------------------------------------------------------------------------------------------

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return self._sent("index.html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["path"]
        if name not in self._files:
            raise web.HTTPNotFound
        response = self._sent(name)
        if name.startswith("assets/"):  # their names hold their contents' hash
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response

    def _sent(self, name: str) -> web.Response:
        kind, body = self._files[name]
        return web.Response(body=body, content_type=kind, charset="utf-8")

    async def _health(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok"})

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        """The token or a link's code for a cookie. An empty code asks whether one is needed at all."""
        code = (await _json(request)).get("code")
        if not isinstance(code, str) or len(code) > 256:
            raise web.HTTPBadRequest
        entered = {"entered": True, "livekit": self.rooms is not None, "language": self.language}
        if self.admission is None or (self._admitted(request) and not code):
            return web.json_response(entered)
        if not self._limits.entries.take(self._address(request), time.monotonic()):
            return refused(Refusal(429, "too many attempts; wait a minute"))
        cookie = self.admission.enter(code) if code else None
        if cookie is None:
            return refused(Refusal(401, "this is not the token, or the link was used already or is too old"))
        response = web.json_response(entered)
        response.set_cookie(
            COOKIE, cookie, max_age=int(ENTRY_SECONDS), httponly=True, secure=self._secure, samesite="Strict"
        )
        return response

    async def _in_rooms(self, request: web.Request) -> web.StreamResponse:
        """`/join`: a token for a LiveKit room; `/summon`: an agent for it, again."""
        assert self.rooms is not None
        if not self._limits.beginnings.take(self._address(request), time.monotonic()):
            return refused(Refusal(429, "too many calls were begun; wait a minute"))
        wish = await _json(request)
        try:
            if request.path == "/join":
                return web.json_response(self.rooms.join(wish))
            return web.json_response({"sent": await self.rooms.summon(wish)})
        except m.BadMessage as error:
            return refused(Refusal(400, str(error)))
        except LiveKitError as error:
            return refused(Refusal(502, str(error)))

    async def _talk(self, request: web.Request) -> web.StreamResponse:
        if len(self._sockets) >= self._limits.sockets:
            return refused(Refusal(503, "too many pages are open"))
        ws = web.WebSocketResponse(max_msg_size=m.LONGEST, autoping=False, compress=False, timeout=2.0)
        socket = Socket(ws, self._limits)
        self._sockets.add(socket)
        try:
            for name, value in self._headers.items():
                ws.headers.setdefault(name, value)
            await ws.prepare(request)
            await socket.hold(lambda hello: self._welcome(hello, self._address(request)))
        finally:
            self._sockets.discard(socket)
        return ws

    def _welcome(self, hello: m.Hello, address: str) -> tuple[Session, bool]:
        """The conversation that a page gets, and whether it is one that it had before. Raises Full."""
        before = self.sessions.resume(hello.session) if hello.session else None
        if before:
            return before, True
        if not self._limits.beginnings.take(address, time.monotonic()):
            raise Full("too many new conversations; wait a minute")
        return self.sessions.begin(), False

    async def _shut(self, app: web.Application) -> None:
        for socket in list(self._sockets):
            socket.leave(Why.CLOSING)
        await self.sessions.aclose()


class Socket:
    """A page's WebSocket: reads, writes and pings until one of the two has gone."""

    def __init__(self, ws: web.WebSocketResponse, limits: Limits) -> None:
        self._ws = ws
        self._outbox: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._messages, self._offers = limits.messages(), limits.offers()
        self._closing = (int(WSCloseCode.OK), b"")
        self._seen = time.monotonic()
        self._session: Session | None = None

    def send(self, message: dict[str, Any]) -> None:
        if self._outbox.qsize() < OUTBOX:
            self._outbox.put_nowait(message)
        elif self._closing[0] == WSCloseCode.OK:
            self._end(WSCloseCode.TRY_AGAIN_LATER, "the page does not keep up")

    def leave(self, why: Why) -> None:
        self._end(CODES[why], why.value)

    def _end(self, code: int, why: str) -> None:
        self._closing = (int(code), why.encode()[:120])
        self._outbox.put_nowait(None)

    async def hold(self, welcome: Callable[[m.Hello], tuple[Session, bool]]) -> None:
        """Serve the page until it leaves."""
        writing = asyncio.ensure_future(self._write())
        pinging = asyncio.ensure_future(self._ping())
        try:
            async with asyncio.timeout(HELLO_WITHIN):
                first = await self._next()
            if not isinstance(first, m.Hello):
                raise m.BadMessage("the first message is to be a hello")
            session, resumed = welcome(first)
            self._session = session
            session.attach(self, resumed)
            while (message := await self._next()) is not None:
                await session.take(message)
        except m.BadMessage as error:
            self._end(WRONG, str(error))
        except Full as error:
            self._end(FULL, str(error))
        except TimeoutError:
            self._end(WRONG, "no hello")
        finally:
            if self._session:
                self._session.detach(self)
            pinging.cancel()
            self._outbox.put_nowait(None)
            with contextlib.suppress(TimeoutError, ConnectionError, asyncio.CancelledError):
                await asyncio.wait_for(writing, 3)

    async def _next(self) -> m.Message | None:
        """The next message, None when the page has left. Raises BadMessage."""
        async for raw in self._ws:
            now = time.monotonic()
            self._seen = now
            match raw.type:
                case WSMsgType.PING:
                    await self._ws.pong(raw.data)
                case WSMsgType.PONG:
                    if self._session:
                        self._session.line.alive()
                case WSMsgType.TEXT:
                    if not self._messages.take(now):
                        raise m.BadMessage("too many messages")
                    message = m.parse(raw.data)
                    if isinstance(message, m.Offer) and not self._offers.take(now):
                        raise m.BadMessage("too many offers")
                    return message
                case _:
                    raise m.BadMessage("a message that is no text")
        return None

    async def _ping(self) -> None:
        while time.monotonic() - self._seen < GONE:
            await asyncio.sleep(PING)
            self.send({"type": "beat"})  # for the page's own script, which does not see pings
            with contextlib.suppress(ConnectionError):
                await self._ws.ping()
        self._end(WSCloseCode.GOING_AWAY, "no sign of life")

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):
            while (message := await self._outbox.get()) is not None:
                await self._ws.send_str(json.dumps(message, ensure_ascii=False))
        with contextlib.suppress(ConnectionError, RuntimeError):
            await self._ws.close(code=self._closing[0], message=self._closing[1])


async def _json(request: web.Request) -> dict[str, Any]:
    """A request's JSON object; empty where it has none."""
    try:
        data = await request.json()
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def refused(refusal: Refusal) -> web.Response:
    """One line that says why, as JSON."""
    return web.json_response({"error": refusal.why}, status=refusal.status)


def page_files() -> dict[str, tuple[str, bytes]]:
    """The built page: path → (content type, bytes). Read once: a request never names a file."""
    found: dict[str, tuple[str, bytes]] = {}

    def walk(folder: Any, under: str) -> None:
        for each in folder.iterdir():
            if each.is_dir():
                walk(each, f"{under}{each.name}/")
            elif (kind := KINDS.get(each.name[each.name.rfind(".") :])) is not None:
                found[under + each.name] = kind, each.read_bytes()

    walk(files("echoless.serve").joinpath("page"), "")
    return found
