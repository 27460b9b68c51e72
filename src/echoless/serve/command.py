"""`echoless serve`: the chat page, on loopback unless told otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import socket
import ssl
import sys
import time
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import ifaddr
import typer
from aiohttp import web

from echoless.house import keep_loaded
from echoless.lines.webrtc import LOOPBACK, WebLine
from echoless.serve.app import Server
from echoless.serve.gate import Admission, Origins, loopback_origins
from echoless.serve.rooms import Rooms
from echoless.serve.session import Reply, Session, Sessions
from echoless.settings import Settings, SettingsError, load, recorded_apart
from echoless.tongue import tongue

PORT = 8642


class ServeError(Exception):
    """The page cannot be served. One line that says what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the page is served. `behind` is the address under which a proxy, which holds the certificate, shows it.

    `media` are this machine's addresses on which sound may travel. Raises ServeError where others could listen in.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    certificate: Path | None = None
    key: Path | None = None
    behind: str | None = None
    media: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ServeError("--certificate and --key belong together: give both.")
        if self.behind is not None and (urlsplit(self.behind).scheme != "https" or not urlsplit(self.behind).hostname):
            raise ServeError("--behind is the proxy's own address, like https://talk.example.org")
        if not self.loopback and self.certificate is None and self.behind is None:
            raise ServeError(
                f"Serving on {self.host} lets others listen in: give --certificate and --key,"
                " or --behind https://... where a proxy holds the certificate."
            )

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server itself."""
        if self.host == "localhost":
            return True
        with contextlib.suppress(ValueError):
            return ipaddress.ip_address(self.host).is_loopback
        return False

    @property
    def open_to_others(self) -> bool:
        """Whether a token is needed."""
        return not self.loopback or self.behind is not None

    @property
    def secure(self) -> bool:
        return self.certificate is not None or self.behind is not None

    @property
    def media_addresses(self) -> tuple[str, ...] | None:
        """What the line may use; None is every address of this machine."""
        return self.media or (None if self.open_to_others else LOOPBACK)

    @property
    def names(self) -> tuple[str, ...]:
        """What the page may be asked for by, besides loopback: nobody can have such a name point elsewhere."""
        return (*own_addresses(), socket.gethostname()) if self.host in ("0.0.0.0", "::") else (self.host,)

    def origins(self, port: int, names: tuple[str, ...] = ()) -> Origins:
        """The origins under which our page is seen."""
        if self.behind:
            parts = urlsplit(self.behind)
            return Origins(frozenset({f"{parts.scheme}://{parts.netloc}"}) | loopback_origins(port))
        scheme = "https" if self.certificate else "http"
        others = {f"{scheme}://{_bracketed(name)}:{port}" for name in (*self.names, *names)}
        return Origins(loopback_origins(port, scheme) | frozenset(others))

    def context(self) -> ssl.SSLContext | None:
        """TLS of our own. Raises ServeError."""
        if self.certificate is None or self.key is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise ServeError(f"{self.certificate} and {self.key} are no certificate and its key: {error}") from None
        return context


def own_addresses() -> tuple[str, ...]:
    """This machine's addresses in its networks, IPv4 first."""
    found = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
    found += [ip.ip[0] for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv6 and not ip.ip[2]]
    return tuple(each for each in found if not ipaddress.ip_address(each).is_loopback)


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name


@dataclass(frozen=True, slots=True)
class Terms:
    """How many conversations at a time, and how many seconds one waits for a page that has gone."""

    conversations: int = 2
    keep: float = 300.0


class Serving:
    """A running server: `async with Serving(...) as serving` gives its `url`."""

    def __init__(
        self,
        settings: Settings,
        place: Place | None = None,
        terms: Terms | None = None,
        *,
        names: tuple[str, ...] = (),
        token: str | None = None,
        reply: Reply | None = None,
        rooms: Rooms | None = None,
    ) -> None:
        self.rooms = rooms
        self.settings, self.place, self.terms = settings, place or Place(), terms or Terms()
        self.url = ""
        self.admission: Admission | None = None
        self.sessions = Sessions(self._session, self.terms.conversations)
        self._names, self._token, self._reply = names, token, reply
        self.server: Server | None = None
        self._runner: web.AppRunner | None = None
        self._made = 0

    async def __aenter__(self) -> Serving:
        """Open the port and a first conversation. Raises ServeError."""
        context = self.place.context()
        try:
            if self.place.open_to_others:
                self.admission = Admission(time.monotonic, self._token)
            if self.rooms is None and (trouble := await self.sessions.prepare()):
                raise ServeError(trouble)
            await self._listen(context)
        except BaseException as error:
            await self.sessions.aclose()
            if isinstance(error, ValueError):
                raise ServeError(f"--token-file: {error}") from None
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            await self._runner.cleanup()
        await self.sessions.aclose()

    async def _listen(self, context: ssl.SSLContext | None) -> None:
        host, wanted = self.place.host, self.place.port
        try:
            port = await self._bind(context, PORT if wanted is None else wanted)
        except OSError as error:
            if wanted is not None:
                why = error.strerror or str(error)
                raise ServeError(f"{host}:{wanted} cannot be served: {why}; give another --port.") from None
            port = await self._bind(context, 0)
        name = (*self._names, *self.place.names)[0]
        self.url = self.place.behind or f"{'https' if context else 'http'}://{_bracketed(name)}:{port}"

    async def _bind(self, context: ssl.SSLContext | None, port: int) -> int:
        family = socket.AF_INET6 if ":" in self.place.host else socket.AF_INET
        listener = socket.socket(family)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.place.host, port))
        except OSError:
            listener.close()
            raise
        port = int(listener.getsockname()[1])
        self.server = Server(
            self.sessions,
            self.place.origins(port, self._names),
            self.admission,
            secure=self.place.secure,
            proxied=self.place.behind is not None,
            rooms=self.rooms,
            language=self.settings.language,
        )
        runner = web.AppRunner(self.server.app(), access_log=None, handle_signals=False, shutdown_timeout=3)
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=context).start()
        self._runner = runner
        return port

    def _session(self) -> Session:
        self._made += 1
        settings = recorded_apart(self.settings, str(self._made))
        line = WebLine(addresses=self.place.media_addresses, patience=self.terms.keep)
        return Session(settings, line, self._reply)


def desktop_browser() -> bool:
    """Whether a browser can be opened where the user sits."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    return not isinstance(browser, webbrowser.GenericBrowser) or isinstance(browser, webbrowser.BackgroundBrowser)


def hold_in_browser(settings: Settings) -> int:
    """Talk in the browser of this machine until Ctrl-C; the exit code. Raises ServeError."""
    return asyncio.run(serve(Serving(settings), opens=True))


async def serve(serving: Serving, opens: bool, say: Callable[[str], None] = typer.echo) -> int:
    """Serve the page until Ctrl-C; the exit code. Raises ServeError."""
    translated = tongue(serving.settings.language)
    if serving.rooms is None:
        typer.echo(translated("getting ready ..."), err=True)
    async with serving:
        keep_loaded()
        say(translated(f"The page: {serving.url}"))
        if serving.admission:
            say(translated(f"Open this once, within ten minutes: {serving.url}/#enter={serving.admission.link()}"))
            say(translated(f"Other devices, later: the token {serving.admission.token}"))
        if serving.rooms is not None:
            where = serving.rooms.access.url
            say(translated(f"Conversations are held in rooms of {where}, by whatever worker serves them."))
        elif serving.settings.record is not None:
            say(translated(f"Conversations are recorded in {serving.settings.record}; the page says so."))
        typer.echo(translated("Ctrl-C ends it."), err=True)
        if opens and desktop_browser():
            await asyncio.to_thread(webbrowser.open, serving.url)
        await _interrupted()
    return 0


async def _interrupted() -> None:
    """Until Ctrl-C or a polite end."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError):  # Windows, or no main thread
            loop.add_signal_handler(each, asked.set)
    await asked.wait()


app = typer.Typer(add_completion=False)
_REACH, _TALK = "Who can reach it", "The conversation"


def _flag(panel: str, what: str, *names: str) -> Any:
    return typer.Option(*names, help=what, rich_help_panel=panel)


@app.command()
def main(
    context: typer.Context,
    port: Annotated[int | None, _flag(_REACH, f"As a rule {PORT}, or a free one.")] = None,
    host: Annotated[str, _flag(_REACH, "Whose address is listened on.")] = "127.0.0.1",
    name: Annotated[list[str] | None, _flag(_REACH, "A further name under which the page may be asked for.")] = None,
    certificate: Annotated[Path | None, _flag(_REACH, "TLS: a certificate chain, PEM.")] = None,
    key: Annotated[Path | None, _flag(_REACH, "TLS: its key, PEM.")] = None,
    behind: Annotated[str | None, _flag(_REACH, "https:// address of the proxy in front of us.")] = None,
    token_file: Annotated[Path | None, _flag(_REACH, "A token of one's own; as a rule drawn anew.")] = None,
    media_address: Annotated[list[str] | None, _flag(_REACH, "Where sound may travel.")] = None,
    livekit_url: Annotated[
        str | None, _flag(_REACH, "Meet the agent in rooms of this LiveKit server (keys: LIVEKIT_API_KEY, ..._SECRET).")
    ] = None,
    conversations: Annotated[int, typer.Option(min=1, max=64, help="At a time.", rich_help_panel=_REACH)] = 2,
    keep: Annotated[float, typer.Option(min=5, help="Seconds to wait for a page that has gone.")] = 300.0,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in this machine's browser.")] = True,
    llm_url: Annotated[str | None, _flag(_TALK, "A running llama-server.")] = None,
    model: Annotated[str | None, _flag(_TALK, "A GGUF file or pulled name to serve.")] = None,
    system: Annotated[str | None, _flag(_TALK, "Who the agent is: text or file.")] = None,
    tts_model: Annotated[str | None, _flag(_TALK, "A Piper voice, NAME.onnx.")] = None,
    language: Annotated[str | None, _flag(_TALK, "en, zh, ... or auto.")] = None,
    recogniser: Annotated[str | None, _flag(_TALK, "Which engine recognises.")] = None,
    record: Annotated[Path | None, _flag(_TALK, "Keep each call below this folder.")] = None,
    greet: Annotated[bool | None, _flag(_TALK, "The agent speaks first.")] = None,
) -> None:
    """Talk in a web page: on this machine, or with a token and a certificate from others."""
    place = Place(host, port, certificate, key, behind, tuple(media_address or ()))
    flags = {name: value for name, value in context.params.items() if name in Settings.model_fields}
    settings = load(flags).settings
    if settings.microphone is not None or settings.device is not None:
        raise SettingsError("the page brings its own microphone: leave --microphone and --device out")
    serving = Serving(
        settings,
        place,
        Terms(conversations, keep),
        names=tuple(name or ()),
        token=_token(token_file),
        rooms=_rooms(livekit_url),
    )
    raise typer.Exit(asyncio.run(serve(serving, open_)))


def _rooms(url: str | None) -> Rooms | None:
    if url is None:
        return None
    from echoless.livekit.access import LiveKitError, access

    try:
        return Rooms(access(url))
    except LiveKitError as error:
        raise ServeError(str(error)) from None


def _token(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServeError(f"--token-file: {path} cannot be read: {error}") from None
