"""`echoless room`: one room, directly: as the agent, or as a person with this machine's sound card."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from livekit import rtc

from echoless.livekit.access import LiveKitError, access, checked_url
from echoless.livekit.client import joined
from echoless.livekit.conversation import Conversation
from echoless.settings import Settings, load

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_WHERE, _TALK = "The room", "The conversation"


def flag(panel: str, what: str, *names: str) -> Any:
    """An option of a command, in a panel of its help."""
    return typer.Option(*names, help=what, rich_help_panel=panel)


@app.command()
def room(
    context: typer.Context,
    name: Annotated[str, flag(_WHERE, "Which room.", "--room", "-r")] = "echoless",
    url: Annotated[str | None, flag(_WHERE, "The LiveKit server, ws://...; else LIVEKIT_URL.")] = None,
    token: Annotated[str | None, flag(_WHERE, "A token for the room; else one is made of key and secret.")] = None,
    key: Annotated[str | None, flag(_WHERE, "API key; else LIVEKIT_API_KEY.")] = None,
    secret: Annotated[str | None, flag(_WHERE, "API secret; better LIVEKIT_API_SECRET: others see flags.")] = None,
    identity: Annotated[str | None, flag(_WHERE, "Who we are in the room.")] = None,
    sound_card: Annotated[
        bool, flag(_WHERE, "Be the person: this machine's sound card, our echo canceller.", "--sound-card")
    ] = False,
    device: Annotated[str | None, flag(_WHERE, "With --sound-card: which, or IN,OUT.")] = None,
    llm_url: Annotated[str | None, flag(_TALK, "A running llama-server.")] = None,
    model: Annotated[str | None, flag(_TALK, "A GGUF file or pulled name to serve.")] = None,
    system: Annotated[str | None, flag(_TALK, "Who the agent is: text or file.")] = None,
    tts_model: Annotated[str | None, flag(_TALK, "A Piper voice, NAME.onnx.")] = None,
    language: Annotated[str | None, flag(_TALK, "en, zh, ... or auto.")] = None,
    recogniser: Annotated[str | None, flag(_TALK, "Which engine recognises.")] = None,
    patience: Annotated[str | None, flag(_TALK, "In pauses: quick, normal, patient.")] = None,
    record: Annotated[Path | None, flag(_TALK, "Keep the call in this folder.")] = None,
    greet: Annotated[bool | None, flag(_TALK, "The agent speaks first.")] = None,
) -> None:
    """Join one LiveKit room: as the agent, for trying things, or with --sound-card as a person who talks with one.

    Where a worker serves the room ('echoless worker'), --sound-card sends for it.
    """
    flags = {each: value for each, value in context.params.items() if each in Settings.model_fields}
    settings = load(flags).settings
    where, opens = _opened(url, token, key, secret, name, identity, person=sound_card)
    work = _as_person(settings, where, opens) if sound_card else _as_agent(settings, where, opens)
    raise typer.Exit(asyncio.run(until_stopped(work)))


def _opened(
    url: str | None,
    token: str | None,
    key: str | None,
    secret: str | None,
    name: str,
    identity: str | None,
    *,
    person: bool,
) -> tuple[str, str]:
    """Where the server is, and a token for the room. Raises LiveKitError."""
    from echoless.livekit.access import AGENT_NAME

    if token:
        if not url:
            raise LiveKitError("--token needs --url: the server that the token is for.")
        return checked_url(url), token
    may = access(url, key, secret)
    if person:
        return may.url, may.token(name, identity or "person", dispatch=AGENT_NAME)
    return may.url, may.token(name, identity or "agent", agent=True)


async def until_stopped(work: Any) -> int:
    """Do `work` until it ends or somebody presses Ctrl-C; the exit code."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    for which in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has its own Ctrl-C
            loop.add_signal_handler(which, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return 0


def say(text: str) -> None:
    """A line for whoever started the command."""
    print(text, file=sys.stderr, flush=True)


async def _as_agent(settings: Settings, url: str, token: str) -> None:
    entered = rtc.Room()
    await joined(entered, url, token)
    conversation = Conversation(settings, entered, patience=1e9)
    say(f"in room {entered.name!r} as {entered.local_participant.identity!r}; Ctrl-C leaves")
    try:
        await conversation.run(say)
    finally:
        await entered.disconnect()


async def _as_person(settings: Settings, url: str, token: str) -> None:
    from echoless.livekit.soundcard import talk

    await talk(settings, url, token, say)
