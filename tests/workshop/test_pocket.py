"""The pocket model that ships: in llama.cpp's real server, with the settings its card recommends."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import echoless.mind
from echoless.mind.prompt import SYSTEM
from echoless.workshop.mind.pocket.lines import Lines
from echoless.workshop.mind.pocket.nearness import read_openings
from echoless.workshop.mind.pocket.recipe import HERE
from echoless.workshop.mind.pocket.served import Served, serve
from echoless.workshop.mind.pocket.template import prompt

MODELS = Path(echoless.mind.__file__).parent / "models"
MODEL = MODELS / "pocket-en.gguf"
ABOUT = json.loads(MODEL.with_suffix(".json").read_text(encoding="utf-8"))


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve(MODEL, ABOUT["context"]) as running:
        yield running


def test_its_description_is_true_and_it_stays_small() -> None:
    raw = MODEL.read_bytes()
    assert ABOUT["sha256"] == hashlib.sha256(raw).hexdigest()
    assert ABOUT["bytes"] == len(raw) < 20_000_000
    assert ABOUT["licence"] == "Apache-2.0"


def test_its_card_shows_all_fifty_replies() -> None:
    card = MODEL.with_suffix(".md").read_text(encoding="utf-8")
    for opening in read_openings(HERE / "openings" / "en.txt"):
        assert f"| {' / '.join(opening)} |" in card
    assert ABOUT["sha256"] in card


async def test_its_template_makes_the_prompt_it_was_trained_on(served: Served) -> None:
    turns = [("system", " Be kind. "), ("user", "Hello!"), ("assistant", "Hi."), ("user", "Bye.")]
    assert await served.prompt(turns) == prompt(turns)


async def test_its_control_tokens_are_single_tokens_and_it_starts_by_itself(served: Served) -> None:
    assert len(await served.tokens("<|user|><|end|><|assistant|>")) == 3
    whole = await served.ask("/tokenize", {"content": "hi", "add_special": True})
    assert whole["tokens"][0] == (await served.tokens("<|start|>"))[0]


@pytest.mark.parametrize("system", ["", SYSTEM])
async def test_its_replies_are_short_speakable_and_end(served: Served, system: str) -> None:
    ended = 0
    for opening in read_openings(HERE / "openings" / "en.txt")[::5]:
        turns = [("system", system)] if system else []
        answer = await served.complete(await served.prompt([*turns, ("user", opening[0])]), seed=1, **ABOUT["sampling"])
        text = answer["content"].strip()
        assert text and "<|" not in text and len(text.split()) <= 60
        ended += answer["stop_type"] == "eos"
    assert ended >= 9


async def test_it_still_speaks_in_whole_sentences_after_a_long_talk(served: Served) -> None:
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
        answer = await served.complete(await served.prompt(turns), seed=1, **ABOUT["sampling"])
        turns.append(("assistant", answer["content"].strip()))
        whole += answer["stop_type"] == "eos" and all(part in known for part in re.split(r"(?<=[.!?]) ", turns[-1][1]))
    assert 500 < len(await served.tokens(await served.prompt(turns))) < ABOUT["context"]
    assert whole >= 24, [text for role, text in turns if role == "assistant"]


async def test_it_answers_at_the_end_of_a_full_context(served: Served) -> None:
    turns = [("user" if n % 2 == 0 else "assistant", "I like soup with bread. How are you today?") for n in range(57)]
    text = await served.prompt(turns)
    assert 700 < len(await served.tokens(text)) < ABOUT["context"] - ABOUT["sampling"]["n_predict"]
    answer = await served.complete(text, seed=1, **ABOUT["sampling"])
    assert answer["content"].strip()
