"""Whole calls in virtual time in which voices are known: names on turns, and strangers without the floor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from tests.test_talk import Scene, after_agent, quiet, talk

from echoless.captions import Captions
from echoless.ears.doorstep import CERTAIN, QUIET, SHUT, Doorstep
from echoless.ears.voiceprint import ME, Spoken
from echoless.frames import RATE, Samples


class ByLevel:
    """Anna's samples are at 0.1, the agent's at 0.3; whatever else is heard is a stranger."""

    def __init__(self, only_enrolled: bool) -> None:
        self.only_enrolled = only_enrolled
        self.asked = 0

    def who(self, sound: Samples) -> Spoken:
        self.asked += 1
        loud = np.abs(sound[np.abs(sound) > 0.05])
        seconds = len(loud) / RATE
        level = float(loud[-1]) if len(loud) else 0.0
        name = {0.1: "Anna", 0.3: ME}.get(round(level, 2))
        return Spoken(name, "Anna", 0.9 if name else 0.4, 0.7, seconds, sure=bool(name) and seconds >= 1)


def stranger(seconds: float) -> Samples:
    return talk(seconds) * np.float32(2)


def scene(script: object, only: bool = True, **more: object) -> Scene:
    made = Scene(script, **more)  # type: ignore[arg-type]
    made.ears.doorstep.who = ByLevel(only)
    return made.run()


@pytest.mark.parametrize("only", [True, False])
def test_a_known_person_is_named_and_answered(only: bool) -> None:
    held = scene(np.concatenate([quiet(0.5), talk(1.2), quiet(3)]), only)
    (said,) = held.all("user.said")
    assert said.data["who"] == "Anna"
    assert said.data["evidence"]["nearest"] == "Anna"
    assert held.all("agent.stopped")[0].data["reason"] == "finished"


def test_captions_name_a_known_person() -> None:
    held = scene(np.concatenate([quiet(0.5), talk(1.2), quiet(3)]))
    captions = Captions()
    for event in held.events:
        captions.feed(event)
    assert [each.plain() for each in captions.finish() if each.who == "user"] == ["Anna: hello there friend"]


def test_a_stranger_is_answered_without_a_name_where_all_are_welcome() -> None:
    held = scene(np.concatenate([quiet(0.5), stranger(1.2), quiet(3)]), only=False)
    assert "who" not in held.all("user.said")[0].data
    assert held.all("agent.started")


@pytest.mark.parametrize("seconds", [0.5, 1.2, 4.0])
def test_a_stranger_is_not_answered_and_the_record_says_why(seconds: float) -> None:
    held = scene(np.concatenate([quiet(0.5), stranger(seconds), quiet(4)]))
    rejected = held.all("user.rejected")
    assert [event.data["reason"] for event in rejected] == ["stranger"]
    assert rejected[0].data["text"]
    assert rejected[0].data["evidence"]["similarity"] == 0.4
    assert not held.all("user.said")
    assert not held.mind.asked
    assert not held.all("agent.thinking")


def test_a_stranger_cannot_interrupt_and_holds_the_agent_up_only_once() -> None:
    def script(held: Scene) -> Iterator[Samples]:
        yield from after_agent(held, np.concatenate([quiet(0.3), talk(1)]), stranger(3), quiet(8))

    held = scene(script, texts=["tell me something"] * 2 + ["no wait stop that"])
    assert [event.data["reason"] for event in held.all("user.rejected")] == ["stranger"]
    assert [event.data["reason"] for event in held.all("agent.stopped")] == ["finished"]
    assert len(held.all("agent.ducked")) == len(held.all("agent.resumed")) == 1
    assert len(held.mind.asked) == 1


def test_a_known_person_interrupts() -> None:
    def script(held: Scene) -> Iterator[Samples]:
        yield from after_agent(held, np.concatenate([quiet(0.3), talk(1)]), talk(1.5), quiet(6))

    held = scene(script, texts=["tell me something"] * 2 + ["no I meant something else"])
    assert held.all("agent.stopped")[0].data["reason"] == "interrupted"
    assert [event.data["who"] for event in held.all("user.said")] == ["Anna", "Anna"]


def test_a_known_persons_short_word_interrupts() -> None:
    def script(held: Scene) -> Iterator[Samples]:
        yield from after_agent(held, np.concatenate([quiet(0.3), talk(1)]), talk(0.5), quiet(6))

    held = scene(script, texts=["tell me something"] * 2 + ["stop"])
    assert held.all("agent.stopped")[0].data["reason"] == "interrupted"


def test_the_agents_own_voice_is_nobody_who_may_speak() -> None:
    held = scene(np.concatenate([quiet(0.5), talk(2.5) * np.float32(3), quiet(3)]))
    assert [event.data["reason"] for event in held.all("user.rejected")] == ["stranger"]


def test_a_person_who_speaks_after_a_stranger_is_heard() -> None:
    held = scene(np.concatenate([quiet(0.5), stranger(3), quiet(1), talk(1.2), quiet(3)]))
    assert [event.data["who"] for event in held.all("user.said")] == ["Anna"]


def test_push_to_talk_lets_anybody_in() -> None:
    def script(held: Scene) -> Iterator[Samples]:
        yield from after_agent(held, np.concatenate([quiet(0.3), talk(1)]))
        held.call.push_to_talk(True)
        yield stranger(1.5)
        held.call.push_to_talk(False)
        yield quiet(6)

    held = scene(script, texts=["tell me something"] * 2 + ["no I meant something else"])
    assert held.all("agent.stopped")[0].data["reason"] == "interrupted"


def test_nobody_is_looked_at_before_a_pause_where_all_are_welcome() -> None:
    held = Scene(np.concatenate([quiet(0.5), talk(4), quiet(3)]))
    who = held.ears.doorstep.who = ByLevel(False)
    held.run()
    assert who.asked == 1


def test_whoever_goes_on_speaking_is_looked_at_now_and_then() -> None:
    door = Doorstep(ByLevel(True))
    lengths = np.arange(0.5, 3.0, 0.1)
    looked = [round(float(each), 1) for each in lengths if door.wants(False, round(each * RATE))]
    assert looked == [1.0, 1.4, 1.8, 2.2, 2.6]
    assert door.wants(False, round(1.1 * RATE)), "somebody else's turn"
    assert door.wants(True, round(1.2 * RATE)), "the end is always looked at"


def test_a_look_is_final_or_sure_or_long_enough() -> None:
    door = Doorstep(ByLevel(True))
    anna = [Spoken("Anna", "Anna", 0.8, 0.7, seconds) for seconds in (CERTAIN / 2, CERTAIN)]
    other = [Spoken(None, "Anna", 0.5, 0.7, seconds) for seconds in (CERTAIN / 2, CERTAIN)]
    sure = Spoken("Anna", "Anna", 0.9, 0.7, CERTAIN / 2, sure=True)
    assert [door.admits(each, False) for each in (*anna, sure)] == [None, True, True]
    assert [door.admits(each, False) for each in other] == [None, False]
    assert [door.admits(each, True) for each in (anna[0], other[0], None)] == [True, False, False]
    assert door.admits(Spoken(ME, ME, 0.9, 0.7, CERTAIN, sure=True), False) is False


def test_the_door_opens_after_silence_or_in_the_end() -> None:
    door = Doorstep(ByLevel(True))
    door.turn_away()
    assert [door.shut(True) for _ in range(10)] == [True] * 10
    assert [door.shut(False) for _ in range(QUIET)][-1] is False
    assert not door.shut(True)
    door.turn_away()
    assert sum(door.shut(True) for _ in range(2 * SHUT)) == SHUT - 1
