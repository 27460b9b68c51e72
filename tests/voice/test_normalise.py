"""Text → speech text: read as a person would, and every piece knows where it was written."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from echoless.voice import en, zh
from echoless.voice.normalise import normalise
from echoless.voice.speakable import Span, Speakable, join, units

ENGLISH = {
    "Dr. Smith has 23 cats, e.g. a tabby, etc.": "Doctor Smith has twenty three cats, for example a tabby, et cetera.",
    "St. Mary lives on Main St. near No. 5": "Saint Mary lives on Main Street near number five",
    "It's 3:30 pm on March 5th, 2024.": "It's three thirty P M on March fifth, twenty twenty four.",
    "Meet at 14:05 or 9:00.": "Meet at fourteen oh five or nine o'clock.",
    "I'm there at 3 p.m.": "I'm there at three P M.",
    "5 March 2024, 2024-03-05": "March fifth, twenty twenty four, March fifth, twenty twenty four",
    "That costs $5.50, or $1.2 million, £0.99, €20.": (
        "That costs five dollars and fifty cents, or one point two million dollars, ninety nine pence, twenty euros."
    ),
    "5km at 10 km/h in 20°C, 1 kg, -3°F": (
        "five kilometres at ten kilometres per hour in twenty degrees Celsius, one kilogram, minus three degr"
        "ees Fahrenheit"
    ),
    "50% of 1,234 is 0.617": "fifty percent of one thousand two hundred and thirty four is zero point six one seven",
    "Call 555-123-4567 or (555) 123-4567.": (
        "Call five five five, one two three, four five six seven or five five five, one two three, four five six seven."
    ),
    "In 1984, the 1990s, the 21st century": "In nineteen eighty four, the nineteen nineties, the twenty first century",
    "1/2 cup, 3/4 mile, 2 1/2 hours": "one half cup, three quarters mile, two and one half hours",
    "Python 3.11.2 & GPT-4o": "Python three point eleven point two and GPT four o",
    "5-10 people, 2+2=4, ~30 min.": "five to ten people, two plus two equals four, about thirty minutes.",
    "Agent 007 has 1234567890123456789": (
        "Agent zero zero seven has one two three four five six seven eight nine zero one two three four five "
        "six seven eight nine"
    ),
    "See https://www.example.com/a/b?c=d. Or jo.doe@a.org!": "See example dot com. Or jo dot doe at a dot org!",
    "It happened at 5 in the morning.": "It happened at five in the morning.",
    "Say no. I said so.": "Say no. I said so.",
    "and/or": "and or",
    "well—that is it!!!": "well, that is it!",
}
MANDARIN = {
    "今天是2024年3月5日，温度20℃。": "今天是二零二四年三月五日，温度二十摄氏度。",
    "我有2个苹果和12只猫，共1,234.5元": "我有两个苹果和十二只猫，共一千二百三十四点五元",
    "电话13812345678，打110": "电话幺三八幺二三四五六七八，打幺幺零",
    "会议14:05开始，9:00结束": "会议十四点零五分开始，九点结束",
    "增长了50%，约3-5天": "增长了百分之五十，约三到五天",
    "¥5.5和$20": "五点五元和二十美元",
    "第2名，比分3:2": "第二名，比分三比二",
    "我用GPT-4跑了5km": "我用GPT 四跑了五公里",
    "20000人，105，1010，10万，2000": "两万人，一百零五，一千零一十，十万，两千",
    "１２３，1/2的人，-5℃": "一百二十三，二分之一的人，零下五摄氏度",
    "密码是123456，他1998年出生，20年前": "密码是一二三四五六，他一九九八年出生，二十年前",
    "**你好** 😀 https://example.com/x": "你好 example点com",
}
MARKUP = {
    "**Bold**, *it*, ~~gone~~ and `code`.": "Bold, it, gone and code.",
    "# Heading\n- item one\n- item two": "Heading, item one, item two",
    "1. First\n2. Second": "one, First, two, Second",
    "| a | b |\n|---|---|\n| c | d |": "a, b. c, d.",
    "Look [here](http://x.y/z) ![cat](cat.png)": "Look here cat",
    "Great! 😀🎉👩‍👩‍👧 :-) ❤️": "Great!",
    "```python\nprint(1)\n```\nDone.": "Done.",
    "Hello <b>you</b> &amp; me": "Hello you and me",
    "> quoted\n\n---\n": "quoted",
    "snake_case_name stays": "snake case name stays",
    "🙂": "",
    "***": "",
    "": "",
}


@pytest.mark.parametrize("written", ENGLISH)
def test_english_is_read_as_a_person_would(written):
    assert normalise(written).spoken == ENGLISH[written]


@pytest.mark.parametrize("written", MANDARIN)
def test_mandarin_is_read_as_a_person_would(written):
    assert normalise(written, "zh").spoken == MANDARIN[written] == normalise(written, "en").spoken


@pytest.mark.parametrize("written", MARKUP)
def test_what_does_not_sound_is_not_read(written):
    assert normalise(written).spoken.strip() == MARKUP[written]


def test_another_language_keeps_its_numbers_and_loses_its_markup():
    assert normalise("**Ich** habe 23 Katzen 😀", "de").spoken.strip() == "Ich habe 23 Katzen"


def test_places_lead_back_to_what_was_written():
    said = normalise("I have **23** cats & dogs.")
    assert said.spoken == "I have twenty three cats and dogs."
    at = {word: said.spoken.index(word) for word in said.spoken.split()}
    written = {word: said.original[said.written_at(place) :] for word, place in at.items()}
    assert written["have"].startswith("have") and written["cats"].startswith("cats") and written["dogs."] == "dogs."
    assert written["twenty"] == written["three"] and written["twenty"].startswith("23")
    until = [said.original[: said.written_until(at[word])] for word in ("twenty", "three", "cats", "and", "dogs.")]
    assert until == ["I have **", "I have **", "I have **23** ", "I have **23** cats", "I have **23** cats & "]
    assert said.written_until(0) == 0 and said.written_until(len(said.spoken)) == len(said.original)


def test_units_are_words_and_single_characters_of_chinese():
    text = "Hi there，今天 ok。 "
    assert [text[b:e] for b, e in units(text)] == ["Hi ", "there，", "今", "天 ", "ok。 "]
    assert units("") == [] == units("  ")
    assert join(["One.", "Two. ", "好。", "吧", "ok"]) == "One. Two. 好。吧ok"


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "零"), (10, "十"), (12, "十二"), (20, "二十"), (100, "一百"), (110, "一百一十"), (1001, "一千零一"),
     (2222, "两千二百二十二"), (10_000, "一万"), (100_000, "十万"), (20_002, "两万零二"), (1_000_000_000, "十亿"),
     (10**12, "一万亿"), (120_003_004, "一亿两千万三千零四")],
)  # fmt: skip
def test_whole_numbers_in_mandarin(number, said):
    assert zh.integer(number) == said


def test_numbers_that_are_no_usual_numbers():
    assert en.cardinal("1234567890123") == en.digits("1234567890123")
    assert en.ordinal("1,000,001") == "one million and first"
    assert [en.year(y) for y in ("1900", "1907", "2000", "2007", "2024")] == [
        "nineteen hundred", "nineteen oh seven", "two thousand", "two thousand and seven", "twenty twenty four",
    ]  # fmt: skip


PIECES = st.one_of(
    st.text(max_size=12),
    st.sampled_from([*ENGLISH, *MANDARIN, *MARKUP]),
    st.from_regex(
        r"[-+$€£¥#~(]?[0-9]{1,7}([.,:/x-][0-9]{1,4}){0,3}(st|th|%|km|°C|s|am| p\.m\.|年|个|元)?", fullmatch=True
    ),
    st.sampled_from(list(" \n*_`[](){}<>|#@&=+~^:;.!?-–—。，！？…")),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join), st.sampled_from(["en", "zh", "de"]))
@example("10/0/0000 0:00 0/0 1.2.3.4 00 -0 $0.00 99/99/9999", "en")
@example("0年 0月0日 2024-99-99 1/0 0:0", "zh")
def test_whatever_is_written_can_be_said_and_traced_back(text, language):
    said = normalise(text, language)
    assert said.original == text
    assert not re.search(r"[*_#|~^<>{}\[\]\\`=\U0001f300-\U0001faff\x00-\x08]", said.spoken)
    assert said.spoken == "" or any(character.isalnum() for character in said.spoken)
    if language != "de":
        assert not re.search("[0-9]", said.spoken)
    at = Span(0, 0, 0, 0)
    for span in [*said.spans, Span(len(text), len(text), len(said.spoken), len(said.spoken))]:
        assert at.end <= span.begin <= span.end and at.spoken_end <= span.spoken_begin <= span.spoken_end
        assert text[at.end : span.begin] == said.spoken[at.spoken_end : span.spoken_begin]
        at = span
    until = [said.written_until(place) for place in range(len(said.spoken) + 1)]
    assert until == sorted(until) and until[0] == 0 and (until[-1] == len(text) or not said.spoken)
    again = normalise(said.spoken, language).spoken
    assert normalise(again, language).spoken == again


def test_a_very_long_text_does_not_take_long():
    for piece in (
        "1",
        "a.",
        "*",
        "[",
        "1/",
        "<b",
        "`",
        "1-",
        "www.",
        "a@",
        "(",
        "| ",
        "-1 ",
        "12:",
        "$1",
        "_a",
        " ",
        "\n",
    ):
        assert isinstance(normalise(piece * 3000), Speakable)
        assert isinstance(normalise("好" + piece * 3000), Speakable)
