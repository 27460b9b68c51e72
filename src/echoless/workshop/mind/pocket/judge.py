"""What a pocket model answers to its fifty openings, for people to judge.

    python -m echoless.workshop.mind.pocket.judge MODEL.gguf --recipe recipes/pocket.toml --to replies.md

Judging is done by reading: this only measures what can be counted (ends by itself, words a reply, markup) and lays out
the replies. Openings of several turns are answered turn by turn, with the model's own replies in the history.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from dataclasses import dataclass
from pathlib import Path

from echoless.workshop.mind.pocket.dialogue import Said
from echoless.workshop.mind.pocket.nearness import read_openings
from echoless.workshop.mind.pocket.recipe import HERE, Recipe, load_recipe, openings_of
from echoless.workshop.mind.pocket.served import Served, serve


@dataclass(frozen=True, slots=True)
class Reply:
    """One judged reply. `seconds` from asking to the whole reply."""

    opening: tuple[str, ...]
    text: str
    ended: bool
    seconds: float


async def reply(served: Served, recipe: Recipe, opening: tuple[str, ...], system: str, seed: int) -> Reply:
    """Hold the dialogue of one opening; the last reply counts."""
    turns: list[Said] = [("system", system)] if system else []
    answer, spent = {"content": "", "stop_type": ""}, 0.0
    for said in opening:
        turns.append(("user", said))
        began = time.monotonic()
        answer = await served.complete(await served.prompt(turns), seed=seed, **recipe.sampling)
        spent = time.monotonic() - began
        turns.append(("assistant", answer["content"].strip()))
    return Reply(opening, turns[-1][1], answer["stop_type"] == "eos", spent)


async def replies(model: Path, recipe: Recipe, openings: Path, system: str, seed: int) -> list[Reply]:
    """All openings of a file, in order."""
    async with serve(model, recipe.model.context) as served:
        return [await reply(served, recipe, opening, system, seed) for opening in read_openings(openings)]


def counts(judged: list[Reply]) -> str:
    """What can be counted, in one line."""
    words = [len(re.findall(r"[\u3400-\u9fff]|[^\s\u3400-\u9fff]+", one.text)) for one in judged]
    marked = sum(bool(re.search(r"[*#`_\[\]<>]", one.text)) for one in judged)
    ended = sum(one.ended for one in judged)
    return (
        f"{ended} of {len(judged)} end by themselves; {sum(words) / len(words):.1f} words a reply (most {max(words)}); "
        f"{marked} with markup"
    )


def table(judged: list[Reply]) -> str:
    """The replies as a markdown table."""
    rows = [f"| {n} | {' / '.join(one.opening)} | {one.text} |" for n, one in enumerate(judged, 1)]
    return "\n".join(["| | said | answered |", "|---|---|---|", *rows])


def main() -> None:
    """The command line of this module."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("model", type=Path)
    ask.add_argument("--recipe", type=Path, default=HERE / "recipes" / "pocket.toml")
    ask.add_argument("--openings", type=Path, help="default: those of the recipe")
    ask.add_argument("--language", help="default: the first of the recipe")
    ask.add_argument("--system", default="")
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--to", type=Path)
    given = ask.parse_args()
    recipe, _ = load_recipe(given.recipe)
    openings = given.openings or openings_of(given.language or recipe.languages[0])
    judged = asyncio.run(replies(given.model, recipe, openings, given.system, given.seed))
    speed = 1000 * sum(one.seconds for one in judged) / len(judged)
    text = f"{table(judged)}\n\n{counts(judged)}; {speed:.0f} ms a reply, as busy as the machine was\n"
    if given.to:
        given.to.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
