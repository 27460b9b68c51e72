"""Evidence to stretches of speech."""

from __future__ import annotations

import numpy as np
import pytest

from echoless.ears.listener import Change, Listener, Tuning

SILENCE = np.zeros(256, np.float32)


def feed(listener: Listener, nears: list[float], *, echo: bool = False, over_agent: bool = False) -> list[Change]:
    return [listener.hear(SILENCE, near, echo=echo, over_agent=over_agent) for near in nears]


def test_a_few_sure_blocks_begin_speech_and_one_does_not() -> None:
    listener = Listener()
    assert Change.BEGAN not in feed(listener, [0.99, 0.1, 0.1, 0.99, 0.0, 0.0])
    assert feed(listener, [0.95] * 6).count(Change.BEGAN) == 1
    assert listener.speaking


def test_less_evidence_is_wanted_over_the_agent_which_only_holds_its_breath() -> None:
    alone, over = Listener(), Listener()
    first = feed(alone, [0.9] * 20).index(Change.BEGAN)
    later = feed(over, [0.9] * 20, over_agent=True).index(Change.BEGAN)
    assert 1 < later < first < 15


def test_a_pause_is_told_once_and_speech_begins_again() -> None:
    listener = Listener()
    feed(listener, [0.95] * 30)
    changes = feed(listener, [0.05] * 40)
    assert changes.count(Change.STOPPED) == 1
    assert changes.index(Change.STOPPED) == listener.tuning.hang - 1
    assert listener.silence == 40
    assert feed(listener, [0.95] * 10).count(Change.BEGAN) == 1
    assert listener.open


def test_the_first_syllable_is_kept() -> None:
    listener = Listener(Tuning(before=20))
    for number in range(50):
        sound = np.full(256, number, np.float32)
        if listener.hear(sound, 0.99 if number > 40 else 0.0, echo=False, over_agent=False) is Change.BEGAN:
            break
    kept = listener.sound()[::256]
    assert kept[0] <= 41 - 10
    assert kept[-1] == number


def test_blocks_that_rise_out_of_a_tail_are_counted_apart() -> None:
    listener = Listener()
    feed(listener, [0.95] * 10, echo=True)
    for direct in (True, False, False):
        listener.hear(SILENCE, 0.95, echo=True, over_agent=True, direct=direct, rises=True)
    assert (listener.late, listener.risen) == (2, 2)
    listener.close()
    assert listener.risen == 0


def test_blocks_without_possible_echo_are_counted_apart() -> None:
    listener = Listener()
    feed(listener, [0.95] * 10, echo=True)
    assert listener.voiced > 0
    assert listener.free == 0
    feed(listener, [0.95] * 7, echo=False)
    assert listener.free == 7


def test_what_seemed_to_come_after_the_echo_counts_no_more_once_that_comes_later() -> None:
    listener = Listener()
    feed(listener, [0.9] * 12, over_agent=True)
    assert listener.free > 8
    listener.hear(SILENCE, 0.9, echo=True, over_agent=True, later=True)
    assert (listener.free, listener.late) == (0, 0)
    assert listener.voiced > 8


def test_silence_at_the_end_is_cut_to_the_tail() -> None:
    listener = Listener()
    feed(listener, [0.95] * 20 + [0.0] * 50)
    assert len(listener.sound(tail=5)) // 256 == listener.length - 45


@pytest.mark.parametrize("close", [True, False])
def test_a_closed_turn_leaves_nothing(close: bool) -> None:
    listener = Listener()
    feed(listener, [0.95] * 20)
    if close:
        listener.close()
    assert (listener.length == 0) == close
    assert listener.open != close


def test_what_no_echo_can_be_in_is_kept_apart() -> None:
    listener = Listener()
    for number in range(60):
        echo = number < 40
        listener.hear(np.full(256, 0.1 if echo else 0.2, np.float32), 0.95, echo=echo, over_agent=echo)
    assert listener.length > 40
    assert listener.free == 20
    assert np.array_equal(listener.alone(), np.full(20 * 256, 0.2, np.float32))
    listener.drop_before(listener.length - 10)
    assert len(listener.alone()) == 10 * 256
    listener.close()
    assert not len(listener.alone())


def test_after_what_was_only_echo_more_evidence_is_wanted_for_a_while() -> None:
    usual, wary = Listener(), Listener()
    for listener, echo in ((usual, False), (wary, True)):
        feed(listener, [0.9] * 10, over_agent=True)
        listener.close(echo)
    first = feed(usual, [0.9] * 20, over_agent=True).index(Change.BEGAN)
    assert feed(wary, [0.9] * 20, over_agent=True).index(Change.BEGAN) > first
    wary.close(echo=True)
    feed(wary, [0.0] * wary.tuning.wary, over_agent=True)
    assert feed(wary, [0.9] * 20, over_agent=True).index(Change.BEGAN) == first


def test_the_mean_probability_of_speech_is_that_of_the_voiced_blocks() -> None:
    listener = Listener()
    for near, voice in ((0.1, 0.9), *[(0.9, 0.2)] * 10, *[(0.1, 0.9)] * 3, *[(0.9, 0.4)] * 10):
        listener.hear(SILENCE, near, echo=True, over_agent=True, voice=voice)
    assert listener.open and listener.tone == pytest.approx(0.3, rel=0.05)
    listener.close()
    assert listener.tone == 0
