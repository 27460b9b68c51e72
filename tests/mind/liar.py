"""A real HTTP server on loopback that misbehaves as told: what a mind must survive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

Handler = Callable[["Answer"], Awaitable[None]]


class Answer:
    """One request and the means to answer it, well or badly."""

    def __init__(self, writer: asyncio.StreamWriter, path: str, headers: dict[str, str], body: Any) -> None:
        self.writer = writer
        self.path = path
        self.headers = headers
        self.body = body

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def json(self, answer: Any, status: int = 200) -> None:
        data = json.dumps(answer).encode()
        head = f"HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        await self.send(head.encode() + data)

    async def begin(self) -> None:
        """The head of a stream that ends with the connection."""
        await self.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")

    async def event(self, **data: Any) -> None:
        await self.send(f"data: {json.dumps(data)}\n\n".encode())

    async def say(self, *pieces: str, stop: bool = True) -> None:
        """A whole well-behaved stream."""
        await self.begin()
        for piece in pieces:
            await self.event(content=piece, stop=False)
        if stop:
            await self.event(content="", stop=True)


class Liar:
    """Answers each request by the handler of its path, else 404. `handlers` may hold a list: one for each request in
    turn, the last one for all that follow."""

    def __init__(self, **handlers: Handler | list[Handler]) -> None:
        self.handlers = {f"/{path}": handler for path, handler in handlers.items()}
        self.seen: list[Answer] = []
        self.closed = asyncio.Event()
        """Set when a client closes its connection while it is being answered."""
        self.url = ""

    def bodies(self, path: str) -> list[Any]:
        return [answer.body for answer in self.seen if answer.path == path]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            path = head[0].split()[1]
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])}
            data = await reader.readexactly(int(headers.get("content-length", 0)))
            answer = Answer(writer, path, headers, json.loads(data) if data else None)
            self.seen.append(answer)
            await self._answer(answer, reader)
        writer.close()

    async def _answer(self, answer: Answer, reader: asyncio.StreamReader) -> None:
        handler = self.handlers.get(answer.path.strip())
        if isinstance(handler, list):
            handler = handler.pop(0) if len(handler) > 1 else handler[0]
        if handler is None:
            await answer.json({"error": {"message": "File Not Found", "code": 404}}, 404)
            return
        work = asyncio.ensure_future(handler(answer))
        gone = asyncio.ensure_future(reader.read())
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done() or isinstance(work.exception(), ConnectionError):
            self.closed.set()
        for task in (work, gone):
            task.cancel()
        with suppress(ConnectionError, asyncio.CancelledError):
            await work

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Liar]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()


async def for_ever() -> None:
    await asyncio.Event().wait()
