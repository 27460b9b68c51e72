"""Training text beside the dialogues: replies in a style, neutral answers, preference pairs."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echoless.workshop.mind.form import NEUTRAL, PREFERENCES, REJECTED, STYLED, Message, Talk, dumps, read_talks
from echoless.workshop.mind.pairs import PERSONA_TIMES, styled, write_pairs
from echoless.workshop.mind.style.rewrite import restyle
from echoless.workshop.mind.style.score import judge_reply, style_rate
from echoless.workshop.mind.style.sheet import Sheet

ENGLISH = Sheet.model_validate(
    {
        "name": "ada",
        "system": "You are Ada.",
        "words": {"instead": {"very": "right", "hello": "ahoy"}, "ban": ["utilise"], "openers": ["Well now,"]},
        "sentences": {"longest": 10, "most": 2},
        "persona": [{"ask": ["Who are you?", "What's your name?"], "say": ["Ahoy, I'm Ada.", "Well now, Ada."]}],
    }
)
MANDARIN = Sheet.model_validate(
    {
        "language": "zh",
        "words": {"instead": {"非常": "超"}},
        "particles": {"statement": ["啦"], "question": ["呢"], "share": 1.0},
        "sentences": {"longest": 14},
    }
)


def talk(*texts: str, language: str = "en") -> Talk:
    roles = ("user", "assistant")
    return Talk(tuple(Message(roles[n % 2], text) for n, text in enumerate(texts)), "a", language=language)


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        ("Hello there.", "Ahoy there."),
        ("It is very cold.", "It is right cold."),
        ("It rains.", "Well now, it rains."),
        ("I like rain.", "Well now, I like rain."),
        (
            "Very well, we walked along the river, and then we had some tea.",
            "Right well, we walked along the river. And then we had some tea.",
        ),
        ("Hello. One. Two. Three.", "Ahoy. One."),
    ],
)
def test_english_is_restyled(reply: str, wanted: str) -> None:
    new = restyle(reply, ENGLISH, random.Random(1))
    assert new == wanted and judge_reply(new, ENGLISH).in_style


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        ("今天天气不错。", "今天天气不错啦。"),
        ("你想去哪里？", "你想去哪里呢？"),
        ("我也喜欢吃面吧。", "我也喜欢吃面啦。"),
        ("天气非常好", "天气超好"),
        ("你好。", "你好。"),
        ("我们先去公园散散步，然后再去吃点东西吧。", "我们先去公园散散步。然后再去吃点东西啦。"),
    ],
)
def test_mandarin_is_restyled(reply: str, wanted: str) -> None:
    assert restyle(reply, MANDARIN, random.Random(1)) == wanted


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="abc very, .!?你好啊吗非常，。？\n", max_size=60))
def test_no_reply_breaks_it(reply: str) -> None:
    for sheet in (ENGLISH, MANDARIN):
        assert "非常" not in restyle(reply, MANDARIN, random.Random(2))
        assert isinstance(restyle(reply, sheet, random.Random(1)), str)


def test_styled_dialogues_are_all_in_style() -> None:
    talks = [talk("Hi", "Hello you."), talk("Hi", "We utilise tools."), talk("嗨", "你好", language="zh")]
    found = list(styled(iter(talks), ENGLISH, random.Random(1)))
    said = [each for each, _ in found if each.kind != "persona"]
    assert [m.text for m in said[0].messages] == ["You are Ada.", "Hi", "Ahoy you."] and len(said) == 1
    assert found[0][1][0]["rejected"][0]["content"] == "Hello you."
    assert found[0][1][0]["chosen"][0]["content"] == "Ahoy you."
    persona = [each for each, _ in found if each.kind == "persona"]
    assert len(persona) == 2 * PERSONA_TIMES and {m.messages[2].text for m in persona} == {
        "Ahoy, I'm Ada.",
        "Well now, Ada.",
    }
    assert style_rate([each.messages[-1].text for each, _ in found], ENGLISH) == 1.0


def test_pairs_are_what_trl_reads(tmp_path: Path) -> None:
    (tmp_path / "dialogues.jsonl").write_text(dumps(talk("Hi", "Hello you.").as_json()), "utf-8")
    bad = [
        talk("What is it?", "A darn bus. It is late."),
        talk("You darn fool", "Be nice, will you."),
        talk("Say it", "Darn!"),
    ]
    rejected = "".join(dumps(each.as_json() | {"reasons": ["nsfw"]}) for each in bad)
    rejected += dumps(talk("Long", "word").as_json() | {"reasons": ["long"]})
    (tmp_path / REJECTED).write_text(rejected, "utf-8")
    words = tmp_path / "words.txt"
    words.write_text("darn\n")
    counts = write_pairs(tmp_path, ENGLISH, True, words, 1)
    assert counts == {STYLED: 1 + 2 * PERSONA_TIMES, NEUTRAL: 3, PREFERENCES: 3}
    answers = [each.messages[1].text for each in read_talks(tmp_path, NEUTRAL)]
    assert answers[0] == "A bus. It is late." and not any("darn" in answer.lower() for answer in answers)
    pairs = [json.loads(line) for line in (tmp_path / PREFERENCES).read_text("utf-8").splitlines()]
    assert all(pair.keys() == {"prompt", "chosen", "rejected"} for pair in pairs)
    assert [pair["rejected"][0]["content"] for pair in pairs] == ["Hello you.", "A darn bus. It is late.", "Darn!"]
    assert all(pair["prompt"][-1]["role"] == "user" and pair["chosen"][0]["role"] == "assistant" for pair in pairs)


def test_data_sets_of_the_hub_and_of_a_folder(tmp_path: Path) -> None:
    datasets = pytest.importorskip(
        "datasets", reason="datasets is not installed: it belongs to the extra echoless[mind]"
    )
    from echoless.workshop.mind.collect.run import collect
    from echoless.workshop.mind.collect.source import Wish
    from echoless.workshop.mind.progress import Bar

    rows = [
        {"messages": [{"role": "user", "content": f"Hi {n}"}, {"role": "assistant", "content": "Hello."}]}
        for n in (1, 2)
    ]
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    saved = tmp_path / "saved"
    datasets.DatasetDict({"test": datasets.Dataset.from_list(rows)}).save_to_disk(str(saved))
    for source in (f"hf:{folder}", f"hf:{folder}:train", f"hf:{saved}:test"):
        out = tmp_path / str(abs(hash(source)))
        assert collect([source], out, Wish(licence="CC0"), Bar()).dialogues == 2
        first = next(read_talks(out))
        assert [m.text for m in first.messages] == ["Hi 1", "Hello."] and first.licence == "CC0"
    bad = collect([f"hf:{folder}:none"], tmp_path / "bad", Wish(), Bar())
    assert "cannot be loaded" in bad.errors[0] and "\n" not in bad.errors[0]
