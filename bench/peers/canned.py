"""A model server that always says the same, on loopback: llama.cpp's `/completion` and OpenAI's `/v1/chat/completions`.

Both stream server-sent events when asked to. Every agent gets the same words at the same pace, so that what differs
between agents is how they hold the conversation. A client that hangs up ends its reply at once.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REPLY = (
    "Well, that is a fair thing to ask. Last summer my neighbours planted apple trees behind the old barn. "
    "This autumn every branch was heavy with sweet red fruit."
)
REPLY_SECONDS = 9.4
"""No voice here says it in less."""
MODEL = "canned"
LONGEST_REQUEST = 1 << 20


@dataclass(slots=True)
class Request:
    """What was asked, when (seconds of time.monotonic), and what came of it."""

    at: float
    path: str
    tokens: int = 0
    hung_up: bool = False


@dataclass(slots=True)
class Manner:
    """What is said, and how fast: `first` seconds to the first token, `pace` tokens a second."""

    reply: str = REPLY
    first: float = 0.1
    pace: float = 50.0

    def tokens(self) -> list[str]:
        first, *others = self.reply.split(" ")
        return [first, *(f" {word}" for word in others)]


@dataclass(slots=True)
class Canned:
    """The server, running from `with` on. `url` is its address; `requests` what it was asked."""

    manner: Manner = field(default_factory=Manner)
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Canned:
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    owner: Canned
    timeout = 30

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: `Canned.requests` remembers."""

    def do_GET(self) -> None:
        known: dict[str, Any] = {
            "/health": {"status": "ok"},
            "/v1/models": {"object": "list", "data": [{"id": MODEL, "object": "model"}]},
        }
        self._json(known[self.path]) if self.path in known else self._refuse(404, "no such path")

    def do_POST(self) -> None:
        """Answer; one thread a connection."""
        if self.path not in ("/completion", "/v1/chat/completions"):
            return self._refuse(404, "no such path")
        body = self._body()
        if body is None:
            return self._refuse(400, "a JSON object is wanted")
        request = Request(time.monotonic(), self.path)
        self.owner.requests.append(request)
        chat = self.path != "/completion"
        tokens = self.owner.manner.tokens()
        if not chat and body.get("n_predict") == 0:  # the prompt is only to be read ahead
            tokens = []
        try:
            if body.get("stream"):
                self._stream(tokens, request, chat)
            else:
                self._whole(tokens, request, chat)
        except (BrokenPipeError, ConnectionResetError):
            request.hung_up = True
            self.close_connection = True

    def _body(self) -> dict[str, Any] | None:
        try:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if 0 < length <= LONGEST_REQUEST else None
        except ValueError:
            return None
        return body if isinstance(body, dict) else None

    def _paced(self, tokens: list[str]) -> Iterator[str]:
        begun = time.monotonic() + self.owner.manner.first
        for number, token in enumerate(tokens):
            time.sleep(max(0.0, begun + number / self.owner.manner.pace - time.monotonic()))
            yield token

    def _stream(self, tokens: list[str], request: Request, chat: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        for token in self._paced(tokens):
            self._event(_piece(token, chat))
            request.tokens += 1
        self._event(_piece(None, chat))
        if chat:
            self._event("[DONE]")

    def _event(self, data: dict[str, Any] | str) -> None:
        text = data if isinstance(data, str) else json.dumps(data)
        self.wfile.write(f"data: {text}\n\n".encode())
        self.wfile.flush()

    def _whole(self, tokens: list[str], request: Request, chat: bool) -> None:
        text = "".join(self._paced(tokens))
        request.tokens = len(tokens)
        if not chat:
            return self._json({"content": text, "stop": True, "tokens_predicted": len(tokens)})
        usage = {"prompt_tokens": 1, "completion_tokens": len(tokens), "total_tokens": len(tokens) + 1}
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        self._json({**_chat_head("chat.completion"), "choices": [choice], "usage": usage})

    def _json(self, data: dict[str, Any], status: int = 200) -> None:
        text = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _refuse(self, status: int, why: str) -> None:
        self._json({"error": {"code": status, "message": why}}, status)


def _piece(token: str | None, chat: bool) -> dict[str, Any]:
    """One event of a stream; None is its end."""
    if not chat:
        return {"content": token or "", "stop": token is None}
    delta = {} if token is None else {"role": "assistant", "content": token}
    choice = {"index": 0, "delta": delta, "finish_reason": "stop" if token is None else None}
    return {**_chat_head("chat.completion.chunk"), "choices": [choice]}


def _chat_head(kind: str) -> dict[str, Any]:
    return {"id": MODEL, "object": kind, "created": 0, "model": MODEL}
