"""`echoless mind verify`: hold a GGUF that is there to the model it came from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from echoless.workshop.elsewhere import MIND

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE.gguf", help="What llama.cpp runs.")],
    source: Annotated[str, typer.Argument(metavar="RUN|MODEL", help="What it came from, as transformers loads it.")],
    steps: Annotated[int, Option(min=1, max=500, help="Tokens each prompt is continued by.")] = 40,
    json_: Annotated[bool, Option("--json", help="For programs.")] = False,
) -> None:
    """Compare tokens of awkward strings, the chat template, and greedy continuations, in llama.cpp and transformers."""
    from echoless.mind.modelfile import check_gguf

    check_gguf(file)
    given = [str(file), source, "--steps", str(steps), *(["--json"] if json_ else [])]
    if (code := MIND.run(["mind", "verify", *given])) is not None:
        raise typer.Exit(code)
    from echoless.workshop.mind.export.door import check

    report = check(source, {"": file}, steps)[0]
    typer.echo(report.written() if json_ else "\n".join([*report.lines(), *report.faults()]))
    raise typer.Exit(1 if report.faults() else 0)
