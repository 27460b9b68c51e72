"""The command line: thin commands. Each imports what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

import sys
from importlib import import_module, util
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from echoless import __version__
from echoless.plain import plain
from echoless.tongue import entitle, localised, tongue, wanted

USAGE, FAILURE, INTERRUPTED = 2, 1, 130
"""Exit codes: a wrong command line or setting; anything that failed; Ctrl-C."""

app = typer.Typer(
    name="echoless",
    help="A real-time voice conversation on your own machine that never answers itself.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"echoless {__version__}")
        raise typer.Exit


@app.callback()
def _everywhere(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    language: Annotated[str | None, typer.Option(help="Language of what is shown and spoken: en, zh.")] = None,
) -> None: ...


def _flag(panel: str, what: str, *names: str) -> Any:
    return typer.Option(*names, help=what, rich_help_panel=panel)


_MIND, _VOICE, _EARS, _LINE, _CALL = "The mind", "The voice", "The ears", "Both ends", "The call"


@app.command()
def talk(
    context: typer.Context,
    llm_url: Annotated[str | None, _flag(_MIND, "A running llama-server.")] = None,
    model: Annotated[str | None, _flag(_MIND, "A GGUF file or pulled name to serve.")] = None,
    system: Annotated[str | None, _flag(_MIND, "Who the agent is: text or file.")] = None,
    temperature: Annotated[float | None, _flag(_MIND, "0 is the likeliest word.")] = None,
    seed: Annotated[int | None, _flag(_MIND, "Fixes the sampling.")] = None,
    reply_filter: Annotated[bool | None, _flag(_MIND, "Say nothing indecent.", "--reply-filter")] = None,
    reply_filter_words: Annotated[Path | None, _flag(_MIND, "Words of your own for it.")] = None,
    tts_model: Annotated[str | None, _flag(_VOICE, "A Piper voice, NAME.onnx.")] = None,
    voice_speed: Annotated[float | None, _flag(_VOICE, "0.5 to 2.")] = None,
    volume: Annotated[float | None, _flag(_VOICE, "Louder or softer, dB.")] = None,
    language: Annotated[str | None, _flag(_EARS, "en, zh, ... or auto.")] = None,
    recogniser: Annotated[str | None, _flag(_EARS, "Which engine recognises.")] = None,
    recogniser_model: Annotated[str | None, _flag(_EARS, "A model of that engine.")] = None,
    patience: Annotated[str | None, _flag(_EARS, "In pauses: quick, normal, patient.")] = None,
    only_enrolled: Annotated[bool | None, _flag(_EARS, "Only known voices have the floor.", "--only-enrolled")] = None,
    device: Annotated[str | None, _flag(_LINE, "Sound card, or IN,OUT.")] = None,
    list_devices: Annotated[bool, _flag(_LINE, "Print the sound cards.", "--list-devices")] = False,
    microphone: Annotated[Path | None, _flag(_LINE, "A WAV to listen to.")] = None,
    loudspeaker: Annotated[Path | None, _flag(_LINE, "A WAV to speak into.")] = None,
    pace: Annotated[str | None, _flag(_LINE, "Files: real or fast.")] = None,
    text: Annotated[bool, _flag(_LINE, "Type instead of speaking.", "--text")] = False,
    record: Annotated[Path | None, _flag(_CALL, "Keep the call in this folder.")] = None,
    greet: Annotated[bool | None, _flag(_CALL, "The agent speaks first.")] = None,
) -> None:
    """Hold a conversation: with the sound card, over WAV files, or with the keyboard.

    What is not given here comes from ECHOLESS_... variables, then echoless.toml; see 'echoless config'.
    """
    if list_devices:
        from echoless.lines import portaudio

        typer.echo("\n".join(map(str, portaudio.list_devices())) or "There is no sound card here.")
        return
    loaded = _load(context)
    from echoless.conversation import converse

    raise typer.Exit(converse(loaded, typed=text))


@app.command()
def config(
    context: typer.Context, json_: Annotated[bool, typer.Option("--json", help="For programs.")] = False
) -> None:
    """Print every setting, its value, and where that came from."""
    loaded = _load(context)
    rows = loaded.rows()
    if json_:
        _print_json({row["name"]: {"value": row["value"], "from": row["from"]} for row in rows})
        return
    from rich.console import Console
    from rich.table import Table

    say = tongue(loaded.settings.language)
    table = Table(*map(say, ("setting", "value", "from", "what it is")), box=None, pad_edge=False)
    for row in rows:
        value = "" if row["value"] is None else str(row["value"])
        table.add_row(
            row["name"], value, say(row["from"]), say(row["what"]), style="dim" if row["from"] == "default" else "bold"
        )
    Console().print(table)


@app.command()
def doctor(
    context: typer.Context,
    json_: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Check what is installed, and try every part: what is wrong, and what to do about it."""
    from echoless.doctor.examine import examine

    raise typer.Exit(examine(_load(context).settings, as_json=json_))


@app.command()
def show(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A call record.")],
    out: Annotated[Path | None, typer.Option("--out", help="The picture; as a rule DIR/call.png.")] = None,
    steps: Annotated[bool, typer.Option("--steps", help="A line for each answer: where its time went.")] = False,
) -> None:
    """Draw a call record as one picture, sum it up in a few lines, and tell where the time of its answers went."""
    from echoless.show import show as draw

    typer.echo(draw(folder, out, steps))


@app.command()
def replay(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A call record.")],
    json_: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Run a recorded microphone through today's code: where do its decisions differ?"""
    from echoless.replay import replay as again
    from echoless.settings import load

    raise typer.Exit(again(folder, load().settings, as_json=json_))


@app.command()
def pull(
    name: Annotated[str | None, typer.Argument(help="A name of --list, or OWNER/REPO/FILE.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="Names, sizes, licences, and what is here already.")] = False,
    sha256: Annotated[str | None, typer.Option(help="Refuse a file with any other sum.")] = None,
) -> None:
    """Fetch a bigger model or a Piper voice from the model hub."""
    import echoless.pull as pulling

    if list_:
        typer.echo(pulling.listing())
        return
    if name is None:
        raise typer.BadParameter("which model? 'echoless pull --list' has names")
    for path in pulling.pull(name, sha256=sha256):
        typer.echo(path)


# Whole sub-programs that live beside their organ: name, module with a Typer `app`, what it is.
BESIDE = (
    ("rehearse", "echoless.rooms.rehearse", "Hold a scripted conversation in a simulated room."),
    ("room", "echoless.livekit.command", "Join one LiveKit room: as the agent, or as a person with the sound card."),
    ("serve", "echoless.serve.command", "Talk in a web page, on this machine or from others."),
    ("mind", "echoless.workshop.mind.command", "A mind of your own: collect, clean, train, judge, export, try."),
    ("voice", "echoless.workshop.voice.command", "A voice of your own: record, check, recolour, train, export, say."),
    ("worker", "echoless.livekit.serve", "Serve LiveKit rooms: one process a conversation, as many as stay quick."),
    ("voiceprint", "echoless.workshop.voiceprint.command", "Know people by their voices, and compare voices."),
)


def _mount(name: str, module: str, what: str) -> None:
    def run(context: typer.Context) -> None:
        program = localised(typer.main.get_command(import_module(module).app), wanted(sys.argv[1:]))
        code = program.main(context.args, prog_name=f"echoless {name}", standalone_mode=False)
        raise typer.Exit(code or 0)

    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    app.command(name, help=what, context_settings=settings)(run)


for each in BESIDE:
    if util.find_spec(each[1]) is not None:
        _mount(*each)


def _load(context: typer.Context) -> Any:
    from echoless.settings import Settings, load

    given = {name: value for name, value in context.params.items() if name in Settings.model_fields}
    if given.get("language") is None:
        given["language"] = context.find_root().params.get("language")
    return load(given)


def _print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code. An error that a person can cause is one line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [each for each in arguments if each != "--debug"]
    try:
        if not arguments or {"--help", "-h"} & set(arguments):
            entitle(wanted(arguments))
        program = localised(typer.main.get_command(app), wanted(arguments))
        return program.main(arguments, prog_name="echoless", standalone_mode=False) or 0
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except TyperException as error:  # a wrong command line; no command at all has printed the help already
        if message := error.format_message() if hasattr(error, "format_message") else str(error):
            _complain(message)
        return USAGE
    except BrokenPipeError:  # the reader (head, less) has gone
        sys.stderr.close()
        return FAILURE
    except BaseException as error:
        if debug:
            raise
        return _explain(error)


def _explain(error: BaseException) -> int:
    """One line for an error, and its exit code."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAILURE
    message = plain(error)
    if type(error).__module__.partition(".")[0] == "echoless":
        _complain(message)
        return USAGE if type(error).__name__ == "SettingsError" else FAILURE
    if isinstance(error, OSError) and error.strerror:
        _complain(f"{error.filename}: {error.strerror}" if error.filename else error.strerror)
        return FAILURE
    _complain(f"this should not have happened: {type(error).__name__}: {message} (again with --debug shows where)")
    return FAILURE


def _complain(message: str) -> None:
    typer.echo(f"echoless: {plain(message)}", err=True)
