"""Hummed, breathed or spoken: on made-up hums and coughs, and on synthetic people's words."""

from __future__ import annotations

import numpy as np
import pytest
from tests.ears.echo_sounds import spoken

from echoless.ears.manner import Manner, manner
from echoless.frames import RATE, Samples
from echoless.rooms.people import cough, nod


def in_a_room(sound: Samples, noise: float = 1e-3) -> Samples:
    """Softly, with noise, and silence before and after."""
    out = np.concatenate((np.zeros(3200, np.float32), 0.3 * sound, np.zeros(1600, np.float32)))
    return out + noise * np.random.default_rng(len(sound)).standard_normal(len(out)).astype(np.float32)


@pytest.mark.parametrize("seed", range(20, 32))
def test_a_hum_is_a_hum(seed: int) -> None:
    assert manner(in_a_room(nod(seed))) is Manner.HUM


@pytest.mark.parametrize("seed", range(20, 26))
def test_a_cough_has_no_pitch(seed: int) -> None:
    assert manner(in_a_room(cough(seed))) is Manner.BREATH


@pytest.mark.parametrize("voice", ["en-us+f4", "en-gb+m2", "en-us+m6"])
def test_speech_is_spoken(voice: str) -> None:
    assert manner(in_a_room(spoken(voice, 1))) is Manner.WORD


def test_nothing_is_nobodys_word() -> None:
    assert manner(np.zeros(0, np.float32)) is Manner.BREATH
    assert manner(np.zeros(RATE, np.float32)) is Manner.BREATH
    assert manner(1e-3 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)) is Manner.BREATH
