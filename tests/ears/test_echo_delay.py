"""Delay and drift, found from signals whose delay is known."""

import numpy as np
import pytest
from tests.ears.echo_sounds import delayed, speechlike

from echoless.ears.delay import DelayTracker
from echoless.ears.drift import Playback
from echoless.frames import BLOCK, RATE


def track(microphone: np.ndarray, reference: np.ndarray) -> DelayTracker:
    tracker = DelayTracker()
    for at in range(0, len(reference), BLOCK):
        block = microphone[at : at + BLOCK]
        tracker.hear(block, block, reference[at : at + BLOCK])
    return tracker


@pytest.mark.parametrize("milliseconds", [0, 3, 80, 400, 800])
def test_finds_any_delay_within_a_second(milliseconds: int):
    reference = speechlike(2)
    tracker = track(delayed(reference, milliseconds * 16), reference)
    assert tracker.delay == pytest.approx(milliseconds * 16, abs=4)


def test_finds_a_reference_that_is_late():
    played = speechlike(2)
    tracker = track(played, delayed(played, 640))
    assert tracker.delay == pytest.approx(-640, abs=4)


@pytest.mark.parametrize("jump", [80, -60, 200, -150])
def test_follows_a_jump_within_half_a_second(jump: int):
    reference = speechlike(4)
    early, late = delayed(reference, 200 * 16), delayed(reference, (200 + jump) * 16)
    middle = len(reference) // 2
    microphone = np.concatenate((early[:middle], late[middle:]))[: middle + RATE // 2 // BLOCK * BLOCK]
    tracker = track(microphone, reference[: len(microphone)])
    assert tracker.delay == pytest.approx((200 + jump) * 16, abs=4)


def test_follows_a_jump_at_the_end_of_what_is_played():
    """Nothing is left at the old place then, and nothing new will come to tell."""
    reference = speechlike(3)
    reference[2 * RATE :] = 0
    early, late = delayed(reference, 200 * 16), delayed(reference, 400 * 16)
    middle = round(2.1 * RATE)
    until = round(2.4 * RATE) // BLOCK * BLOCK
    microphone = np.concatenate((early[:middle], late[middle:]))[:until]
    assert track(microphone, reference[:until]).delay == pytest.approx(400 * 16, abs=4)


def test_somebody_else_is_no_echo():
    tracker = track(speechlike(4, seed=1), speechlike(4, seed=2))
    assert tracker.delay is None


def test_a_reply_that_begins_is_not_found_in_noise():
    """Its first words are held against few lags, and stand out at one of them."""
    for seed in range(40):
        reference = np.concatenate((np.zeros(RATE // BLOCK * BLOCK, np.float32), 5 * speechlike(0.5, seed)))
        hiss = np.random.default_rng(seed).standard_normal(len(reference)).astype(np.float32)
        assert track(1e-3 * hiss, reference).delay is None


def test_silence_tells_nothing():
    tracker = track(speechlike(1), np.zeros(RATE // BLOCK * BLOCK, np.float32))
    assert tracker.delay is None
    assert tracker.look.peak == 0


def test_a_microphone_that_is_gated_tells_nothing():
    """What cancels noise sends digital silence; the last bit of a fade is no echo of what has just begun."""
    reference = np.concatenate((np.zeros(RATE, np.float32), speechlike(1)))
    microphone = np.zeros(len(reference), np.float32)
    microphone[RATE - 500 :: 3001] = 1 / 32768
    until = (RATE + RATE // 5) // BLOCK * BLOCK
    tracker = track(microphone[:until], reference[:until])
    assert tracker.delay is None
    assert tracker.look.peak == 0


def test_where_both_are_cut_is_no_echo():
    """A noise that has just died away, and a voice that has just begun."""
    reference = np.concatenate((np.zeros(RATE, np.float32), speechlike(1, seed=4)))
    fade = np.random.default_rng(4).normal(0, 2e-3, len(reference)) * np.exp(-np.arange(len(reference)) / 1_000)
    microphone = np.zeros(len(reference), np.float32)
    microphone[RATE - 3_500 :] = (np.round(fade * 32768) / 32768)[: len(reference) - RATE + 3_500]
    until = (RATE + RATE // 8) // BLOCK * BLOCK
    assert track(microphone[:until], reference[:until]).delay is None


def test_what_is_heard_long_after_the_agent_moves_no_delay():
    """The agent's last words slide out of the window, and whoever speaks is held against the last of them alone."""
    said = speechlike(2)
    reference = np.concatenate((said, np.zeros(2 * RATE // BLOCK * BLOCK, np.float32)))
    microphone = delayed(reference, 1_152)
    like = len(said) - 6_400
    microphone[like + 15_200 : len(said) + 15_200] += said[like:]
    assert track(microphone, reference).delay == pytest.approx(1_152, abs=4)


@pytest.mark.parametrize("ppm", [-300, 150])
def test_measures_drift(ppm: int):
    reference = speechlike(5)
    time = np.arange(len(reference))
    position = time - 1_000 - time * ppm * 1e-6
    microphone = np.interp(position, time, reference, left=0).astype(np.float32)
    drift = track(microphone, reference).look.drift
    assert drift == pytest.approx(ppm * 1e-6, abs=40e-6)


def test_playback_reads_fractions_of_a_sample():
    playback = Playback()
    time = np.arange(20 * BLOCK)
    wave = np.sin(2 * np.pi * 1_000 / RATE * time).astype(np.float32)
    for at in range(0, len(wave), BLOCK):
        playback.push(wave[at : at + BLOCK])
    read = playback.read(300.37)
    expected = np.sin(2 * np.pi * 1_000 / RATE * (time[-BLOCK:] - 300.37))
    assert np.abs(read - expected).max() < 2e-3


def test_playback_keeps_its_past_over_the_wrap():
    playback = Playback()
    count = 700
    for index in range(count):
        playback.push(np.full(BLOCK, index, np.float32))
    assert np.array_equal(playback.read(0), np.full(BLOCK, count - 1, np.float32))
    assert np.array_equal(playback.read(60 * BLOCK), np.full(BLOCK, count - 61, np.float32))


@pytest.mark.parametrize("milliseconds", [600, 1_100, 1_400])
def test_looks_at_an_earlier_second_where_the_loudspeaker_is_far(milliseconds: int):
    reference = speechlike(3)
    microphone, tracker = delayed(reference, milliseconds * 16), DelayTracker()
    tracker.expect(8_000)
    for at in range(0, len(reference), BLOCK):
        block = microphone[at : at + BLOCK]
        tracker.hear(block, block, reference[at : at + BLOCK])
    assert tracker.delay == pytest.approx(milliseconds * 16, abs=4)


def test_what_is_tracked_stays_when_another_second_is_looked_at():
    reference = speechlike(2)
    tracker = track(delayed(reference, 700 * 16), reference)
    tracker.expect(8_000)
    assert tracker.delay == pytest.approx(700 * 16, abs=4)
    tracker.expect(14_000)
    assert tracker.delay is None
