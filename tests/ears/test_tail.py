"""How long an echo can outlast its cause."""

from __future__ import annotations

import numpy as np
import pytest

from echoless.ears.tail import LEAST, MOST, Tail
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


def test_nothing_lasts_for_ever() -> None:
    assert lasts([-20.0] * 200) <= LEAST + MOST


def test_without_any_sound_there_is_no_echo() -> None:
    assert not Tail().hear(10 * 16000, 16000, -20.0, NOISE)
