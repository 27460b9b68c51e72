"""`echoless mind try`: talk to a GGUF now. A thin door to `echoless talk`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


@app.command("try")
def attempt(
    file: Annotated[Path, typer.Argument(metavar="FILE.gguf|RUN", help="A model, or a run that was exported.")],
    text: Annotated[bool, Option("--text", help="By keyboard.")] = False,
    system: Annotated[str | None, Option("--system", help="Who the agent is: text or file.")] = None,
    language: Annotated[str | None, Option("--language", help="en, zh, ... or auto.")] = None,
    temperature: Annotated[float | None, Option("--temperature", help="0 is the likeliest word.")] = None,
) -> None:
    """Talk to a model by voice, or with --text by keyboard. Everything else as 'echoless talk' has it."""
    from echoless.conversation import converse
    from echoless.mind.modelfile import check_gguf
    from echoless.settings import load
    from echoless.workshop.mind.judge.minds import gguf_of

    path = gguf_of(file)
    check_gguf(path)
    given = {"model": str(path), "system": system, "language": language, "temperature": temperature}
    loaded = load({name: value for name, value in given.items() if value is not None})
    raise typer.Exit(converse(loaded, typed=text))
