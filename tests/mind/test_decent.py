"""The reply filter: what is found, what only seems to be there, and what it costs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echoless.house import open_filter
from echoless.mind.decent import INSTEAD, ReplyFilter, decently
from echoless.mind.lexicon import Lexicon, LexiconError, load_words, plain, shipped
from echoless.mind.sentences import SentenceBuffer
from echoless.settings import load

BOTH = shipped("all")
CLEAN = """
I grew up in Scunthorpe, near Penistone, and we moved to Essex.
The assassin assessed the classic passage.
The cocktail was mixed in the cockpit by Mr Hancock.
Moby Dick is a long book.
We had shiitake mushrooms and a grape.
He was awarded his degree magna cum laude.
The therapist wrote an analysis of the document.
That bass player is a real virtuoso.
Pussy willow blooms in spring, and the pussy cat sleeps.
The circumstances accumulate.
Matsushita makes televisions. Shitake is spelled with two i.
I hit the ball.
My sex education class was on Monday.
It's a breast of chicken.
Don't be too hard on yourself. That's hard on body and mind.
We flew over Milford Sound and saw great tits and blue tits.
As a child I used to suck my thumb.
我操作电脑很熟练，体操也不错。
日本的日子过得很好，今日你好吗？
生日你想要什么礼物？节日你去哪里？
这个路口交通很堵，出口交给他管。
男性交往的朋友，女性交流的机会。
一次性交清学费。
妈妈的味道，姑妈的房子。
他妈妈的手艺很好。
我操心孩子的学习。
叫做爱丽丝的女孩。
火车站的鸡巴士在哪里？
小猫咪咪咪叫的时候很可爱。
我做爱心早餐给你吃。
操场上有人在做早操。
干你这一行不容易。
""".strip().splitlines()
INDECENT = """
What the fuck is that?
That is bullshit.
You f*cking liar.
Oh sh1t, I forgot.
Well, fuuuuck.
F.u.c.k that.
You son of a bitch!
ＦＵＣＫ you.
Come on, send nudes.
Come on, send-nudes.
He has a hard-on, a hardon.
你这个傻逼。
他妈的，又下雨了。
我操，太贵了。
操你大爷
今晚约炮吗？
""".strip().splitlines()


@pytest.mark.parametrize("text", CLEAN)
def test_what_only_seems_to_be_there(text: str) -> None:
    assert not BOTH.indecent(text), BOTH.finds(text)


@pytest.mark.parametrize("text", INDECENT)
def test_what_is_there(text: str) -> None:
    assert BOTH.indecent(text)


def test_mild_words_count_together() -> None:
    assert not BOTH.indecent("Damn, I missed the train.")
    assert BOTH.indecent("Damn, that sexy ass.")
    assert not BOTH.indecent("Damn, that sexy ass.", mild=0)
    assert not BOTH.indecent("Damn damn damn damn.")


def test_a_find_says_where() -> None:
    find = shipped("en").finds("Oh, SHIT happens")[0]
    assert (find.word, find.start, find.end, find.strong) == ("shit", 4, 8, True)


@given(st.text(max_size=60))
def test_places_are_those_of_the_text(text: str) -> None:
    assert len(plain(text)) == len(text)
    for find in BOTH.finds(text):
        assert 0 <= find.start < find.end <= len(text)


def test_a_sentence_is_replaced_once_a_reply() -> None:
    decent = ReplyFilter(Lexicon(("darn",)), ("Well.", "So."))
    said = decent.reply()
    assert [said(s) for s in ("Hello. ", "Darn it. ", "Darn!", "Bye.")] == ["Hello. ", "Well. ", "", "Bye."]
    assert decent.reply()("A darn thing.") == "So."
    assert decent.replaced == 3
    assert all(not BOTH.indecent(text) for texts in INSTEAD.values() for text in texts)


def test_it_holds_nothing_back() -> None:
    """Sentences leave the buffer at the same pieces with the filter as without."""
    pieces = ["Hello", " there. ", "What", " a darn", " day", ". And", " so", " on."]

    def run(decent: ReplyFilter | None) -> list[int]:
        buffer, when = SentenceBuffer(), list[int]()
        say = decent.reply() if decent else str
        for number, piece in enumerate(pieces):
            sentences = buffer.feed(piece)
            when += [number for s in sentences if say(s.text)]
        return when + [len(pieces)] * len(buffer.flush())

    assert run(ReplyFilter(Lexicon(("darn",)))) == run(None)


async def test_in_writing() -> None:
    async def reply() -> AsyncIterator[str]:
        for piece in ("Hel", "lo. A darn", " day. ", "Bye."):
            yield piece

    decent = ReplyFilter(Lexicon(("darn",)), ("Well.",))
    assert "".join([piece async for piece in decently(reply(), decent)]) == "Hello. Well. Bye."


def test_settings_turn_it_on(tmp_path: Path) -> None:
    assert open_filter(load().settings) is None
    words = tmp_path / "mine.txt"
    words.write_text("darn\n")
    decent = open_filter(load({"reply_filter_words": words}).settings)
    assert decent and decent.reply()("Darn it.") == INSTEAD["en"][0]
    chinese = open_filter(load({"reply_filter": True, "language": "zh"}).settings)
    assert chinese and chinese.reply()("你这个傻逼。") == INSTEAD["zh"][0]


def test_a_list_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("# mine\ndarn*\n[mild]\n哎呀\n[clean]\ndarning needle\n", "utf-8-sig")
    mine = load_words(path)
    assert (mine.strong, mine.mild, mine.clean) == (("darn*",), ("哎呀",), ("darning needle",))
    both = shipped("en") | mine
    assert both.indecent("Darned thing!") and both.indecent("Oh fuck") and not both.indecent("A darning needle.")
    path.write_text("[weak]\nx\n")
    with pytest.raises(LexiconError, match="line 1"):
        load_words(path)
    path.write_bytes(b"\xff\xfe\x00\x00")
    with pytest.raises(LexiconError, match="UTF-8"):
        load_words(path)
    with pytest.raises(LexiconError, match="cannot read"):
        load_words(tmp_path / "none.txt")
    assert not shipped("de").indecent("fuck")
