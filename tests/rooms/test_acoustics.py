"""The way from loudspeaker to microphone: levels, delays, drift, changes."""

import numpy as np
import pytest
from scipy.signal import correlate

from echoless.frames import BLOCK, RATE
from echoless.rooms.acoustics import Convolver, DelayLine, EchoPath, Loudspeaker, Noise, impulse, places
from echoless.rooms.faults import ReferenceFeed
from echoless.rooms.levels import active_level, factor, speech_like
from echoless.rooms.script import RoomSettings


def through(path, x):
    blocks = x[: len(x) // path_block(path) * path_block(path)].reshape(-1, path_block(path))
    return np.concatenate([path.play(b) for b in blocks])


def path_block(path):
    return getattr(path, "block", BLOCK)


def lag(reference, echo):
    return int(np.argmax(np.abs(correlate(echo, reference, mode="full", method="fft")))) - (len(reference) - 1)


NOISE = (np.random.default_rng(0).standard_normal(4 * RATE) * 0.05).astype(np.float32)


def test_active_level_ignores_pauses():
    x = np.zeros(10 * RATE, np.float32)
    x[RATE : 5 * RATE] = 0.1 * np.sqrt(2) * np.sin(2 * np.pi * 440 * np.arange(4 * RATE) / RATE)
    # 4 s of activity and 0.2 s of hangover
    assert active_level(x) == pytest.approx(-20.0, abs=0.5)
    assert active_level(x * 0.1) == pytest.approx(-40.0, abs=0.5)
    assert active_level(np.zeros(RATE, np.float32)) == -np.inf


@pytest.mark.parametrize("echo_db", [-10, 0, 15])
@pytest.mark.parametrize("room", [{}, {"rt60": 0, "nonlinear": 0}, {"rt60": 0.8, "nonlinear": 1.0, "drift_ppm": 100}])
def test_echo_of_speech_at_minus_20_arrives_as_the_script_says(echo_db, room):
    path = EchoPath(RoomSettings(echo_db=echo_db, **room), seed=4)
    assert active_level(through(path, speech_like())) == pytest.approx(-26 + echo_db, abs=0.7)


def test_gain_does_not_follow_the_agent():
    settings = RoomSettings(echo_db=6, nonlinear=0)
    loud = through(EchoPath(settings, 1), speech_like())
    quiet = through(EchoPath(settings, 1), speech_like() * np.float32(factor(-20)))
    assert active_level(loud) - active_level(quiet) == pytest.approx(20, abs=0.1)


def test_a_voice_at_another_rate_is_as_loud_and_as_late():
    settings = RoomSettings(echo_db=0, nonlinear=0, rt60=0, delay_ms=100)
    from scipy.signal import resample_poly

    narrow = EchoPath(settings, 1)
    wide = EchoPath(settings, 1, rate=48000)
    x = speech_like()[: 3 * RATE // BLOCK * BLOCK]
    up = resample_poly(x, 3, 1).astype(np.float32)
    a = np.concatenate([narrow.play(b) for b in x.reshape(-1, BLOCK)])
    b = np.concatenate([wide.play(b) for b in up[: len(up) // 768 * 768].reshape(-1, 768)])
    n = min(len(a), len(b))
    assert np.sum((a[:n] - b[:n]) ** 2) < 0.01 * np.sum(a[:n] ** 2)


def test_delay_and_its_jumps():
    settings = RoomSettings(rt60=0, nonlinear=0, delay_ms=100, delay_jumps=((2.0, 50), (3.0, -500)))
    echo = through(EchoPath(settings, 1), NOISE)
    direct = int(0.5 / 343 * RATE)
    assert abs(lag(NOISE[:RATE], echo[: 2 * RATE]) - 1600 - direct) <= 3
    part = slice(int(2.3 * RATE), int(2.9 * RATE))
    assert abs(lag(NOISE[part], echo[part]) - 2400 - direct) <= 3
    part = slice(int(3.2 * RATE), int(3.8 * RATE))
    assert abs(lag(NOISE[part], echo[part]) - direct) <= 3  # never below 0


def test_drift_walks_and_slips_back():
    path = EchoPath(RoomSettings(drift_ppm=100, delay_ms=100))
    assert path.delay_at(0) == 1600
    assert path.delay_at(100) == pytest.approx(1600 - 160)
    assert path.delay_at(250) == pytest.approx(1600 - 400 + 320)
    slow = EchoPath(RoomSettings(drift_ppm=-100, delay_ms=100))
    assert slow.delay_at(100) == pytest.approx(1600 + 160)


def test_drift_resamples_cleanly():
    settings = RoomSettings(rt60=0, nonlinear=0, drift_ppm=200, delay_ms=100)
    t = np.arange(2 * RATE) / RATE
    echo = through(EchoPath(settings, 1), (0.1 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32))[RATE:]
    spectrum = np.abs(np.fft.rfft(echo * np.hanning(len(echo)))) ** 2
    peak = int(np.argmax(spectrum))
    around = spectrum[peak - 4 : peak + 5].sum()
    assert 10 * np.log10(around / (spectrum.sum() - around)) > 50


def test_fractional_delay_is_exact():
    line = DelayLine()
    tone = np.sin(2 * np.pi * 0.05 * np.arange(8 * BLOCK)).astype(np.float32)
    out = np.concatenate([line(b, np.full(BLOCK, 100.25)) for b in tone.reshape(-1, BLOCK)])
    expected = np.sin(2 * np.pi * 0.05 * (np.arange(8 * BLOCK) - 100.25))
    assert np.max(np.abs(out - expected)[BLOCK:]) < 2e-3


def test_delay_line_goes_on_past_its_buffer():
    line = DelayLine()
    for i in range(1200):
        out = line(np.full(BLOCK, i, np.float32), 512.0)
    assert out[0] == 1197


def test_convolver_equals_plain_convolution():
    rng = np.random.default_rng(2)
    h, x = rng.standard_normal(1000).astype(np.float32), rng.standard_normal(40 * BLOCK).astype(np.float32)
    convolver = Convolver(h, 1000)
    y = np.concatenate([convolver(b) for b in x.reshape(-1, BLOCK)])
    assert np.allclose(y, np.convolve(x, h)[: len(x)], atol=1e-2)


def test_path_change_changes_the_path_without_a_click():
    settings = RoomSettings(path_changes=((1.0, 0.5),), nonlinear=0)
    x = np.sin(2 * np.pi * 300 * np.arange(2 * RATE) / RATE).astype(np.float32) * 0.1
    still = through(EchoPath(settings.model_copy(update={"path_changes": ()}), 3), x)
    moving = through(EchoPath(settings, 3), x)
    assert np.allclose(still[:RATE], moving[:RATE], atol=1e-6)
    assert np.sum((still - moving)[int(1.3 * RATE) :] ** 2) > 0.05 * np.sum(still[int(1.3 * RATE) :] ** 2)
    assert np.max(np.abs(np.diff(moving[RATE // 2 :]))) < 2 * np.max(np.abs(np.diff(still[RATE // 2 : RATE])))


def test_restless_path_keeps_changing():
    restless = through(EchoPath(RoomSettings(restless=0.1, nonlinear=0), 3), NOISE)
    still = through(EchoPath(RoomSettings(nonlinear=0), 3), NOISE)
    for second in range(2, 4):
        part = slice(second * RATE, (second + 1) * RATE)
        assert np.sum((restless - still)[part] ** 2) > 0.01 * np.sum(still[part] ** 2)


def test_volume_changes():
    echo = through(EchoPath(RoomSettings(volume_changes=((2.0, -12),), nonlinear=0), 3), NOISE)
    before, after = echo[RATE : 2 * RATE], echo[3 * RATE :]
    assert 10 * np.log10(np.sum(before**2) / np.sum(after**2)) == pytest.approx(12, abs=0.7)


@pytest.mark.parametrize(("nonlinear", "least", "most"), [(0.1, 25, 40), (0.3, 15, 23), (1.0, 6, 12)])
def test_loudspeaker_is_as_bad_as_real_ones(nonlinear, least, most):
    x = speech_like()
    y = Loudspeaker(nonlinear)(x)
    taps = np.lib.stride_tricks.sliding_window_view(np.concatenate([np.zeros(127, np.float32), x]), 128)[::7]
    fit, *_ = np.linalg.lstsq(taps, y[::7], rcond=None)
    left = y[::7] - taps @ fit
    assert least < 10 * np.log10(np.sum(y[::7] ** 2) / np.sum(left**2)) < most


def test_reverberation_time():
    h = impulse((6.0, 5.0, 3.0), 0.3, (2.0, 2.0, 1.2), (4.0, 3.0, 1.5))
    decay = 10 * np.log10(np.cumsum((h**2)[::-1])[::-1] / np.sum(h**2))
    t20 = 3 * (np.argmax(decay < -25) - np.argmax(decay < -5)) / RATE
    assert t20 == pytest.approx(0.3, rel=0.35)


def test_everything_follows_from_the_seed_and_stays_inside():
    for seed in range(50):
        settings = RoomSettings(size=(2.0, 2.0, 2.2), user_distance=3)
        one = places(settings, seed)
        assert one == places(settings, seed)
        for point in (one.microphone, one.loudspeaker, one.user):
            assert all(0.2 <= p <= s - 0.2 for p, s in zip(point, settings.size, strict=True))
    assert places(RoomSettings(), 1) != places(RoomSettings(), 2)


@pytest.mark.parametrize("kind", ["pink", "white"])
def test_noise_has_its_level(kind):
    noise = Noise(RoomSettings(noise=kind, noise_db=-50), 1)
    x = np.concatenate([noise.block() for _ in range(500)])
    assert 10 * np.log10(np.mean(x**2)) == pytest.approx(-50, abs=0.7)


def test_reference_late_gaps_and_losses():
    x = np.arange(1, 251 * BLOCK + 1, dtype=np.float32)
    blocks = x[: 250 * BLOCK].reshape(-1, BLOCK)
    feed = ReferenceFeed(RoomSettings(reference_late=((1.0, 50),), reference_gaps=((2.0, 160),)))
    out = np.concatenate([feed(b) for b in blocks])
    assert np.array_equal(out[:RATE], x[:RATE])
    after = RATE // BLOCK * BLOCK + BLOCK
    assert np.array_equal(out[after : 2 * RATE], x[after - 800 : 2 * RATE - 800])
    assert not out[2 * RATE + BLOCK : 2 * RATE + 9 * BLOCK].any()
    lossy = ReferenceFeed(RoomSettings(reference_loss=0.1), 1)
    assert 10 < sum(not lossy(b).any() for b in blocks) < 45
