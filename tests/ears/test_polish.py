"""The recogniser's sound: what is left of the echo goes, the rest stays."""

import numpy as np
from tests.ears.echo_sounds import echo_of, spoken

from echoless.ears.evidence import BANDS
from echoless.ears.guard import EchoGuard
from echoless.ears.polish import polished
from echoless.frames import BLOCK, RATE


def decibels(sound: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(sound**2) + 1e-12))


def test_where_nothing_is_left_the_sound_is_the_same():
    voice = spoken("en-us+f4", 2)
    blocks = len(voice) // BLOCK
    assert polished(voice, [None] * blocks) is voice
    assert polished(voice[:0], []).shape == (0,)
    faint = np.full(BANDS, -90.0, np.float32)
    assert decibels(polished(voice, [faint] * blocks) - voice) < decibels(voice) - 25


def test_what_is_as_loud_as_usual_goes():
    voice = spoken("en-us+f4", 2, begin=0)
    loud = np.full(BANDS, 0.0, np.float32)
    blocks = len(voice) // BLOCK
    part = polished(voice, [loud] * (blocks // 2) + [None] * (blocks - blocks // 2))
    half = len(voice) // 2
    assert len(part) == len(voice)
    assert decibels(part[: half - RATE // 4]) < decibels(voice) - 15
    assert np.allclose(part[half + RATE // 2 :], voice[half + RATE // 2 :], atol=1e-3)


def test_a_talker_comes_out_clearer_than_the_canceller_leaves_them():
    agent = spoken("en-us+m3", 8)
    voice = spoken("en-us+f4", 8, begin=5)
    distorted = np.tanh(4 * echo_of(agent)) / 4
    guard, microphone = EchoGuard(), (distorted + voice).astype(np.float32)
    heard = [guard.hear(microphone[at : at + BLOCK], agent[at : at + BLOCK]) for at in range(0, len(agent), BLOCK)]
    before = np.concatenate([each.clean for each in heard])
    after = polished(before, [each.left for each in heard])
    alone, together = slice(3 * RATE, 5 * RATE), slice(5 * RATE + RATE // 4, None)
    assert decibels(after[alone]) < decibels(before[alone]) - 4
    assert decibels(after[together]) > decibels(voice[together]) - 3
