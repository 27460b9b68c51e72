"""`echoless worker`: the command."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from echoless.livekit.access import AGENT_NAME, LiveKitError, access
from echoless.livekit.command import flag, say
from echoless.settings import Settings, SettingsError, load

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_WHERE, _LOAD, _TALK = "The server", "How much", "The conversations"


@app.command()
def worker(
    context: typer.Context,
    livekit_url: Annotated[str | None, flag(_WHERE, "The LiveKit server, ws://...; else LIVEKIT_URL.")] = None,
    key: Annotated[str | None, flag(_WHERE, "API key; else LIVEKIT_API_KEY.")] = None,
    secret: Annotated[str | None, flag(_WHERE, "API secret; better LIVEKIT_API_SECRET: others see flags.")] = None,
    agent_name: Annotated[str, flag(_WHERE, "What rooms ask for; '' serves every new room.")] = AGENT_NAME,
    health_port: Annotated[int, flag(_WHERE, "Where health and load are told.", "--health-port")] = 8081,
    health_host: Annotated[str, flag(_WHERE, "0.0.0.0 in a container, for its probes.", "--health-host")] = "127.0.0.1",
    watch: Annotated[bool, flag(_WHERE, "Send for a new agent where a worker died.", "--watch/--no-watch")] = True,
    watch_room: Annotated[str, flag(_WHERE, "Where workers meet to watch each other.")] = "echoless-watch",
    conversations: Annotated[int, typer.Option(min=1, help="Most at a time.", rich_help_panel=_LOAD)] = 1000,
    busy: Annotated[
        float, typer.Option(min=0.1, help="Share of the cores that may be in use; over 1: any.", rich_help_panel=_LOAD)
    ] = 0.8,
    answer: Annotated[
        float,
        typer.Option(min=0.3, help="Seconds to an answer, p95, over which nobody is let in.", rich_help_panel=_LOAD),
    ] = 2.5,
    behind: Annotated[
        float,
        typer.Option(
            min=0.02, help="Seconds behind real time, p95, over which nobody is let in.", rich_help_panel=_LOAD
        ),
    ] = 0.1,
    spare: Annotated[int, typer.Option(min=0, help="Processes that stand ready.", rich_help_panel=_LOAD)] = 1,
    drain: Annotated[
        float, typer.Option(min=0, help="Seconds for conversations to end in, at Ctrl-C.", rich_help_panel=_LOAD)
    ] = 600.0,
    alone: Annotated[float, typer.Option(min=1, help="Seconds in an empty room.", rich_help_panel=_LOAD)] = 20.0,
    llm_url: Annotated[str | None, flag(_TALK, "A running llama-server; else one is started for all.")] = None,
    model: Annotated[str | None, flag(_TALK, "A GGUF file or pulled name to serve.")] = None,
    system: Annotated[str | None, flag(_TALK, "Who the agent is: text or file.")] = None,
    tts_model: Annotated[str | None, flag(_TALK, "A Piper voice, NAME.onnx.")] = None,
    language: Annotated[str | None, flag(_TALK, "en, zh, ... or auto.")] = None,
    recogniser: Annotated[str | None, flag(_TALK, "Which engine recognises.")] = None,
    patience: Annotated[str | None, flag(_TALK, "In pauses: quick, normal, patient.")] = None,
    greet: Annotated[bool | None, flag(_TALK, "The agent speaks first.")] = None,
) -> None:
    """Serve LiveKit rooms: be sent to those that ask for an agent, hold each conversation in a process of its own.

    A worker that dies is noticed by the others, who send for a new agent; the conversation goes on where it was.
    """
    flags = {each: value for each, value in context.params.items() if each in Settings.model_fields}
    settings = load(flags).settings
    if settings.microphone is not None or settings.device is not None:
        raise SettingsError("rooms bring their own microphones: leave microphone and device out")
    may = access(livekit_url, key, secret)
    try:
        from echoless.livekit.worker import Terms, Worker, serve
    except ModuleNotFoundError as error:
        missing = f"echoless worker needs {error.name}: run 'make livekit-setup', or install echoless[livekit]."
        raise LiveKitError(missing) from None
    terms = Terms(
        agent_name=agent_name,
        port=health_port,
        host=health_host,
        conversations=conversations,
        answer=answer,
        behind=behind,
        busy=busy,
        drain=drain,
        spare=spare,
        watch=watch,
        watch_room=watch_room,
        alone=alone,
    )
    raise typer.Exit(asyncio.run(serve(Worker(settings, may, terms, say))))
