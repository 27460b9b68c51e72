"""What networks and jitter buffers do to a sound, and the scenes made with them."""

from __future__ import annotations

import numpy as np
import pytest
from tests.ears.echo_sounds import spoken

from echoless.frames import RATE, Samples
from echoless.rooms import far_end


@pytest.fixture(scope="module")
def voice() -> Samples:
    return spoken("en-us+m3", 8)


@pytest.mark.parametrize("way", [far_end.sent_down, far_end.sent_up, far_end.jitter_buffer, far_end.concealed])
def test_length_and_loudness_stay(way, voice: Samples) -> None:  # type: ignore[no-untyped-def]
    out = way(voice, np.random.default_rng(1))
    assert out.shape == voice.shape
    assert np.isfinite(out).all()
    assert np.std(out) == pytest.approx(np.std(voice), rel=0.2)


def lag(x: Samples, y: Samples, at: int, window: int = RATE // 4, most: int = 3200) -> int:
    """Samples by which `y` is later than `x` around `at`."""
    alike = np.correlate(y[at : at + window + most], x[at : at + window], "valid")
    return int(np.argmax(alike))


def test_a_jitter_buffer_makes_the_delay_wander(voice: Samples) -> None:
    out = far_end.jitter_buffer(voice, np.random.default_rng(3))
    lags = [lag(voice, out, at) for at in range(RATE, 7 * RATE, RATE // 2)]
    assert len(set(lags)) > 2
    assert max(lags) <= 0.16 * RATE


def test_a_codec_leaves_noise_under_the_sound(voice: Samples) -> None:
    for seed in range(5):
        out = far_end.coded(voice, np.random.default_rng(seed))
        noise = 20 * np.log10(np.std(out - voice) / np.std(voice))
        assert -30 < noise < -6
