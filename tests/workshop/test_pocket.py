"""The pocket models that ship: in llama.cpp's real server, with the settings their cards recommend."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import echoless.mind
from echoless.mind.llama import LlamaMind
from echoless.mind.models import shipped
from echoless.mind.prompt import SYSTEM
from echoless.mind.server import LlamaServer
from echoless.workshop.mind.pocket.lines import Lines
from echoless.workshop.mind.pocket.nearness import read_openings
from echoless.workshop.mind.pocket.recipe import HERE, openings_of
from echoless.workshop.mind.pocket.served import Served, serve
from echoless.workshop.mind.pocket.template import prompt

MODELS = Path(echoless.mind.__file__).parent / "models"
LANGUAGES = ("en", "zh")


def file_of(language: str) -> Path:
    """The model that ships for a language."""
    return MODELS / f"pocket-{language}.gguf"


def about_of(language: str) -> dict[str, Any]:
    """What its JSON says."""
    return dict(json.loads(file_of(language).with_suffix(".json").read_text(encoding="utf-8")))


@pytest.fixture(params=LANGUAGES)
async def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def served(language: str) -> AsyncIterator[Served]:
    async with serve(file_of(language), about_of(language)["context"]) as running:
        yield running


def test_its_description_is_true_and_it_stays_small(language: str) -> None:
    raw, about = file_of(language).read_bytes(), about_of(language)
    assert about["sha256"] == hashlib.sha256(raw).hexdigest()
    assert about["bytes"] == len(raw) < 25_500_000
    assert about["licence"] == "Apache-2.0"


def test_its_card_shows_all_fifty_replies(language: str) -> None:
    card = file_of(language).with_suffix(".md").read_text(encoding="utf-8")
    for opening in read_openings(openings_of(language)):
        assert f"| {' / '.join(opening)} |" in card
    assert about_of(language)["sha256"] in card


def test_pocket_is_the_model_of_the_language() -> None:
    assert shipped("pocket", "zh") == shipped("pocket-zh") == file_of("zh")
    assert shipped("pocket") == shipped("pocket", "fr") == file_of("en")
    assert shipped("some-other-model", "zh") is None


async def test_its_template_makes_the_prompt_it_was_trained_on(served: Served) -> None:
    turns = [("system", " Be kind. "), ("user", "Hello!"), ("assistant", "Hi."), ("user", "Bye.")]
    assert await served.prompt(turns) == prompt(turns)


async def test_its_control_tokens_are_single_tokens_and_it_starts_by_itself(served: Served) -> None:
    assert len(await served.tokens("<|user|><|end|><|assistant|>")) == 3
    whole = await served.ask("/tokenize", {"content": "hi", "add_special": True})
    assert whole["tokens"][0] == (await served.tokens("<|start|>"))[0]


@pytest.mark.parametrize("system", ["", SYSTEM])
async def test_its_replies_are_short_speakable_and_end(served: Served, system: str, language: str) -> None:
    ended = 0
    for opening in read_openings(openings_of(language))[::5]:
        turns = [("system", system)] if system else []
        prompt_text = await served.prompt([*turns, ("user", opening[0])])
        answer = await served.complete(prompt_text, seed=1, **about_of(language)["sampling"])
        text = answer["content"].strip()
        assert text and "<|" not in text and len(text.split()) <= 60
        assert bool(re.search(r"[\u4e00-\u9fff]", text)) is (language == "zh"), text
        ended += answer["stop_type"] == "eos"
    assert ended >= 9


async def test_its_context_is_what_it_has_been_trained_on(served: Served, language: str) -> None:
    async with LlamaServer(file_of(language), context=2048, threads=1) as server:
        mind = LlamaMind(server.endpoint)
        await mind.check()
        assert mind.traits.context == about_of(language)["context"]
        await mind.aclose()


@pytest.mark.parametrize("language", ["en"], indirect=True)
async def test_it_still_speaks_in_whole_sentences_after_a_long_talk(served: Served, language: str) -> None:
    lines = Lines(HERE / "lines" / "en")
    written = [reply for node in lines.walk() for reply in node.replies if "[" not in reply]
    written += [ask for question in lines.questions.values() for ask in question.asks]
    known = {sentence for text in written for sentence in re.split(r"(?<=[.!?]) ", text)}
    said = [
        "Hello.",
        "I like jazz.",
        "it's raining here",
        "Tell me a joke.",
        "I'm tired.",
        "my cat is sick",
        "Thank you.",
    ]
    turns, whole = [("system", SYSTEM)], 0
    for number in range(28):
        turns.append(("user", said[number % len(said)]))
        answer = await served.complete(await served.prompt(turns), seed=1, **about_of(language)["sampling"])
        turns.append(("assistant", answer["content"].strip()))
        whole += answer["stop_type"] == "eos" and all(part in known for part in re.split(r"(?<=[.!?]) ", turns[-1][1]))
    assert 500 < len(await served.tokens(await served.prompt(turns))) < about_of(language)["context"]
    assert whole >= 24, [text for role, text in turns if role == "assistant"]


@pytest.mark.parametrize("language", ["en"], indirect=True)
async def test_it_answers_at_the_end_of_a_full_context(served: Served, language: str) -> None:
    turns = [("user" if n % 2 == 0 else "assistant", "I like soup with bread. How are you today?") for n in range(57)]
    text = await served.prompt(turns)
    assert (
        700
        < len(await served.tokens(text))
        < about_of(language)["context"] - about_of(language)["sampling"]["n_predict"]
    )
    answer = await served.complete(text, seed=1, **about_of(language)["sampling"])
    assert answer["content"].strip()
