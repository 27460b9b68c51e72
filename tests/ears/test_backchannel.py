from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echoless.ears.backchannel import Said, kind, nod_misheard, only_filler


@pytest.mark.parametrize(
    "text",
    ["Uh-huh.", "Uh huh", "Mm-hm.", "Mhm", "Hmm.", "Right.", "Right,", "Yeah.", "Yeah, yeah.", "Ok,", "Okay!",
     "Okay. Right.", "I see.", "Wow!", "Oh, really?", "Got it.", "Of course,,", "No problem.", "no way", "Um,",
     "oh okay I see", "Yeah, right.", "嗯", "嗯嗯。", "对", "对对对", "好的。", "是啊", "没错，没错",
     "哦，原来如此", "真的吗？", "明白了", "嗯，好的"],
)  # fmt: skip
def test_what_keeps_the_other_talking(text: str) -> None:
    assert kind(text) is Said.BACKCHANNEL


@pytest.mark.parametrize(
    "text",
    ["Stop.", "Stop!", "stop it", "Please stop.", "Okay, stop.", "No.", "No, no, no.", "Wait.",
     "wait a minute", "Hold on!", "Hang on please", "Shut up!", "that's enough", "Never mind.", "Excuse me.",
     "Be quiet", "Stopp", "oh wait", "um stop", "停", "停！", "等一下", "等等等等", "不对", "不是不是",
     "别说了", "好了停吧", "请停一下", "我有个问题", "够了够了"],
)  # fmt: skip
def test_what_makes_the_other_stop(text: str) -> None:
    assert kind(text) is Said.STOP


@pytest.mark.parametrize(
    "text",
    ["What about Sundays?", "Right, but what does it cost", "Tell me more about that",
     "yes I would like two tickets", "Stop telling me about museums and tell me about cats",
     "no I meant the other one", "Waiter", "nobody", "Noah", "今天天气怎么样", "对了，我想问一下价格",
     "等一下火车几点开", "不是这个，我说的是那个博物馆", "好的那我们明天去吧"],
)  # fmt: skip
def test_what_says_something(text: str) -> None:
    assert kind(text) is Said.CONTENT


@pytest.mark.parametrize("text", ["", "  ", "...", "?!", "♪"])
def test_what_says_nothing(text: str) -> None:
    assert kind(text) is Said.NOTHING


@pytest.mark.parametrize(("text", "filler"), [("Um, well,", True), ("嗯，那个", True), ("um yes", False), ("", False)])
def test_hesitation_alone(text: str, filler: bool) -> None:
    assert only_filler(text) is filler


@given(st.text(max_size=200))
def test_any_text_is_of_some_kind(text: str) -> None:
    assert kind(text) in Said
    assert kind(text.upper()) is kind(text.lower()) or not text.isascii()


def test_a_long_row_of_nods_is_more_than_a_nod() -> None:
    assert kind("yeah yeah right okay sure of course indeed") is Said.CONTENT


@pytest.mark.parametrize("text", ["Fairly early.", "Forlery,", "They're really.", "I sea"])
def test_a_nod_that_was_misheard(text: str) -> None:
    assert kind(text) is Said.CONTENT
    assert nod_misheard(text)


@pytest.mark.parametrize(
    "text",
    ["Dop!", "Wade", "Two.", "We.", "Cooler.", "Who?", "Why not", "Turn left", "Yesterday", "In Paris", "对的", ""],
)
def test_what_is_like_a_command_or_says_something_is_no_misheard_nod(text: str) -> None:
    assert not nod_misheard(text)
