"""`echoless mind clean`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


def _list(wanted: bool) -> None:
    if not wanted:
        return
    from echoless.workshop.mind.clean.checks import REASONS
    from echoless.workshop.mind.clean.run import MENDS

    typer.echo("Reasons to leave out (--keep, --drop):")
    typer.echo("\n".join(f"  {name:15} {what}" for name, what in REASONS.items()))
    typer.echo("What is put right (--skip):")
    typer.echo("\n".join(f"  {name:15} {what}" for name, what in MENDS.items()))
    raise typer.Exit


def _listed(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


@app.command()
def clean(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A folder of 'echoless mind collect'.")],
    out: Annotated[Path, Option("--out", metavar="DIR", help="The folder that is made.")],
    language: Annotated[str, Option(metavar="en,zh", help="Keep these; else all.")] = "",
    script: Annotated[str, Option(metavar="simplified|traditional|taiwan|hongkong", help="Of Chinese.")] = "",
    longest: Annotated[int, Option(min=1, help="Words a turn, characters in Chinese.")] = 200,
    alike: Annotated[float, Option(min=0.3, max=1.0, help="From here on two dialogues are near-duplicates.")] = 0.8,
    keep: Annotated[str, Option(metavar="REASON,…", help="Leave nothing out for these reasons.")] = "",
    drop: Annotated[str, Option(metavar="REASON,…", help="Also for these: unfit, private.")] = "",
    skip: Annotated[str, Option(metavar="MEND,…", help="Do not put these right.")] = "",
    words: Annotated[
        Path | None, Option(help="Words of your own for nsfw, as for 'talk --reply-filter-words'.")
    ] = None,
    hold_out: Annotated[float, Option(min=0.0, max=0.5, help="Share kept for judging.")] = 0.02,
    style: Annotated[
        Path | None, Option(metavar="words.toml", help="Write training text in this style as well.")
    ] = None,
    safe: Annotated[bool, Option("--safe", help="Write neutral answers and preference pairs as well.")] = False,
    seed: Annotated[int, Option(min=0)] = 20,
    rules: Annotated[
        bool, Option("--rules", is_eager=True, callback=_list, help="Every reason and every mend.")
    ] = False,
) -> None:
    """Take out of DATA what should not be learnt, and put right what can be.

    DIR/dialogues.jsonl holds what stays, rejected.jsonl what went and why, report.md the numbers, samples.md what a
    person should look at. --style and --safe write training text of their own: styled.jsonl, neutral.jsonl,
    preferences.jsonl.
    """
    from echoless.workshop.mind.clean.rules import Rules
    from echoless.workshop.mind.clean.run import clean as go
    from echoless.workshop.mind.progress import Bar
    from echoless.workshop.mind.style.sheet import load_sheet

    sheet = load_sheet(style) if style else None
    languages, off, on = tuple(sorted(_listed(language))), _listed(keep) | _listed(skip), _listed(drop)
    asked = Rules(languages, script, longest, alike, hold_out, seed, off, on, words)
    with Bar() as bar:
        report = go(data, out, asked, bar)
        if sheet or safe:
            from echoless.workshop.mind.pairs import write_pairs

            for name, count in write_pairs(out, sheet, safe, asked.words, seed).items():
                typer.echo(f"{name}: {count:,}", err=True)
    went = "; ".join(f"{count:,} {reason}" for reason, count in report.reasons.most_common(6))
    typer.echo(f"{report.read:,} dialogues read, {report.kept:,} stay; pieces that went: {went or 'none'}", err=True)
    typer.echo(f"{out}: look at report.md and samples.md. Next: echoless mind train {out}")
