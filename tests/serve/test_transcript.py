"""Events of a call in, bubbles out."""

from __future__ import annotations

from typing import Any

from echoless.frames import Event
from echoless.serve.transcript import LONGEST, Transcript


def feed(transcript: Transcript, name: str, **data: Any) -> list[dict[str, Any]]:
    return transcript.feed(Event(1.0, name, data))


def texts(transcript: Transcript) -> list[tuple[str, str, str, bool]]:
    return [(b.who, b.text, b.rest, b.done) for b in transcript.bubbles]


def test_words_come_live_and_settle() -> None:
    t = Transcript()
    first = feed(t, "user.partial", text="how are", turn=1)
    again = feed(t, "user.partial", text="how are you", turn=1)
    last = feed(t, "user.said", text="How are you?", turn=1)
    assert first[0]["id"] == again[0]["id"] == last[0]["id"]
    assert texts(t) == [("user", "How are you?", "", True)]


def test_whoever_enrolled_is_named() -> None:
    t = Transcript()
    assert "name" not in feed(t, "user.said", text="Good morning.", turn=1)[0]
    assert feed(t, "user.said", text="Good evening.", turn=2, who="Anna")[0]["name"] == "Anna"


def test_a_turn_that_goes_on_stays_one_bubble() -> None:
    t = Transcript()
    feed(t, "user.said", text="I went", turn=3)
    feed(t, "agent.stopped", generation=1, reason="revoked")
    feed(t, "user.partial", text="I went to the", turn=3)
    feed(t, "user.said", text="I went to the sea.", turn=3)
    assert texts(t) == [("user", "I went to the sea.", "", True)]


def test_what_was_cut_off_is_kept_apart() -> None:
    t = Transcript()
    t.saying(1, "Well, the", "sea is wide and deep.")
    feed(t, "agent.stopped", generation=1, reason="interrupted")
    feed(t, "agent.said", generation=1, text="Well, the sea", unheard="is wide and deep.")
    assert texts(t) == [("agent", "Well, the sea", "is wide and deep.", True)]
    assert t.saying(1, "late", "words") == []


def test_the_same_caption_is_not_sent_twice() -> None:
    t = Transcript()
    assert t.saying(1, "Well", "then.")
    assert t.saying(1, "Well", "then.") == []


def test_a_revoked_reply_was_never_there() -> None:
    t = Transcript()
    shown = t.saying(2, "", "Never heard.")
    assert feed(t, "agent.stopped", generation=2, reason="revoked") == [{"type": "gone", "id": shown[0]["id"]}]
    assert texts(t) == []


def test_an_echo_leaves_a_note_and_no_words() -> None:
    t = Transcript()
    feed(t, "user.partial", text="the sea is", turn=1)
    changes = feed(t, "user.rejected", reason="echo", text="the sea is")
    assert [c["type"] for c in changes] == ["gone", "bubble"]
    assert changes[1]["kind"] == "rejected.echo"
    assert feed(t, "user.rejected", reason="noise", text="") == []


def test_typed_words_take_the_place_of_half_spoken_ones() -> None:
    t = Transcript()
    feed(t, "user.partial", text="uh", turn=1)
    feed(t, "user.said", text="written", turn=1, typed=True)
    feed(t, "user.said", text="spoken after", turn=1)
    assert texts(t) == [("user", "written", "", True), ("user", "spoken after", "", True)]
    assert [b.typed for b in t.bubbles] == [True, False]


def test_each_bubble_keeps_who_said_it() -> None:
    t = Transcript()
    t.speaker = "anna"
    feed(t, "user.partial", text="Is it", turn=1)
    t.speaker = "ben"
    feed(t, "user.said", text="Is it far?", turn=1)
    feed(t, "user.said", text="Five miles.", turn=2, typed=True)
    feed(t, "user.said", text="Thank you.", turn=3, who="cleo")
    feed(t, "agent.said", generation=1, text="You are welcome.", unheard="")
    assert [change.get("name") for change in t.all()] == ["anna", "ben", "cleo", None]


def test_a_reloaded_page_gets_everything_in_order() -> None:
    t = Transcript()
    feed(t, "user.said", text="one", turn=1)
    feed(t, "agent.said", generation=1, text="two", unheard="")
    feed(t, "failure", part="voice", what="broke", action="restarted")
    assert [c["text"] for c in t.all()] == ["one", "two", "voice: broke (restarted)"]


def test_a_mode_is_noted_where_the_user_notices_it() -> None:
    t = Transcript()
    kinds = [[c["kind"] for c in feed(t, "mode", duplex=mode, why="")] for mode in ("guarded", "half", "half", "full")]
    assert kinds == [[], ["mode.half"], [], ["mode.full"]]


def test_it_does_not_grow_for_ever_and_ignores_what_it_does_not_know() -> None:
    t = Transcript()
    for k in range(LONGEST + 50):
        feed(t, "user.said", text=str(k), turn=k, typed=True)
    assert len(t.bubbles) == LONGEST
    assert feed(t, "weather.changed", text="rain") == []
    assert feed(t, "user.said", turn="x") != []  # a key of the wrong kind is no reason to fall over
