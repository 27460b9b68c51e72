"""`echoless mind collect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option


def _tell(what: str) -> None:
    typer.echo(what, err=True)


def _list(wanted: bool) -> None:
    if not wanted:
        return
    from echoless.workshop.mind.collect.kinds import KINDS

    typer.echo("\n".join(f"{kind.name:14} {kind.what}" for kind in KINDS.values()))
    raise typer.Exit


def _tell_result(result: Any) -> None:
    """What came of each source, what was passed over, and whether other people's words are among it."""
    from echoless.workshop.mind.collect.run import CONSENT

    for name in result.new:
        entry = result.entries[name]
        if not entry.error:
            _tell(f"{name}: {entry.kind}, {entry.dialogues:,} dialogues{_passed(entry.passed)}")
    for line in result.skipped:
        _tell(f"passed over: {line}")
    for line in result.errors:
        _tell(f"echoless: {line}")
    if result.private:
        _tell(CONSENT)


def _passed(passed: dict[str, int]) -> str:
    said = "; ".join(f"{count:,} {why}" for why, count in sorted(passed.items(), key=lambda pair: -pair[1])[:4])
    return f" (passed over: {said})" if said else ""


app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
def collect(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCES…", help="Files, folders, zips, hf:OWNER/NAME[:SPLIT].")
    ],
    out: Annotated[Path, Option("--out", metavar="DIR", help="The folder that is made, or added to.")],
    me: Annotated[str, Option("--me", metavar="NAME", help="In chats: who the agent shall be.")] = "",
    licence: Annotated[str, Option(help="Under what right this text may be used.")] = "",
    kind: Annotated[str, Option(help="Take every file for this; --kinds lists them.")] = "",
    pause: Annotated[float, Option(min=0.01, help="Hours of silence that end a dialogue in a chat.")] = 3.0,
    kinds: Annotated[
        bool, Option("--kinds", is_eager=True, callback=lambda wanted: _list(wanted), help="What can be read.")
    ] = False,
) -> None:
    """Gather talk from files into one form, DIR/dialogues.jsonl.

    Told apart by themselves: JSON and JSON lines of many shapes, csv and tsv, chats exported from Telegram, WhatsApp
    and WeChat, subtitles, our own call records, dialogues as plain text, gzipped or zipped; and data sets of the
    Hugging Face hub. Files are read as they stream. The same command again goes on where it stopped, and reads what
    is new.

    In chats --me says whose side the agent learns; without it that is whoever answers first.
    """
    from echoless.workshop.mind.collect.kinds import KINDS
    from echoless.workshop.mind.collect.run import collect as go
    from echoless.workshop.mind.collect.source import Wish
    from echoless.workshop.mind.errors import MindError
    from echoless.workshop.mind.progress import Bar

    if kind and kind not in KINDS:
        raise typer.BadParameter(f"--kind is one of {', '.join(KINDS)}, not {kind!r}")
    with Bar() as bar:
        result = go(sources, out, Wish(me, licence, pause * 3600), bar, kind)
    _tell_result(result)
    if not result.dialogues:
        raise MindError(f"nothing was collected from {', '.join(sources)}")
    typer.echo(f"{out}: {result.dialogues:,} dialogues (summary.md). Next: echoless mind clean {out} --out clean/")
    raise typer.Exit(1 if result.errors else 0)
