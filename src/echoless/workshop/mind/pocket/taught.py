"""Dialogues that a teacher has held with itself (`teach.py`), as a source of a recipe's mix."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import dataclass
from pathlib import Path

from echoless.workshop.mind.pocket.dialogue import Dialogue
from echoless.workshop.mind.pocket.recipe import RecipeError

ROLES = ("user", "assistant")


@dataclass(frozen=True, slots=True)
class Taught:
    """Dialogues of one language, each a list of turns, the user's first and the agent's last."""

    language: str
    dialogues: tuple[tuple[str, ...], ...]

    def sample(self, rng: random.Random, most_turns: int, copying: float = 1.0) -> Dialogue:
        """A random dialogue, up to `most_turns` turns of it. Long conversations (more than 20 turns, for long rows) are
        several, one after the other."""
        turns: list[str] = []
        while not turns or (most_turns > 20 and len(turns) < most_turns // 2):
            turns += self.dialogues[rng.randrange(len(self.dialogues))]
        turns = turns[: max(2, most_turns - most_turns % 2)]
        return Dialogue(tuple((ROLES[number % 2], text) for number, text in enumerate(turns)))


def save_taught(path: Path, language: str, talks: list[tuple[tuple[str, ...], float]]) -> None:
    """Write dialogues, each with how sure the teacher was of its replies (log probability a token, nats): gzipped
    JSON lines, complete or not at all."""
    part = path.with_suffix(".part")
    with gzip.open(part, "wt", encoding="utf-8") as file:
        for turns, sure in talks:
            row = {"language": language, "turns": list(turns), "sure": round(sure, 3)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    part.replace(path)


def load_taught(path: Path) -> Taught:
    """Read what save_taught wrote. Raises RecipeError."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        talks = tuple(tuple(map(str, row["turns"])) for row in rows)
        language = str(rows[0]["language"])
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError) as why:
        raise RecipeError(f"cannot read dialogues from {path}: {why or type(why).__name__}") from None
    if any(len(turns) < 2 or len(turns) % 2 for turns in talks):
        raise RecipeError(f"{path}: a dialogue in it does not end with the agent's turn")
    return Taught(language, talks)
