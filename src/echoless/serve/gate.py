"""Who may come in: hosts, origins, tokens, one-time links, cookies. Pure: no clock, no network.

A web server on loopback is reachable from every web page that its user visits. So each request must name us as its
host (DNS rebinding names somebody else) and, where a page sent it, come from our own page. What listens to more than
loopback also wants a token.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

LINK_SECONDS = 600.0
"""How long a one-time link can be used."""
ENTRY_SECONDS = 12 * 3600.0
"""How long somebody who came in stays in."""
MOST_ENTRIES = 256
SHORTEST_TOKEN = 24
COOKIE = "echoless-entry"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request goes no further: an HTTP status and one line."""

    status: int
    why: str


def loopback_origins(port: int, scheme: str = "http") -> frozenset[str]:
    """The origins under which a browser on this machine sees us."""
    return frozenset(f"{scheme}://{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))


class Origins:
    """The origins that are ours (`http://localhost:8642`, ...); everything else is foreign."""

    def __init__(self, origins: frozenset[str]) -> None:
        self.ours = frozenset(origin.lower() for origin in origins)
        self.hosts = frozenset(_authority(origin) for origin in self.ours)

    def refuse(self, headers: Mapping[str, str], *, socket: bool = False, page: bool = False) -> Refusal | None:
        """None for a request of our own. `socket`: a WebSocket, which browsers send across origins without asking.
        `page`: the page itself, which may be reached by a link from anywhere."""
        if _authority(f"//{headers.get('Host', '')}") not in self.hosts:
            return Refusal(421, "this is not the host that you were looking for")
        origin = headers.get("Origin")
        if (origin is None and socket) or (origin is not None and origin.lower() not in self.ours):
            return Refusal(403, "requests from other origins are refused")
        site = headers.get("Sec-Fetch-Site", "none")
        linked = page and headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"
        if site not in ("same-origin", "none") and not linked:
            return Refusal(403, "requests from other sites are refused")
        return None


def _authority(origin: str) -> str:
    """Host and port of an origin as a Host header has them, without a default port."""
    try:
        parts = urlsplit(origin.lower())
        port = parts.port
    except ValueError:
        return "?"
    default = {"http": 80, "https": 443}.get(parts.scheme)
    name = parts.hostname or "?"
    name = f"[{name}]" if ":" in name else name
    return name if port in (None, default) else f"{name}:{port}"


class Admission:
    """Lets in who has the token or a one-time link. Holds digests only; compares in constant time.

    `now` gives seconds of a clock that only rises. Raises ValueError where the token is too short to be one.
    """

    def __init__(self, now: Callable[[], float], token: str | None = None) -> None:
        self.token = token or secrets.token_urlsafe(24)
        if len(self.token) < SHORTEST_TOKEN:
            raise ValueError(f"a token has at least {SHORTEST_TOKEN} characters")
        self._now = now
        self._digest = _digest(self.token)
        self._links: dict[bytes, float] = {}
        self._entries: dict[bytes, float] = {}

    def link(self) -> str:
        """A code that lets in once, within ten minutes."""
        code = secrets.token_urlsafe(24)
        self._forget()
        self._links[_digest(code)] = self._now() + LINK_SECONDS
        return code

    def enter(self, code: str) -> str | None:
        """The cookie for who brings the token or an unused link's code; None for anybody else."""
        self._forget()
        digest = _digest(code)
        link = _find(digest, self._links)
        if link is not None:
            del self._links[link]
        elif not hmac.compare_digest(digest, self._digest):
            return None
        cookie = secrets.token_urlsafe(32)
        self._entries[_digest(cookie)] = self._now() + ENTRY_SECONDS
        while len(self._entries) > MOST_ENTRIES:
            del self._entries[next(iter(self._entries))]
        return cookie

    def admits(self, cookie: str | None) -> bool:
        """Whether this is a cookie of somebody who came in and has not stayed too long."""
        self._forget()
        return cookie is not None and _find(_digest(cookie), self._entries) is not None

    def _forget(self) -> None:
        now = self._now()
        for kept in (self._links, self._entries):
            for digest in [digest for digest, until in kept.items() if until <= now]:
                del kept[digest]


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _find(digest: bytes, known: Mapping[bytes, float]) -> bytes | None:
    """The equal one among `known`; looks at all of them, however early it is found."""
    found = None
    for each in known:
        if hmac.compare_digest(each, digest):
            found = each
    return found
