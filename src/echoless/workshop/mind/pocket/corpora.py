"""Talk between people from `shared/corpora`: gzipped JSON lines, {"id", "language", "split", "turns"}."""

from __future__ import annotations

import gzip
import json
import os
import random
from dataclasses import dataclass
from pathlib import Path

from echoless.workshop.mind.pocket.dialogue import Dialogue


class CorpusError(Exception):
    """A corpus is missing or unreadable. One line that says what to do."""


def shared() -> Path:
    """The folder of shared data: $ECHOLESS_SHARED, else `shared` beside the checkout."""
    return Path(os.environ.get("ECHOLESS_SHARED") or Path(__file__).parents[6] / "shared")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Dialogues of one source, each a list of turns by two people who take turns."""

    name: str
    language: str
    dialogues: tuple[tuple[str, ...], ...]

    def sample(self, rng: random.Random, most_turns: int, copying: float = 1.0) -> Dialogue:
        """A random stretch of a random dialogue, up to `most_turns` turns. Either person may be the agent."""
        turns = self.dialogues[rng.randrange(len(self.dialogues))]
        count = min(len(turns), rng.randint(2, most_turns))
        first = rng.randint(0, len(turns) - count)
        roles = ("user", "assistant")
        return Dialogue(
            tuple((roles[n % 2], text) for n, text in enumerate(turns[first : first + count])),
            corpus=True,
        )


def load_corpus(name: str, hold_out: int = 0) -> tuple[Corpus, Corpus]:
    """The corpus for training, and every `hold_out`-th dialogue (0: none) kept for judging. Raises CorpusError."""
    path = shared() / "corpora" / f"{name}.jsonl.gz"
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            whole = [json.loads(line) for line in file]
        read = [tuple(" ".join(turn.split()) for turn in each["turns"]) for each in whole]
        language = str(whole[0]["language"])
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise CorpusError(
            f"cannot read {path}: {error}; set ECHOLESS_SHARED to the folder that holds corpora/"
        ) from None
    read = [turns for turns in read if len(turns) >= 2]
    kept = [turns for n, turns in enumerate(read) if not hold_out or n % hold_out]
    held = [turns for n, turns in enumerate(read) if hold_out and n % hold_out == 0]
    return Corpus(name, language, tuple(kept)), Corpus(name, language, tuple(held))
