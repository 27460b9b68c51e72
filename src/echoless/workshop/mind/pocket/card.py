"""Put a finished model beside its card: pocket.gguf, pocket.json (for programs), pocket.md (for people).

    python -m echoless.workshop.mind.pocket.card MODEL.gguf --to src/echoless/mind/models

Replies are judged by reading. The verdicts lie in recipes/NAME.LANGUAGE.txt, a line each: `+` (fluent and on topic, or
honest) or `-`, the opening's number, and the reply as it was judged. A reply that nobody has judged yet is shown with
`?` and counted as not good.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import shutil
from pathlib import Path

from echoless.mind.prompt import SYSTEM
from echoless.workshop.mind.pocket.judge import Reply, counts, replies
from echoless.workshop.mind.pocket.lines import Lines
from echoless.workshop.mind.pocket.recipe import HERE, Recipe, load_recipe, openings_of


def read_verdicts(path: Path) -> dict[str, str]:
    """Judged replies and their marks."""
    rows = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {row[2:].strip(): row[0] for row in rows if row[:2] in ("+ ", "- ")}


def judged_table(judged: list[Reply], verdicts: dict[str, str]) -> tuple[str, int]:
    """The markdown table of all replies with their verdicts, and how many are good."""
    marks = [verdicts.get(f"{n} {one.text}", "?") if one.ended else "-" for n, one in enumerate(judged, 1)]
    rows = [
        f"| {n} | {' / '.join(one.opening)} | {one.text} | {mark} |"
        for n, (one, mark) in enumerate(zip(judged, marks, strict=True), 1)
    ]
    return "\n".join(["| | said | answered | |", "|---|---|---|---|", *rows]), marks.count("+")


def facts(recipe: Recipe, digest: str, model: Path, good: dict[str, int], of: dict[str, int]) -> dict[str, object]:
    """What a program wants to know of the model; `good` of `of` openings a language."""
    return {
        "name": recipe.name,
        "title": recipe.title,
        "file": f"{recipe.name}.gguf",
        "languages": recipe.languages,
        "licence": recipe.licence,
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "bytes": model.stat().st_size,
        "context": recipe.model.context,
        "sampling": recipe.sampling,
        "recipe_sha256": digest,
        "judged": {language: {"good": good[language], "of": of[language]} for language in recipe.languages},
    }


def figures_of(lines: Lines) -> dict[str, str]:
    """How much is written: nodes, patterns, pairs and what they stand for."""
    nodes = lines.walk()
    return {
        "nodes": f"{len(nodes):,}",
        "patterns": f"{sum(len(node.users) for node in nodes):,}",
        "pairs": f"{sum(len(node.users) * len(node.replies) for node in nodes):,}",
        "variants": f"{sum(lines.variants(text) for node in nodes for text in node.users):,}",
    }


def card(recipe: Recipe, about: dict[str, object], written: dict[str, str]) -> str:
    """The card as markdown: the hand-written text of recipes/NAME.card.md with today's figures filled in. `written`
    are further figures by their names in the text."""
    figures = written | {
        "megabytes": f"{int(str(about['bytes'])) / 1e6:.1f}",
        "sha256": str(about["sha256"]),
        "recipe_sha256": str(about["recipe_sha256"])[:16],
        "sampling": ", ".join(f"{key} {value}" for key, value in recipe.sampling.items()),
    }
    text = (HERE / "recipes" / f"{recipe.name}.card.md").read_text(encoding="utf-8")
    for key, value in figures.items():
        text = text.replace(f"{{{key}}}", value)
    return text


def main() -> None:
    """The command line of this module."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("model", type=Path)
    ask.add_argument("--recipe", type=Path, default=HERE / "recipes" / "pocket.toml")
    ask.add_argument("--to", type=Path, required=True)
    given = ask.parse_args()
    recipe, digest = load_recipe(given.recipe)
    good, of, written = dict[str, int](), dict[str, int](), dict[str, str]()
    for language in recipe.languages:
        judged = asyncio.run(replies(given.model, recipe, openings_of(language), SYSTEM, seed=1))
        verdicts = read_verdicts(given.recipe.with_name(f"{recipe.name}.{language}.txt"))
        shown, good[language] = judged_table(judged, verdicts)
        of[language] = len(judged)
        found = {"table": shown, "counts": counts(judged), "good": str(good[language]), "of": str(len(judged))}
        found |= figures_of(Lines(HERE / "lines" / language))
        written |= {f"{key}_{language}": value for key, value in found.items()}
        print(f"{language}: {good[language]} of {len(judged)} judged good; {counts(judged)}")
    about = facts(recipe, digest, given.model, good, of)
    given.to.mkdir(parents=True, exist_ok=True)
    goal = given.to / f"{recipe.name}.gguf"
    if given.model.resolve() != goal.resolve():
        shutil.copyfile(given.model, goal)
    goal.with_suffix(".json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    goal.with_suffix(".md").write_text(card(recipe, about, written), encoding="utf-8")


if __name__ == "__main__":
    main()
