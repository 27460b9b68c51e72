"""words.toml: how a mind shall talk."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from echoless.workshop.mind.errors import MindError


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Part):
    """`prefer` marks the style; `ban` has no place in it; `instead` says what to say for a banned word; `openers`
    begin a reply."""

    prefer: tuple[str, ...] = ()
    ban: tuple[str, ...] = ()
    instead: dict[str, str] = {}
    openers: tuple[str, ...] = ()


class Sentences(_Part):
    """`longest`: words a sentence, characters in Chinese; 0 is no limit. `most`: sentences a reply."""

    longest: int = Field(default=0, ge=0, le=1000)
    most: int = Field(default=0, ge=0, le=100)


class Particles(_Part):
    """Chinese particles at the end of sentences: of statements and of questions. `share`: of the replies that have one,
    in what is written for training."""

    statement: tuple[str, ...] = ()
    question: tuple[str, ...] = ()
    share: float = Field(default=0.8, ge=0.0, le=1.0)


class Exchange(_Part):
    """A persona line: ways to ask, ways to answer."""

    ask: tuple[str, ...]
    say: tuple[str, ...]

    @field_validator("ask", "say", mode="before")
    @classmethod
    def _one_or_more(cls, given: object) -> object:
        return (given,) if isinstance(given, str) else given

    @field_validator("ask", "say")
    @classmethod
    def _not_none(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if not given or not all(text.strip() for text in given):
            raise ValueError("needs a text")
        return given


class Sheet(_Part):
    """The whole file."""

    name: str = "mine"
    language: str = Field(default="en", pattern=r"^[a-z]{2,3}$")
    system: str = ""
    words: Words = Words()
    sentences: Sentences = Sentences()
    particles: Particles = Particles()
    persona: tuple[Exchange, ...] = ()

    @property
    def banned(self) -> tuple[str, ...]:
        """What a reply must not hold: `ban`, and what `instead` replaces."""
        return tuple(dict.fromkeys((*self.words.ban, *self.words.instead)))

    @property
    def marks(self) -> tuple[str, ...]:
        """Words that show the style wherever they stand."""
        return tuple(dict.fromkeys((*self.words.prefer, *self.words.instead.values(), *self.words.openers)))


def load_sheet(path: Path) -> Sheet:
    """Read words.toml. Raises MindError that names the key and says what is wrong with it."""
    try:
        sheet = Sheet.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise MindError(f"cannot read the style {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise MindError(f"{path} is not UTF-8: save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise MindError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise MindError(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}") from None
    particles = (*sheet.particles.statement, *sheet.particles.question)
    if not any((sheet.banned, sheet.marks, particles, sheet.persona, sheet.sentences.longest, sheet.sentences.most)):
        raise MindError(f"{path} asks for nothing: give [words], [sentences], [particles] or [[persona]]")
    both = {word.casefold() for word in sheet.banned} & {word.casefold() for word in sheet.marks}
    if both:
        raise MindError(f"{path}: {', '.join(sorted(both))}: both preferred and banned")
    return sheet
