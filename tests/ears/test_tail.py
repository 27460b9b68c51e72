"""How long an echo can outlast its cause."""

from __future__ import annotations

import numpy as np
import pytest

from echoless.ears.tail import LEAST, MOST, Decay, Tail
from echoless.frames import BLOCK

NOISE = -60.0


def lasts(levels: list[float], way: int = 0) -> int:
    """Samples after the last sound for which an echo stays possible, given the level of each block after it."""
    tail = Tail()
    for _ in range(50):
        assert tail.hear(0, way, levels[0], NOISE)
    for index, level in enumerate(levels):
        if not tail.hear((index + 1) * BLOCK, way, level, NOISE):
            return index * BLOCK
    raise AssertionError("for ever")


def decay(t60: float, blocks: int = 120) -> list[float]:
    rng = np.random.default_rng(0)
    return [max(NOISE, -15 - 60 * k * BLOCK / 16000 / t60) + rng.normal(0, 1.5) for k in range(blocks)]


def test_a_dry_room_is_waited_for_no_longer_than_anywhere() -> None:
    assert LEAST - BLOCK <= lasts(decay(0.3)) <= LEAST + BLOCK


@pytest.mark.parametrize("t60", [0.7, 0.9, 1.1])
def test_a_long_tail_is_waited_for(t60: float) -> None:
    over_noise = (NOISE + 15 + 8) / -60 * t60 * 16000
    assert lasts(decay(t60)) >= min(over_noise, LEAST + MOST - BLOCK)


def test_whoever_speaks_into_the_tail_is_heard_at_the_next_syllable() -> None:
    syllables = [-25 + 9 * np.sin(2 * np.pi * k * BLOCK / 16000 * 4) for k in range(120)]
    assert lasts(syllables) <= LEAST + 0.25 * 16000


def rises(levels: list[float]) -> bool:
    """Whether any block after the direct sound, of these levels each, is higher than one before it."""
    tail, found = Tail(), False
    for index, level in enumerate([levels[0]] * 50 + levels):
        tail.hear(max(0, index - 49) * BLOCK, 0, level, NOISE)
        found |= tail.rises(direct=index < 50)
    return found


def test_a_tail_only_falls_and_a_voice_rises() -> None:
    steady = [max(NOISE, -15 - 60 * k * BLOCK / 16000 / 0.6) for k in range(25)]
    assert not rises(steady)
    assert rises([level if k < 12 else -25.0 for k, level in enumerate(steady)])


def test_nothing_lasts_for_ever() -> None:
    assert lasts([-20.0] * 200) <= LEAST + MOST


def test_without_any_sound_there_is_no_echo() -> None:
    assert not Tail().hear(10 * 16000, 16000, -20.0, NOISE)


def pauses(t60: float, count: int = 4, speech: float = 0.0, noise: float = 1e-4, way: int = 1_600) -> Decay:
    """What is known of a room after so many pauses of 0.5 s in our sound, which takes `way` samples; `speech` is the
    level of somebody who speaks all the time, four syllables a second."""
    rng, decay = np.random.default_rng(0), Decay()
    for _ in range(count):
        for block in range(60):
            quiet = max(0, block - 29) * BLOCK
            fades = 10 ** (-3 * max(0, quiet - way) / 16_000 / t60)
            loud = np.hypot(0.1 * fades, noise) + speech * (1 + np.sin(0.4 * block))
            decay.hear((loud * rng.standard_normal(BLOCK)).astype(np.float32), quiet, way)
    return decay


@pytest.mark.parametrize(("t60", "slow"), [(0.2, False), (0.5, False), (0.95, True), (1.2, True)])
def test_a_room_that_reverberates_for_long_is_known_by_how_slowly_sound_falls(t60: float, slow: bool) -> None:
    assert pauses(t60).slow is slow
    assert not pauses(t60, count=1).slow


def test_neither_speech_nor_noise_makes_a_room_slow() -> None:
    assert not pauses(0.3, speech=0.1).slow
    assert not pauses(0.3, noise=0.04).slow
