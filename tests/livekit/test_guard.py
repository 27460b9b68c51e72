"""Whose loudspeaker comes back: told from what stands out while the agent speaks."""

import numpy as np

from echoless.frames import BLOCK, RATE
from echoless.lines.livekit import Voice
from echoless.livekit.guard import _Ear
from tests.ears.echo_sounds import noise, spoken

AGENT = np.tile(spoken("en-us+m1", 6), 2)
USER = spoken("en-us+f4", 6)


def heard(microphone: np.ndarray, seconds: float, cancels: bool = False) -> _Ear:
    ear = _Ear(cancels)
    for at in range(0, int(seconds * RATE) - BLOCK, BLOCK):
        ear.hear(Voice("ada", microphone[at : at + BLOCK], AGENT[at : at + BLOCK], cancels))
    return ear


def test_an_echo_is_feared_until_the_agent_was_heard_for_a_while():
    quiet = noise(12 * RATE) * 1e-3
    assert heard(quiet, 1).echoes
    assert not heard(quiet, 8).echoes
    assert not heard(quiet, 1, cancels=True).echoes


def test_somebody_who_talks_over_the_agent_is_no_echo():
    microphone = noise(12 * RATE) * 1e-3
    microphone[8 * RATE : 10 * RATE] += USER[: 2 * RATE]
    assert not heard(microphone, 10).echoes


def test_an_echo_is_one():
    late = np.concatenate((np.zeros(RATE // 10, np.float32), AGENT))[: 12 * RATE]
    assert heard(noise(12 * RATE) * 1e-3 + 0.3 * late[: 12 * RATE], 10).echoes
