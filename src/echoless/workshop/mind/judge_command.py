"""`echoless mind judge`: models before and after, by what can be counted and by a blind sheet for people."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from echoless.workshop.mind.errors import MindError

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
def judge(
    minds: Annotated[list[Path] | None, typer.Argument(metavar="MODELS", help="GGUF files or runs.")] = None,
    data: Annotated[Path | None, Option("--data", help="A folder of 'mind clean': its held_out.jsonl.")] = None,
    prompts: Annotated[Path | None, Option("--prompts", help="Or a text file, a prompt a line.")] = None,
    style: Annotated[Path | None, Option("--style", metavar="WORDS.toml", help="Measure this style.")] = None,
    count: Annotated[int, Option(min=1, help="Prompts at most.")] = 50,
    tokens: Annotated[int, Option(min=0, help="Held-out tokens at most, for the perplexity; 0: none.")] = 600,
    system: Annotated[str, Option(help="A system line before every prompt.")] = "",
    temperature: Annotated[float, Option(min=0, help="0 is the likeliest word.")] = 0.0,
    longest: Annotated[int, Option(min=1, help="Tokens a reply at most.")] = 120,
    seed: Annotated[int, Option(help="Of sampling, and of the blind sheet's order.")] = 1,
    json_: Annotated[Path | None, Option("--json", metavar="FILE", help="Figures and replies, for programs.")] = None,
    blind: Annotated[Path | None, Option("--blind", metavar="SHEET", help="Write two models' replies to mark.")] = None,
    read: Annotated[Path | None, Option("--read", metavar="SHEET", help="Count the marks of such a sheet.")] = None,
) -> None:
    """Measure models: are replies short, speakable, ended, in style, decent; do they foretell held-out replies.

    Figures of speed hold for this machine as it was in that minute: compare models inside one run.
    """
    from echoless.workshop.mind.judge import blind as side
    from echoless.workshop.mind.judge import measures

    if read is not None:
        typer.echo(side.read_sheet(read).text())
        return
    if not minds or (data is None and prompts is None):
        raise MindError("name one or more models, and --data (a folder of 'mind clean') or --prompts (a text file)")
    if blind is not None and len(minds) != 2:
        raise MindError("--blind compares two models: name two")
    judged = _judge(minds, data, prompts, style, count, tokens, system, _sampling(temperature, longest, seed))
    typer.echo(measures.table(judged))
    if json_ is not None:
        json_.write_text(json.dumps([one.as_json() for one in judged], ensure_ascii=False, indent=1), encoding="utf-8")
    if blind is not None:
        key = side.write_sheet(blind, judged[0], judged[1], seed)
        typer.echo(f"{blind}: mark it, then 'echoless mind judge --read {blind}'; the key is {key.name}", err=True)


def _sampling(temperature: float, longest: int, seed: int) -> dict[str, Any]:
    return {"temperature": temperature, "n_predict": longest, "seed": seed}


def _names(paths: list[Path]) -> list[str]:
    """File names, with their folder's where two are the same."""
    stems = [path.stem for path in paths]
    return [f"{path.parent.name}/{path.stem}" if stems.count(path.stem) > 1 else path.stem for path in paths]


def _judge(
    minds: list[Path], data: Path | None, prompts: Path | None, style: Path | None, count: int, tokens: int,
    system: str, settings: dict[str, Any],
) -> list[Any]:  # fmt: skip
    """Each model's figures and replies."""
    from echoless.mind.modelfile import check_gguf
    from echoless.workshop.mind.form import HELD_OUT, read_talks
    from echoless.workshop.mind.judge import minds as asking
    from echoless.workshop.mind.style.sheet import load_sheet

    paths = [asking.gguf_of(mind) for mind in minds]
    for path in paths:
        check_gguf(path)
    asked = asking.prompts_of(prompts or data or Path(), count)
    if system:
        asked = [(("system", system), *(turn for turn in turns if turn[0] != "system")) for turns in asked]
    talks = list(read_talks(data, HELD_OUT)) if data is not None and tokens else []
    sheet = load_sheet(style) if style is not None else None
    judged = []
    for name, path in zip(_names(paths), paths, strict=True):
        typer.echo(f"{name}: {len(asked)} prompts", err=True)
        judged.append(asyncio.run(_judge_one(name, path, asked, settings, sheet, talks, tokens)))
    return judged


async def _judge_one(
    name: str, path: Path, asked: list[Any], settings: dict[str, Any], sheet: Any, talks: list[Any], tokens: int
) -> Any:
    """One model's figures and replies: of style where there is a `sheet`, of likelihood where there are `talks`."""
    from echoless.workshop.mind.judge import measures
    from echoless.workshop.mind.judge import minds as asking
    from echoless.workshop.mind.pocket.served import serve

    async with serve(path, 2048) as served:
        replies = await asking.answers(served, asked, settings)
        figures = measures.speech(replies)
        if sheet is not None:
            figures |= measures.styled(replies, sheet)
        figures |= measures.decent(replies, _indecent())
        if talks:
            figures |= measures.foretold(await asking.likelihood(served, talks, tokens))
    return measures.Judged(name, figures | measures.speed(replies), replies)


def _indecent() -> Callable[[str], bool]:
    """What the reply filter of a talk, and `mind clean`, count as indecent, in every language that is shipped."""
    from echoless.mind.lexicon import shipped

    return shipped("all").indecent
