"""`echoless voiceprint`: enrol, compare, identify, list and forget voices; calibrate the thresholds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from echoless.ears import enrolled
from echoless.ears.voiceprint import VoiceprintError
from echoless.frames import Samples
from echoless.lines.door import LineError
from echoless.settings import voiceprints_dir as folder

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Who is speaking? Voices known and compared.")
_Json = Annotated[bool, typer.Option("--json", help="For programs.")]
_Engine = Annotated[str, typer.Option(metavar="onnx|resemblyzer", help="resemblyzer: the original, to check ours.")]


@app.command()
def enrol(
    name: Annotated[str, typer.Argument(help="Who it is.")],
    files: Annotated[list[Path] | None, typer.Argument(metavar="WAV...", help="Recordings of that person.")] = None,
    seconds: Annotated[float, typer.Option(min=6, max=120, help="Without files: how long to record.")] = 15.0,
    device: Annotated[str | None, typer.Option(help="Sound card: number or part of its name.")] = None,
) -> None:
    """Get to know a voice: from recordings, or from the microphone. Ask that person first."""
    from echoless.workshop.voiceprint.engines import open_engine
    from echoless.workshop.voiceprint.sound import read
    from echoless.workshop.voiceprint.voices import enrol as make

    name = enrolled.check_name(name)
    if files:
        sounds = [(str(path), read(path)) for path in files]
    else:
        sounds = [("the recording", _listen(name, seconds, device))]
    person = make(name, sounds, open_engine("onnx"))
    path = enrolled.save(folder(), person)
    typer.echo(f"{person.name} is known now, from {person.seconds:.1f} s of speech: {path}")


def _listen(name: str, seconds: float, device: str | None) -> Samples:
    """The microphone for so long. Raises VoiceprintError."""
    from echoless.workshop.voice.microphone import take

    typer.echo(f"Talk about anything for {seconds:g} s.", err=True)
    try:
        return take(seconds, device)
    except LineError as error:
        raise VoiceprintError(f"{error} Or name recordings: echoless voiceprint enrol {name} ONE.wav TWO.wav") from None


@app.command()
def compare(
    names: Annotated[list[str], typer.Argument(metavar="A B ...", help="WAV files, people, or voice:NAME.")],
    json_: _Json = False,
    out: Annotated[Path | None, typer.Option("--out", help="Draw the matrix there.")] = None,
    engine: _Engine = "onnx",
) -> None:
    """Is it the same voice? Prints every similarity and a verdict, and draws them."""
    from echoless.workshop.voiceprint import matrix
    from echoless.workshop.voiceprint.engines import open_engine
    from echoless.workshop.voiceprint.voices import find

    if len(names) < 2:
        raise typer.BadParameter("two voices at least: WAV files, enrolled people, or voice:NAME")
    people, encoder = enrolled.load(folder()), open_engine(engine)
    rows = [find(name, people, encoder) for name in names]
    if json_:
        typer.echo(json.dumps(matrix.as_json(rows), indent=1, ensure_ascii=False))
    else:
        Console().print(matrix.as_table(rows))
        typer.echo(matrix.verdict(rows))
    if out or (len(rows) > 2 and not json_):
        path = out or Path("out") / "voiceprints.png"
        matrix.draw(rows, path)
        typer.echo(str(path), err=True)


@app.command()
def identify(
    file: Annotated[Path, typer.Argument(metavar="WAV", help="Who speaks here?")],
    json_: _Json = False,
) -> None:
    """Which of the people who enrolled is it?"""
    from echoless.workshop.voiceprint.engines import open_engine
    from echoless.workshop.voiceprint.voices import Known, find, match

    people, encoder = enrolled.load(folder()), open_engine("onnx")
    if not people:
        raise VoiceprintError("nobody is enrolled yet: echoless voiceprint enrol NAME WAV...")
    heard = find(str(file), (), encoder)
    rows = [(each.name, match(heard, Known(each.name, each.embedding, each.seconds, True))) for each in people]
    rows.sort(key=lambda row: -row[1].similarity)
    best, found = rows[0]
    who = best if found.same else None
    if json_:
        rounded = {name: round(each.similarity, 4) for name, each in rows}
        typer.echo(json.dumps({"who": who, "similarities": rounded}, ensure_ascii=False))
        return
    typer.echo(who or f"a stranger (nearest is {best})")
    for name, each in rows:
        typer.echo(f"  {each.similarity:.3f}  {name}" + (f"  (from {each.threshold:.3f} on)" if name == best else ""))


@app.command("list")
def list_(json_: _Json = False) -> None:
    """Who is known here?"""
    people = enrolled.load(folder())
    if json_:
        typer.echo(json.dumps([{"name": each.name, "seconds": each.seconds} for each in people], ensure_ascii=False))
        return
    for each in people:
        typer.echo(f"{each.name}  ({each.seconds:g} s of speech)")
    if not people:
        typer.echo("nobody: echoless voiceprint enrol NAME WAV...", err=True)


@app.command()
def forget(name: Annotated[str, typer.Argument(help="Whom.")]) -> None:
    """Delete somebody's voiceprint."""
    enrolled.forget(folder(), name)
    typer.echo(f"{name} is forgotten")


@app.command()
def calibrate(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where table and plot go.")] = Path(
        "out/voiceprint"
    ),
) -> None:
    """Measure false accepts and rejects on recorded people (needs ECHOLESS_SHARED) and draw them."""
    from echoless.rooms.people import People
    from echoless.workshop.voiceprint.calibrate import table, trials, write

    found = trials(People(), lambda what: typer.echo(what, err=True))
    typer.echo(table(found))
    for path in write(found, out):
        typer.echo(str(path), err=True)
