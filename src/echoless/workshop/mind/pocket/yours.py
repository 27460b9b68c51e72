"""A person's own dialogues as a source of a pocket model, beside the lines and corpora of its recipe."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.form import DIALOGUES, NEUTRAL, STYLED, read_talks
from echoless.workshop.mind.pocket.corpora import shared
from echoless.workshop.mind.pocket.dialogue import Dialogue, Said
from echoless.workshop.mind.pocket.recipe import Recipe, is_own

YOURS = "yours"
"""The source's name in a mix."""
SHARE = 0.5
"""Of the dialogues that are drawn; the rest is the recipe's, or the model could talk of nothing else."""


@dataclass(frozen=True, slots=True)
class Yours:
    """Dialogues of a folder of `mind clean` or `mind collect`. `language` is that of most of them."""

    language: str
    talks: tuple[tuple[Said, ...], ...]

    @property
    def dialogues(self) -> list[tuple[str, ...]]:
        """The texts alone: what the pieces are learnt from."""
        return [tuple(text for _, text in turns) for turns in self.talks]

    def sample(self, rng: random.Random, most_turns: int, copying: float = 1.0) -> Dialogue:
        """A random stretch of a random dialogue of at most about `most_turns` turns, from the user's to the agent's."""
        turns = rng.choice(self.talks)
        first = rng.choice([place for place in range(len(turns) - 1) if _answered(turns, place)])
        stretch = turns[first : first + max(2, most_turns)]
        last = max(place for place, (role, _) in enumerate(stretch) if role == "assistant")
        return Dialogue(stretch[: last + 1])


def _answered(turns: tuple[Said, ...], place: int) -> bool:
    return turns[place][0] == "user" and turns[place + 1][0] == "assistant"


def load_yours(folder: Path) -> Yours:
    """The dialogues in which the agent answers. Raises MindError where there is none."""
    talks, languages = [], Counter[str]()
    for name in (DIALOGUES, STYLED, NEUTRAL):
        if name != DIALOGUES and not (folder / name).is_file():
            continue
        for talk in read_talks(folder, name):
            turns = tuple((message.role, message.text) for message in talk.messages)
            if any(_answered(turns, place) for place in range(len(turns) - 1)):
                talks.append(turns)
                languages[talk.language] += 1
    if not talks:
        raise MindError(f"{folder}: no dialogue in it has an answer to learn from")
    return Yours(languages.most_common(1)[0][0], tuple(talks))


def at_hand(recipe: Recipe) -> tuple[Recipe, list[str]]:
    """The recipe without the corpora that are not here, which have licences of their own and do not ship, and their
    names. The own lines do ship."""
    names = {name for stage in recipe.stages for name in stage.mix if not is_own(name)}
    away = sorted(name for name in names if not (shared() / "corpora" / f"{name}.jsonl.gz").is_file())
    stages = [
        stage.model_copy(update={"mix": {name: part for name, part in stage.mix.items() if name not in away}})
        for stage in recipe.stages
    ]
    return recipe.model_copy(update={"stages": stages}), away


def with_yours(recipe: Recipe) -> Recipe:
    """The recipe with `SHARE` of every stage's dialogues from the person's own."""
    stages = [
        stage.model_copy(update={"mix": {YOURS: SHARE * sum(stage.mix.values()) / (1 - SHARE), **stage.mix}})
        for stage in recipe.stages
    ]
    return recipe.model_copy(update={"stages": stages})
