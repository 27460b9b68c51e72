"""The terminal's captions, fed with events as a call gives them."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import termios
from collections.abc import AsyncIterator

import pytest
from rich.console import Console

from echoless.captions import Captions, picture, watch
from echoless.frames import Event
from echoless.keys import Keys


def event(name: str, **data: object) -> Event:
    return Event(0.0, name, data)


CALL = [
    event("user.started", evidence={}),
    event("user.partial", text="what is", turn=1),
    event("user.partial", text="what is the time", turn=1),
    event("user.stopped", evidence={}),
    event("user.said", text="What is the time?", turn=1),
    event("agent.thinking", turn=1, generation=1),
    event("agent.started", turn=1, generation=1),
    event("agent.saying", generation=1, text="It is late."),
    event("agent.sentence", generation=1, text="It is late.", marks=[]),
    event("agent.saying", generation=1, text="Very late indeed."),
    event("agent.ducked", generation=1),
    event("agent.stopped", generation=1, reason="interrupted"),
    event("agent.said", generation=1, text="It is late.", unheard="Very late indeed."),
    event("agent.sentence", generation=1, text="Very late indeed.", marks=[]),
    event("user.said", text="[Stop] it.", turn=2),
]


async def stream(events: list[Event]) -> AsyncIterator[Event]:
    for each in events:
        yield each
        await asyncio.sleep(0)


def styled(captions: Captions) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=100)
    console.print(picture(captions, (-30.0, -60.0)))
    return console.file.getvalue()  # type: ignore[attr-defined]


async def test_plain_lines_say_who_said_what_and_what_was_cut_off():
    console = Console(file=io.StringIO(), force_terminal=False, width=200)
    await watch(stream(CALL), console=console)
    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "you: What is the time?",
        "agent: It is late. [cut off: Very late indeed.]",
        "you: [Stop] it.",
    ]


async def test_the_live_view_leaves_the_conversation_on_the_screen():
    console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=100)
    await watch(stream(CALL), console=console)
    out = console.file.getvalue()  # type: ignore[attr-defined]
    assert out.index("What is the time?") < out.index("It is late.") < out.rindex("[Stop] it.")
    assert "\x1b[9;90mVery late" in out  # struck out


async def test_what_was_said_stays_on_the_screen_after_ctrl_c():
    console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=100)

    async def broken_off() -> AsyncIterator[Event]:
        yield event("agent.saying", generation=1, text="Once upon a time")
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await watch(broken_off(), console=console)
    assert "\x1b[9;90mOnce upon a time" in console.file.getvalue()  # type: ignore[attr-defined]


def test_partial_words_are_grey_until_they_are_final():
    captions = Captions()
    for each in CALL[:3]:
        captions.feed(each)
    assert captions.state == "hearing you"
    assert "\x1b[3;90mwhat is the time" in styled(captions)
    assert "what is\n" not in styled(captions)
    captions.feed(CALL[3])
    captions.feed(CALL[4])
    assert [each.plain() for each in captions.take_done()] == ["you: What is the time?"]
    assert captions.open == []


def test_states_follow_the_call():
    captions, seen = Captions(), []
    for each in [*CALL[:11], event("agent.resumed", generation=1), *CALL[11:]]:
        captions.feed(each)
        seen.append(captions.state)
    assert [state for n, state in enumerate(seen) if n == 0 or seen[n - 1] != state] == [
        "hearing you", "listening", "thinking", "speaking", "ducked", "speaking", "listening",
    ]  # fmt: skip


def test_nothing_that_a_model_or_a_stranger_says_controls_the_terminal():
    captions = Captions()
    evil = "a\x1b[2Jb\x07c\rd\x9b31me\u202ef\nlast"
    for name in (
        "user.partial",
        "agent.saying",
        "agent.sentence",
        "user.said",
        "agent.said",
        "user.rejected",
        "failure",
    ):
        captions.feed(event(name, text=evil, unheard=evil, what=evil, part=evil, turn=1, generation=1, reason=evil))
    for each in captions.finish():
        assert each.plain().isprintable(), each
        assert each.text == "" or "last" in each.text


def test_long_captions_keep_their_margin():
    captions = Captions()
    captions.feed(event("user.said", text="word " * 60, turn=1))
    console = Console(file=io.StringIO(), width=60)
    console.print(captions.take_done()[0].rendered())
    first, *others = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert first.startswith("  you word") and others and all(line.startswith("      word") for line in others)


def test_the_sentence_being_spoken_is_grey_until_it_was_heard():
    captions = Captions()
    for each in CALL[5:10]:
        captions.feed(each)
    assert captions.open[-1].text == "It is late." and captions.open[-1].rest == "Very late indeed."
    assert "\x1b[3;90mVery late indeed." in styled(captions)


def test_a_revoked_reply_leaves_no_trace():
    captions = Captions()
    captions.feed(event("agent.sentence", generation=3, text="Never mind.", marks=[]))
    captions.feed(event("agent.stopped", generation=3, reason="revoked"))
    assert captions.finish() == []


def test_captions_stay_in_the_order_in_which_they_began():
    captions = Captions()
    captions.feed(event("agent.sentence", generation=1, text="Long story.", marks=[]))
    captions.feed(event("user.said", text="Wait.", turn=2))
    assert captions.take_done() == []  # the agent's own caption is still open above it
    captions.feed(event("agent.said", generation=1, text="Long", unheard="story."))
    assert [each.who for each in captions.take_done()] == ["agent", "user"]


def test_notes_say_why_something_was_not_answered_and_what_failed():
    captions = Captions()
    captions.feed(event("user.partial", text="it is late", turn=2))
    captions.feed(event("user.rejected", reason="echo", evidence={}, text="it is late"))
    captions.feed(event("failure", part="mind", what="the server\nis gone", action="restarted"))
    captions.feed(event("mode", duplex="half", why="three doubtful turns"))
    captions.feed(event("something.new", x=1))
    assert [each.text for each in captions.take_done()] == [
        "not answered, my own echo: it is late",
        "mind failed: the server is gone (restarted)",
        "half duplex: three doubtful turns",
    ]
    assert "(half duplex)" in styled(captions)


def test_meters_show_levels_and_never_overflow():
    console = Console(file=io.StringIO(), width=100)
    for level in (-200.0, -60.0, -30.0, 0.0, 6.0, float("-inf")):
        console.print(picture(Captions(), (level, level)))
    full = [line.count("▮") for line in console.file.getvalue().splitlines() if "mic" in line]  # type: ignore[attr-defined]
    assert full == [0, 0, 20, 40, 40, 0]


class Pressed:
    def __init__(self) -> None:
        self.calls: list[object] = []

    def mute(self, on: bool) -> None:
        self.calls.append(("mute", on))

    def push_to_talk(self, on: bool) -> None:
        self.calls.append(("push", on))

    def stop(self) -> None:
        self.calls.append("stop")

    def quit(self) -> None:
        self.calls.append("quit")


async def test_keys_reach_the_call_and_the_terminal_is_put_back(monkeypatch):
    from echoless import captions as module

    here, there = pty.openpty()
    before = termios.tcgetattr(there)
    pressed, screen = Pressed(), Captions()
    try:
        with Keys(lambda key: module._press(key, screen, pressed), descriptor=there) as keys:
            assert keys.alive and termios.tcgetattr(there) != before
            os.write(here, b"m\x1b[A m\x1bOP \x1bq")
            async with asyncio.timeout(5):
                while "quit" not in pressed.calls:
                    await asyncio.sleep(0.001)
        assert termios.tcgetattr(there) == before
    finally:
        os.close(here)
        os.close(there)
    assert pressed.calls == [("mute", True), ("push", True), ("mute", False), ("push", False), "stop", "quit"]


async def test_without_a_terminal_there_are_no_keys():
    read, write = os.pipe()
    with Keys(lambda key: None, descriptor=read) as keys:
        assert not keys.alive
    os.close(read)
    os.close(write)
