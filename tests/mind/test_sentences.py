"""Sentences: none lost, none late, none cut in a number, a name or an address."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echoless.mind.sentences import FIRST, OPENING, Pace, SentenceBuffer

NEVER = 10_000


def split(text: str, first: int = NEVER, longest: int = 280) -> list[str]:
    buffer = SentenceBuffer(first=first, longest=longest)
    return [sentence.text.strip() for sentence in buffer.feed(text) + buffer.flush()]


@pytest.mark.parametrize(
    "text",
    [
        "Hello there.| How are you?| Fine!",
        "Dr. Smith met Mrs. Jones at 5 p.m. yesterday.| They talked.",
        "We left at 5 p.m.| Then it rained.",
        "Pi is 3.14 and e is 2.718, e.g. roughly 3.| That is all.",
        "Visit https://example.com/a.b?c=d.e!f today.| Or mail me@x.org.",
        "The U.S. Army, the E.U. Commission and J. R. Tolkien agree.| Good.",
        "So do I.| Me too.",
        "Wait... what?| Well...| I see.",
        'He said "Really?" and left.| "Yes."| "No!"| Done.',
        "Look (it works.)| Next one.",
        "No. 5 is alive.| No.| I mean it.",
        "1. Take flour.\n|2. Add water.\n|- bake it\n|- eat it",
        "# Title\n|Some **bold.**| More.",
        "今天天气很好。|我们走吧！|你说呢？|好",
        "他说：“我来了。”|然后他走了。",
        "嗯……|我想想。|行。",
        "价格是3.5元。|便宜吧？",
        "我先去买菜，然后回家做饭；|你可以先休息一下。",
        "Version 2.0 is out!| Yahoo! is old.| Really?!| Yes.",
        "Ich komme z.B. morgen.| Gut.",
        "Es kostet 3,50 Euro.| Ja.",
        "Cats, dogs, etc. are pets.| Cats, dogs, etc.| Birds too.",
        "It was 1990.| Then came 1991.",
        "Great 😀!| Really 👍🏽.| Yes",
    ],
)
def test_where_sentences_end(text: str) -> None:
    assert split(text.replace("|", "")) == [part.strip() for part in text.split("|")]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("That is a very good question, and I like it.", "That is a very good question,"),
        ("Well, yes, I would say that it is fine, more or less.", "Well, yes, I would say that it is fine,"),
        ("There are 1,000,000 stars up there tonight, all told.", "There are 1,000,000 stars up there tonight,"),
        ("这个问题很有意思，我来想一想。", "这个问题很有意思，"),
        ("好，我来想一想这个问题。", "好，我来想一想这个问题。"),
        ("The answer is at 10:30 sharp: come early.", "The answer is at 10:30 sharp:"),
        ("Yes, it is.", "Yes, it is."),
    ],
)
def test_the_first_clause_comes_early(text: str, first: str) -> None:
    assert split(text, first=18)[0] == first


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Well, that is a fair thing to ask. Yes.", "Well,| that is a fair thing to ask.| Yes."),
        (
            "Well, yes, I would say that it is fine, more or less, so.",
            "Well,| yes, I would say that it is fine,| more or less, so.",
        ),
        ("A, B and C.", "A, B and C."),
        ("好，这个问题很有意思，我来想一想。", "好，|这个问题很有意思，|我来想一想。"),
        ("No. It is not, I fear.", "No.| It is not, I fear."),
        ("1,000 stars, all told.", "1,000 stars,| all told."),
    ],
)
def test_a_quick_mind_opens_with_a_word(text: str, parts: str) -> None:
    assert split(text, first=OPENING) == [part.strip() for part in parts.split("|")]


def test_a_mind_is_quick_by_its_latest_reply() -> None:
    pace = Pace()
    assert pace.first == FIRST  # nothing is known of it
    for characters_a_second, first in ((200, OPENING), (10, FIRST), (50, OPENING)):
        pace.began()
        for place in range(0, 80, 4):
            pace.came(4, 7 + place / characters_a_second)
        assert pace.first == first
    pace.began()
    pace.came(5, 9.0)  # and then it failed
    assert pace.first == OPENING


def test_only_the_first_sentence_is_cut_at_a_comma() -> None:
    text = "Hello there. After that, I would say, there is no need to cut, is there?"
    assert len(split(text, first=18)) == 2


def test_a_sentence_is_given_with_the_character_that_makes_it_certain() -> None:
    buffer = SentenceBuffer()
    pieces = ["Hel", "lo", " there", ".", " How", " are", " you", "?\n", "Good", "。", "好", "！", "\n"]
    given_at = [len(buffer.feed(piece)) for piece in pieces]
    assert given_at == [0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 1]
    assert buffer.pending == "\n"


def test_offsets_are_those_of_the_whole_reply() -> None:
    text = "One two three. Four five! " * 40
    buffer = SentenceBuffer()
    for sentence in [s for piece in text.split("e") for s in buffer.feed(piece + "e")][:-1]:
        assert (text + "e")[sentence.start : sentence.end] == sentence.text


def test_what_never_ends_is_cut_at_a_comma_a_space_or_anywhere() -> None:
    parts = split("word and word, " * 40, longest=100)
    assert all(len(part) <= 100 and part.endswith(",") for part in parts)
    assert all(len(part) <= 100 for part in split("word " * 100, longest=100))
    assert [len(part) for part in split("x" * 250, longest=100)] == [100, 100, 50]


def test_a_stray_dash_is_not_speakable() -> None:
    buffer = SentenceBuffer()
    assert buffer.feed("---\n\n") == []
    assert not buffer.flush()[0].speakable


TEXT = st.text(alphabet=st.sampled_from("ab I.,!?…。，；：\"”)\n 0123456789DrNoe.g你好*-:'é😀\u3000"), max_size=120)


@given(st.one_of(TEXT, st.text(max_size=60)), st.data(), st.integers(8, 60), st.integers(1, 30))
def test_no_character_is_lost_and_no_cut_matters(text: str, data: st.DataObject, longest: int, first: int) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    results = []
    for edges in ([0, len(text)], [0, *cuts, len(text)], list(range(len(text) + 1)) or [0, 0]):
        buffer = SentenceBuffer(first=first, longest=longest)
        sentences = [s for a, b in itertools.pairwise(edges) for s in buffer.feed(text[a:b])]
        certain = len(sentences)
        sentences += buffer.flush()
        assert "".join(sentence.text for sentence in sentences) == text
        assert all(text[s.start : s.end] == s.text and s.text for s in sentences)
        assert all(len(s.text) <= longest for s in sentences)
        results.append((certain, sentences))
    assert results[0] == results[1] == results[2]
