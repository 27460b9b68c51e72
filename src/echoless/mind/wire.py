"""HTTP to a mind's server: fresh connections, bounded waits, one clear line for everything that can go wrong.

A connection is never used twice: after a stream that was closed early llama.cpp's server answers the next request
on it with nonsense, and on one machine a new connection costs less than a millisecond.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import httpx

from echoless.mind.door import MindError
from echoless.mind.sse import ServerEvent, SseOverflow, SseParser

LONGEST_ANSWER = 16_000_000
"""Bytes that an answer which is not a stream may have."""


class Refusal(MindError):
    """A server answered with an HTTP status of 400 or more. `answer` is the JSON error object, if it sent one."""

    def __init__(self, line: str, status: int, answer: dict[str, Any]) -> None:
        super().__init__(line)
        self.status = status
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds; None waits for ever.

    `first` until the first words of a reply, `between` two pieces of it, `whole` for all of it, `short` for answers
    that need no thinking, `loading` while a server says that it is still loading its model.
    """

    connect: float = 5.0
    short: float | None = 10.0
    first: float | None = 20.0
    between: float | None = 8.0
    whole: float | None = 120.0
    loading: float = 120.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server is, and the key that it wants, if any."""

    url: str
    key: str = ""

    def __post_init__(self) -> None:
        if not (self.key.isascii() and self.key.isprintable()):
            raise MindError("the server's key has characters that no key can have: check ECHOLESS_LLM_KEY")

    @classmethod
    def parse(cls, text: str, key: str = "") -> Endpoint:
        """From what people type: `localhost:8080`, `http://host/v1/`, `http://host/completion`. Raises MindError."""
        url = text.strip()
        url = url if "://" in url else f"http://{url}"
        try:
            parts = httpx.URL(url)
        except httpx.InvalidURL:
            parts = httpx.URL("")
        sound = parts.scheme in ("http", "https") and parts.host and not re.search(r"[\s%]", parts.host)
        if not sound or not 0 < (parts.port or 80) < 65536:
            raise MindError(f"{text!r} is no server address: give one like http://localhost:8080")
        path = parts.path.rstrip("/")
        for end in ("/chat/completions", "/completions", "/completion", "/v1"):
            path = path.removesuffix(end)
        return cls(str(parts.copy_with(path=path, query=None, fragment=None)).rstrip("/"), key)

    @property
    def local(self) -> bool:
        """Whether it is on this machine: no proxy may come between."""
        host = httpx.URL(self.url).host
        with suppress(ValueError):
            return ip_address(host).is_loopback
        return host == "localhost"


Where = str | Endpoint | Callable[[], Endpoint]
"""An address, or a function that gives today's: our own server gets a new port when it is restarted."""


class Wire:
    """Requests to one server. Every method raises MindError (Refusal for an HTTP status)."""

    def __init__(self, where: Where, patience: Patience) -> None:
        self.patience = patience
        self._where = Endpoint.parse(where) if isinstance(where, str) else where
        self._clients: dict[tuple[bool, bool], httpx.AsyncClient] = {}

    @property
    def endpoint(self) -> Endpoint:
        return self._where() if callable(self._where) else self._where

    async def get(self, path: str) -> Any:
        """The JSON that the server answers."""
        return await self._short("GET", path, None)

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON that the server answers to this JSON."""
        return await self._short("POST", path, body)

    async def stream(self, path: str, body: dict[str, Any]) -> AsyncGenerator[ServerEvent, None]:
        """The events that the server answers. Closing the iterator closes the connection at once."""
        async with self._open("POST", path, body) as response:
            parser = SseParser()
            try:
                async for data in response.aiter_raw():
                    for event in parser.feed(data):
                        yield event
                for event in parser.finish():
                    yield event
            except SseOverflow as why:
                raise MindError(f"the server at {self.endpoint.url} sends no proper stream: {why}") from None

    async def aclose(self) -> None:
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    async def _short(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        url = self.endpoint.url
        try:
            async with asyncio.timeout(self.patience.short), self._open(method, path, body) as response:
                return json.loads(await _read(response))
        except TimeoutError:
            raise MindError(f"the server at {url} did not answer within {self.patience.short:g} s") from None
        except ValueError:
            raise MindError(f"the server at {url} sent no JSON for {path}: is it a llama-server?") from None

    @asynccontextmanager
    async def _open(self, method: str, path: str, body: dict[str, Any] | None) -> AsyncIterator[httpx.Response]:
        """A successful response whose body is still to be read; waits while the server loads its model."""
        until = asyncio.get_running_loop().time() + self.patience.loading
        while True:
            endpoint = self.endpoint
            headers = {"Connection": "close", "Accept-Encoding": "identity"}
            if endpoint.key:
                headers["Authorization"] = f"Bearer {endpoint.key}"
            try:
                request = self._client(endpoint).stream(method, endpoint.url + path, json=body, headers=headers)
                async with request as response:
                    if response.status_code < 300:
                        yield response
                        return
                    refusal = await _refusal(endpoint, path, response)
            except httpx.HTTPError as why:
                raise MindError(_line(endpoint, why)) from None
            if refusal.status != 503 or asyncio.get_running_loop().time() > until:
                raise refusal
            await asyncio.sleep(0.2)

    def _client(self, endpoint: Endpoint) -> httpx.AsyncClient:
        kind = (endpoint.local, endpoint.url.startswith("https:"))
        if kind not in self._clients:
            self._clients[kind] = httpx.AsyncClient(
                timeout=httpx.Timeout(None, connect=self.patience.connect, write=self.patience.short),
                limits=httpx.Limits(max_keepalive_connections=0),
                trust_env=not endpoint.local,
                verify=kind[1],  # certificates take 0.1 s to load
            )
        return self._clients[kind]


async def _read(response: httpx.Response) -> bytes:
    data = bytearray()
    async for piece in response.aiter_raw():
        data += piece
        if len(data) > LONGEST_ANSWER:
            raise ValueError("answer too long")
    return bytes(data)


async def _refusal(endpoint: Endpoint, path: str, response: httpx.Response) -> Refusal:
    answer: dict[str, Any] = {}
    with suppress(ValueError, UnicodeDecodeError):
        found = json.loads(await _read(response))
        error = found.get("error", found) if isinstance(found, dict) else found
        answer = error if isinstance(error, dict) else {"message": error}
    status = response.status_code
    said = one_line(answer.get("message") or response.reason_phrase or "no reason given")
    if status in (401, 403):
        said = f"{said} (it wants a key: set ECHOLESS_LLM_KEY)"
    return Refusal(f"the server at {endpoint.url} refused {path} with {status}: {said}", status, answer)


def one_line(text: object, most: int = 200) -> str:
    """What a stranger sent, fit for one line of a terminal."""
    line = "".join(c if c.isprintable() else " " for c in str(text)).split()
    joined = " ".join(line)
    return joined if len(joined) <= most else joined[: most - 1] + "…"


def _line(endpoint: Endpoint, why: httpx.HTTPError) -> str:
    if isinstance(why, httpx.ConnectError | httpx.ConnectTimeout):
        return f"no server answers at {endpoint.url}: start one there (llama-server -m MODEL.gguf) or check the address"
    return f"the server at {endpoint.url} broke off ({type(why).__name__}{': ' if str(why) else ''}{one_line(why)})"
