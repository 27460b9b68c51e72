"""`echoless mind train`: adapters, all weights, a smaller student of a teacher, or a pocket model from nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from echoless.workshop.elsewhere import MIND
from echoless.workshop.mind.errors import MindError

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
FROM_NOTHING = ("pocket",)
"""Bases that are recipes: trained from nothing, with half of what they read from DATA where there is one."""
RECIPES = Path(__file__).parent / "recipes"
ASKED = "asked.json"
"""What a run from nothing was asked for."""
_WHAT, _HOW, _TEACHER, _PREFER = "What", "How", "A teacher", "Better and worse replies"


def _option(panel: str, what: str, *names: str, **more: Any) -> Any:
    return Option(*names, help=what, rich_help_panel=panel, **more)


@app.command()
def train(
    data: Annotated[Path | None, typer.Argument(metavar="DATA", help="A folder of 'mind clean' or 'collect'.")] = None,
    base: Annotated[
        str | None, _option(_WHAT, "Model folder, hub name, FILE.gguf, run, 'pocket-en', 'pocket'.")
    ] = None,
    out: Annotated[Path | None, _option(_WHAT, "The run's folder; else out/mind/DATA-BASE.", "--out")] = None,
    resume: Annotated[bool, _option(_WHAT, "Go on with the run in --out.", "--resume")] = False,
    lora: Annotated[bool, _option(_HOW, "Small adapters, or all weights.", "--lora/--full")] = True,
    rank: Annotated[int, _option(_HOW, "Of the adapters.", min=1, max=1024)] = 16,
    minutes: Annotated[float, _option(_HOW, "A stage ends after so many; 0: by epochs.", min=0)] = 0.0,
    epochs: Annotated[float, _option(_HOW, "Times through the dialogues.", min=0.01)] = 1.0,
    rate: Annotated[float | None, _option(_HOW, "Learning rate; else 2e-4 for adapters, 5e-5 for all.", min=0)] = None,
    rows: Annotated[int, _option(_HOW, "Dialogues at once: fewer need less memory.", min=1)] = 4,
    gather: Annotated[int, _option(_HOW, "So many times that a step.", min=1)] = 4,
    length: Annotated[int, _option(_HOW, "Tokens a dialogue; longer ones lose their beginning.", min=16)] = 512,
    every: Annotated[int, _option(_HOW, "Steps between checkpoints.", min=1)] = 50,
    seed: Annotated[int, _option(_HOW, "Fixes order and chance.")] = 1,
    threads: Annotated[int, _option(_HOW, "0: all cores but one.", min=0)] = 0,
    teacher: Annotated[str | None, _option(_TEACHER, "Learn its distribution, not only the words.")] = None,
    layers: Annotated[int, _option(_TEACHER, "Keep only so many layers of the base.", min=0)] = 0,
    hardness: Annotated[float, _option(_TEACHER, "Temperature of the distributions.", min=0.1)] = 2.0,
    heed: Annotated[float, _option(_TEACHER, "Share of the teacher in the loss.", min=0, max=1)] = 0.7,
    prefer: Annotated[bool, _option(_PREFER, "Use preferences.jsonl where DATA has it.")] = True,
    prefer_rate: Annotated[float | None, _option(_PREFER, "Learning rate of that stage.", min=0)] = None,
    beta: Annotated[float, _option(_PREFER, "How near it must stay to what it was.", min=0.001)] = 0.1,
) -> None:
    """Train a model on dialogues; only what the agent says is learnt. CUDA or MPS where there is one, else the CPU.

    Kill it at any time: the same command with --resume goes on from the last checkpoint with the same loss. Where DATA
    has preferences.jsonl a second stage (DPO) follows. '--base pocket' trains a pocket model from nothing by its
    recipe, half of it on DATA where that is given; '--base pocket-en' fine-tunes the one that ships.
    """
    run = _folder(data, base, out, resume)
    if base in FROM_NOTHING or (resume and (run / ASKED).is_file()):
        asked = {"base": base, "data": data and str(data), "minutes": minutes, "threads": threads}
        raise typer.Exit(_from_nothing(run, asked))
    plan = _plan(run, data, base, resume, {
        "teacher": teacher, "lora": lora, "rank": rank, "layers": layers, "minutes": minutes, "epochs": epochs,
        "rows": rows, "gather": gather, "length": length, "every": every, "seed": seed, "threads": threads,
        "hardness": hardness, "heed": heed, "prefer": prefer, "beta": beta,
        "rate": rate or (2e-4 if lora else 5e-5), "prefer_rate": prefer_rate or (2e-5 if lora else 1e-6),
    })  # fmt: skip
    if not MIND.ready():
        plan.save(run)
        raise typer.Exit(MIND.run(["mind", "train", "--resume", "--out", str(run)]) or 0)
    from echoless.workshop.mind.tune.run import train as go

    told = go(plan, run, lambda what: typer.echo(what, err=True))
    said = [f"{name} {told[f'perplexity_{name}']:.2f}" for name in ("before", "after", "preferred")
            if f"perplexity_{name}" in told]  # fmt: skip
    typer.echo(f"{run}: loss.png" + (f"; perplexity of held-out replies: {', '.join(said)}" if said else ""))
    typer.echo(f"Next: echoless mind export {run} --type q8_0", err=True)


def _plan(run: Path, data: Path | None, base: str | None, resume: bool, given: dict[str, Any]) -> Any:
    """The plan of a run that is there, else one of what was given. Raises MindError."""
    from echoless.workshop.mind.form import find
    from echoless.workshop.mind.tune.plan import Plan, load_plan

    if (run / "run.json").is_file():
        if not resume:
            raise MindError(f"{run} holds a run already: --resume goes on with it, or name another folder with --out")
        return load_plan(run)
    if data is None or base is None:
        raise MindError(f"{run} holds no run to go on with: it has no run.json")
    find(data)
    return Plan(data=str(data), base=base, **given)


def _folder(data: Path | None, base: str | None, out: Path | None, resume: bool) -> Path:
    """The run's folder. Raises MindError where too little was said to know it."""
    if out is None and resume and data is None:
        raise MindError("--resume needs the run: --out RUN")
    if not resume and base is None:
        raise MindError("--base is missing: a model folder, a hub name, a GGUF, 'pocket-en' or 'pocket'")
    if not resume and data is None and base not in FROM_NOTHING:
        raise MindError("DATA is missing: a folder of 'echoless mind clean' or 'collect'")
    name = Path(base or "").name.removesuffix(".gguf")
    return out or Path("out") / "mind" / (f"{data.resolve().name}-{name}" if data else name)


def _from_nothing(run: Path, asked: dict[str, Any]) -> int:
    """The door to the pocket models' own trainer, which goes on where a run stands; the exit code. What was asked for
    first holds. Raises MindError."""
    if (run / ASKED).is_file():
        asked = json.loads((run / ASKED).read_text("utf-8"))
    run.mkdir(parents=True, exist_ok=True)
    (run / ASKED).write_text(json.dumps(asked, indent=1) + "\n", encoding="utf-8")
    if (code := MIND.run(["mind", "train", "--resume", "--out", str(run)])) is not None:
        return code
    import os

    import torch

    from echoless.workshop.mind.pocket.corpora import CorpusError, shared
    from echoless.workshop.mind.pocket.recipe import load_recipe
    from echoless.workshop.mind.pocket.train import How, train_recipe
    from echoless.workshop.mind.pocket.yours import YOURS, at_hand, load_yours, with_yours

    recipe, digest = load_recipe(RECIPES / f"{asked['base']}.toml")
    recipe, away = at_hand(recipe)
    if away:
        typer.echo(f"without {', '.join(away)}: they are not in {shared() / 'corpora'}", err=True)
    given = {}
    if asked["data"]:
        recipe, given = with_yours(recipe), {YOURS: load_yours(Path(asked["data"]))}
        typer.echo(f"half of what it learns from are your {len(given[YOURS].talks)} dialogues", err=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(asked["threads"] or max(1, (os.cpu_count() or 2) - 1))
    try:
        train_recipe(recipe, digest, run, asked["minutes"], 8 if device == "cpu" else 0, How(device), given=given)
    except CorpusError as why:
        raise MindError(str(why)) from None
    typer.echo(f"Next: echoless mind export {run} --type q8_0", err=True)
    return 0
