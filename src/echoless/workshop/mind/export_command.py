"""`echoless mind export`: a trained model as GGUF, held to its source before it is called done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from echoless.workshop.elsewhere import MIND
from echoless.workshop.mind.errors import MindError

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})

RUNS = ("run.json", "recipe.json")
"""What tells a run of `mind train`: of a base, of a pocket model from nothing."""


@app.command()
def export(
    source: Annotated[str, typer.Argument(metavar="RUN|MODEL", help="A run of 'mind train', a model folder, a name.")],
    kinds: Annotated[list[str] | None, Option("--type", help="f32, f16, bf16, q8_0, q6_k, q5_k_m, q4_k_m ...")] = None,
    out: Annotated[Path | None, Option("--out", metavar="DIR|FILE", help="Else the run's folder or here.")] = None,
    name: Annotated[str | None, Option("--name", help="What the model is called; else its folder's name.")] = None,
    check: Annotated[bool, Option("--verify/--no-verify", help="Hold it to its source: seconds to minutes.")] = True,
) -> None:
    """Write a model as GGUF: its weights, its tokenizer, its chat template. --type may be given several times.

    Families: whatever llama.cpp's converter knows; llama, qwen2, qwen3, gemma3 and lfm2 are tried in our tests.
    Afterwards llama.cpp must cut text into the same tokens as the source and continue prompts as it does; what differs
    is said, kept beside the file (FILE.verify.json), and the exit code is 1.
    """
    from echoless.workshop.mind.export.kinds import check_kinds

    wanted = [kind.lower() for kind in kinds or ["q8_0"]]
    check_kinds(wanted)
    title = name or Path(source).resolve().name
    if out is not None and out.suffix == ".gguf" and len(wanted) > 1:
        raise MindError("--out names one file, --type several: give a folder")
    home = out or (Path(source) if any((Path(source) / mark).is_file() for mark in RUNS) else Path())
    goals = {kind: home if home.suffix == ".gguf" else home / f"{title}-{kind}.gguf" for kind in wanted}
    given = [argument for kind in wanted for argument in ("--type", kind)]
    given += ["--out", str(home), "--name", title, "--verify" if check else "--no-verify"]
    if (code := MIND.run(["mind", "export", source, *given])) is not None:
        raise typer.Exit(code)
    from echoless.workshop.mind.export.door import export as write

    good = write(source, goals, title, check, lambda what: typer.echo(what, err=True))
    best = next(iter(goals.values()))
    typer.echo(f"Talk to it: echoless mind try {best}" if good else "Not to be trusted as it is: see above.", err=True)
    raise typer.Exit(0 if good else 1)
