"""A recipe: one TOML file that says everything a pocket model is made from, but for the lines and corpora."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from echoless.workshop.mind.pocket.corpora import Corpus, load_corpus
from echoless.workshop.mind.pocket.dialogue import Dialogue

HERE = Path(__file__).parents[1]


class RecipeError(Exception):
    """The recipe cannot be used. One line that says what to do."""


class Strict(BaseModel):
    """A part of a recipe: unknown keys are an error, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelPart(Strict):
    """Sizes, as model.Shape."""

    vocab: int
    layers: int
    width: int
    heads: int
    hidden: int
    context: int


class Stage(Strict):
    """One stretch of training. `mix` gives each source's share of dialogues; `rows` of `length` tokens make
    a step; `copying` as OwnTalks.sample has it; `noise` is the share of users' pieces that are misheard."""

    name: str
    steps: int
    rows: int
    length: int
    rate: float
    final_rate: float
    warmup: int
    dropout: float
    weight_decay: float
    user_weight: float
    most_turns: int
    copying: float = 1.0
    noise: float = 0.0
    mix: dict[str, float]


class Recipe(Strict):
    """The whole file. Own lines and judged openings are those of `languages`; `teaching` is how a teacher is made ready
    to talk (teach.py)."""

    name: str
    title: str
    languages: list[str]
    seed: int
    licence: str
    hold_out: int
    sampling: dict[str, float | int]
    model: ModelPart
    stages: list[Stage]
    teaching: Stage | None = None


def load_recipe(path: Path) -> tuple[Recipe, str]:
    """The recipe and the sha256 of its file. Raises RecipeError."""
    try:
        raw = path.read_bytes()
        return Recipe.model_validate(tomllib.loads(raw.decode())), hashlib.sha256(raw).hexdigest()
    except OSError as error:
        raise RecipeError(f"cannot read the recipe {path}: {error.strerror}") from None
    except (ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: {' '.join(str(error).split())}") from None


def only(recipe: Recipe, names: list[str]) -> Recipe:
    """The recipe with the stages of these names. Raises RecipeError."""
    there = [stage.name for stage in recipe.stages]
    if strange := [name for name in names if name not in there]:
        raise RecipeError(f"the recipe has no stage {strange[0]}: its stages are {', '.join(there)}")
    return recipe.model_copy(update={"stages": [stage for stage in recipe.stages if stage.name in names]})


def sources(recipe: Recipe, given: Mapping[str, Any]) -> dict[str, Any]:
    """Everything the stages draw from, by name: corpora, `own`, the lines written for the model, and what is given."""
    names = {name for stage in recipe.stages for name in stage.mix} - given.keys()
    found: dict[str, Any] = {name: load_corpus(name, recipe.hold_out)[0] for name in sorted(names) if not is_own(name)}
    if own := sorted(filter(is_own, names)):
        from echoless.workshop.mind.pocket.talks import OwnTalks, Switching

        spoken = sorted({language for name in own for language in name.split("-")[1:]})
        talks = {language: OwnTalks(HERE / "lines" / language, hold_out=recipe.hold_out) for language in spoken}
        for name in own:
            found[name] = Switching(*(talks[language] for language in name.split("-")[1:]))
    return found | dict(given)


def openings_of(language: str) -> Path:
    """The openings that a model of this language is judged on."""
    return HERE / "openings" / f"{language}.txt"


def is_own(name: str) -> bool:
    """Is it a source of written lines, `own-en`, `own-zh`, `own-en-zh` (both in one conversation), or a corpus?"""
    return name.startswith("own-")


def draw(found: dict[str, Corpus], stage: Stage, rng: Any) -> Dialogue:
    """One dialogue from the stage's mix."""
    names = list(stage.mix)
    name = rng.choices(names, [stage.mix[n] for n in names])[0]
    return found[name].sample(rng, stage.most_turns, stage.copying)
