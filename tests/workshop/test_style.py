"""A vocabulary of one's own: the sheet is checked, and replies are held against it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.style.score import judge_reply, score, style_rate
from echoless.workshop.mind.style.sheet import Sheet, load_sheet
from echoless.workshop.mind.words import finder, sentences, units

ENGLISH = Sheet.model_validate(
    {
        "words": {"prefer": ["lovely"], "ban": ["utilise"], "instead": {"very": "right"}, "openers": ["Well now,"]},
        "sentences": {"longest": 8, "most": 3},
    }
)
MANDARIN = Sheet.model_validate(
    {
        "language": "zh",
        "words": {"instead": {"非常": "超"}},
        "particles": {"statement": ["啦"], "question": ["呢"]},
        "sentences": {"longest": 12},
    }
)


@pytest.mark.parametrize(
    ("reply", "good"),
    [
        ("What a lovely day.", True),
        ("Well now, it rains.", True),
        ("What a LOVELY day!", True),
        ("It rains.", False),  # nothing banned, but nothing of the style either
        ("A lovely and very warm day.", False),
        ("We utilise lovely tools.", False),
        ("A lovely day that goes on and on and on until night.", False),
        ("Lovely. Yes. No. Four.", False),
        ("A loveliness.", False),  # not that word
        ("It is every lovely thing.", True),  # `very` is only a part of a word here
        ("", False),
        ("...", False),
    ],
)
def test_english(reply: str, good: bool) -> None:
    assert judge_reply(reply, ENGLISH).in_style is good


@pytest.mark.parametrize(
    ("reply", "good"),
    [
        ("今天天气不错啦。", True),
        ("你想去哪里呢？", True),
        ("你想去哪里呢", True),
        ("今天天气超好。", True),
        ("今天天气不错。", False),
        ("今天天气非常好啦。", False),
        ("今天的天气真的是好得让人根本不想待在家里啦。", False),
        ("啦啦队来了。", False),  # a particle stands at the end
    ],
)
def test_mandarin(reply: str, good: bool) -> None:
    assert judge_reply(reply, MANDARIN).in_style is good


def test_rate_and_score_count_replies() -> None:
    replies = ["What a lovely day.", "It rains.", "A very lovely day.", "Lovely. Yes. No. Four."]
    assert style_rate(replies, ENGLISH) == 0.25
    found = score(replies, ENGLISH)
    assert (found.replies, found.rate, found.banned, found.marked, found.long) == (4, 0.25, 0.25, 0.75, 0.25)
    assert style_rate([], ENGLISH) == 0.0
    assert score([], ENGLISH).replies == 0


def test_a_sheet_of_bans_alone_asks_for_no_marks() -> None:
    style = Sheet.model_validate({"words": {"ban": ["darn"]}})
    assert style_rate(["It rains.", "Darn."], style) == 0.5


@given(st.text(max_size=80))
def test_any_reply_has_a_verdict(reply: str) -> None:
    for style in (ENGLISH, MANDARIN):
        verdict = judge_reply(reply, style)
        assert verdict.longest <= len(units(reply))
        assert not (verdict.in_style and verdict.banned)


def test_words_and_sentences_of_both_scripts() -> None:
    assert units("I don't know 你好 3 times") == ["I", "don't", "know", "你", "好", "3", "times"]
    assert sentences("Hi there. How are you? 很好。真的！Bye") == [
        "Hi there.",
        "How are you?",
        "很好。",
        "真的！",
        "Bye",
    ]
    assert sentences("It costs 3.50 today.") == ["It costs 3.50 today."]
    assert [m.group() for m in finder(["of course", "好"]).finditer("Of  course, 你好 offcourse")] == [
        "Of  course",
        "好",
    ]
    assert not finder([]).search("anything")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("words = 3", "words"),
        ("[words]\nperfer = ['a']", "words.perfer"),
        ("[words", "not TOML"),
        ("name = 'x'", "asks for nothing"),
        ("[words]\nban = ['a']\nprefer = ['A']", "both preferred and banned"),
        ("[sentences]\nlongest = -1", "sentences.longest"),
        ("[[persona]]\nask = []\nsay = 'I am Ada.'", "persona.0.ask"),
        ("[particles]\nshare = 7", "particles.share"),
    ],
)
def test_a_bad_sheet_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "words.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(MindError, match=says) as error:
        load_sheet(path)
    assert "\n" not in str(error.value)


def test_a_sheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "words.toml"
    path.write_text("[words]\nprefer = ['好呀']\n[[persona]]\nask = '你是谁'\nsay = ['我是小艾', '小艾呀']\n", "utf-8")
    sheet = load_sheet(path)
    assert sheet.persona[0].ask == ("你是谁",) and sheet.persona[0].say[1] == "小艾呀"
    for bad in (b"\xff\xfe\x00", None):
        if bad is None:
            path.unlink()
        else:
            path.write_bytes(bad)
        with pytest.raises(MindError):
            load_sheet(path)
