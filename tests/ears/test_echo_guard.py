"""The canceller and the whole guard in a small synthetic room: no recordings, a voice made here."""

import numpy as np
import pytest
from tests.ears.echo_sounds import Sound, delayed, echo_of, noise, room, speechlike, spoken

from echoless.ears.canceller import FFT, Canceller
from echoless.ears.drift import Playback
from echoless.ears.evidence import NAMES
from echoless.ears.guard import EchoGuard, Heard
from echoless.frames import BLOCK, RATE


def level(x: Sound) -> float:
    return float(10 * np.log10(np.mean(np.square(x)) + 1e-12))


def call(guard: EchoGuard, microphone: Sound, reference: Sound) -> list[Heard]:
    return [
        guard.hear(microphone[at : at + BLOCK], reference[at : at + BLOCK]) for at in range(0, len(reference), BLOCK)
    ]


def cleaned(heard: list[Heard]) -> Sound:
    return np.concatenate([one.clean for one in heard])


def test_canceller_learns_a_path_it_can_hold():
    reference = speechlike(3)
    echo = np.convolve(reference, room())[: len(reference)].astype(np.float32)
    canceller = Canceller()
    padded = np.concatenate((np.zeros(BLOCK, np.float32), reference))
    residual = [
        canceller.hear(echo[at : at + BLOCK], padded[at : at + FFT])[0] for at in range(0, len(reference), BLOCK)
    ]
    assert level(np.concatenate(residual)[-RATE:]) < level(echo[-RATE:]) - 25


def test_echo_of_unknown_delay_is_cancelled():
    reference = speechlike(5)
    echo = echo_of(reference, 330)
    heard = call(EchoGuard(), echo + noise(len(echo)), reference)
    assert level(cleaned(heard)[-RATE:]) < level(echo[-RATE:]) - 20
    assert heard[-1].evidence["delay_ms"] == pytest.approx(330, abs=4)
    assert heard[-1].mode == "full"


@pytest.mark.parametrize(("cancels", "latency", "seconds"), [(True, 0.1, 0.5), (True, 0.0, 1.15), (False, 0.1, 1.0)])
def test_how_long_our_sound_is_reckoned_with_where_no_delay_is_known(cancels, latency, seconds):
    guard = EchoGuard(cancels)
    guard.latency = latency
    played = np.concatenate((speechlike(1), np.zeros(2 * RATE, np.float32)))
    heard = call(guard, noise(len(played)), played)
    last = np.flatnonzero([one.direct for one in heard])[-1] * BLOCK / RATE - 1
    assert last == pytest.approx(seconds, abs=0.15)


def test_a_late_reference_holds_the_microphone_back():
    played = speechlike(6)
    echo = echo_of(played, 5)
    guard = EchoGuard()
    heard = call(guard, echo + noise(len(echo)), delayed(played, 35 * 16))
    assert guard.hold in (2, 3)
    assert level(cleaned(heard)[-RATE:]) < level(echo[-RATE:]) - 15


def test_drift_is_taken_out():
    reference = speechlike(8)
    time = np.arange(len(reference))
    echo = echo_of(reference)
    echo = np.interp(time * (1 - 200e-6), time, echo).astype(np.float32)
    heard = call(EchoGuard(), echo + noise(len(echo)), reference)
    assert heard[-1].evidence["drift_ppm"] == pytest.approx(200, abs=25)
    assert level(cleaned(heard)[-RATE:]) < level(echo[-RATE:]) - 12


def test_the_user_stays_whole():
    reference = speechlike(6)
    echo = echo_of(reference)
    user = 0.5 * spoken("en-us+f4", 6, begin=4)
    heard = call(EchoGuard(), echo + user + noise(len(echo)), reference)
    left = cleaned(heard)[4 * RATE :] - user[4 * RATE :]
    assert level(left) < level(user[4 * RATE :]) - 6


def test_echo_alone_is_not_taken_for_a_person():
    taken = []
    for name in ("en-us+m3", "en-us+f4", "en-gb+m3", "en-us+f3", "en-us+m7", "en-gb+f2"):
        reference = spoken(name, 8)
        heard = call(EchoGuard(), echo_of(reference) + noise(len(reference)), reference)
        taken.append(np.mean([one.near > 0.5 for one in heard]))
        assert max(one.voice for one in heard) > 0.5
    assert np.mean(taken) < 0.012


@pytest.mark.parametrize(("sounding", "taken"), [(True, False), (False, True)])
def test_what_is_heard_of_a_lost_reference_is_nobody(sounding: bool, taken: bool):
    played = spoken("en-us+m3", 8)
    reference = played.copy()
    for begin in (5.0, 6.0, 7.0):
        reference[round(begin * RATE / BLOCK) * BLOCK :][: RATE // 4 // BLOCK * BLOCK] = 0
    guard = EchoGuard()
    guard.sounding = sounding
    heard = call(guard, echo_of(played) + noise(len(played)), reference)
    assert any(one.near > 0.5 for one in heard[5 * RATE // BLOCK :]) is taken


def test_a_person_is_heard_while_the_reference_is_lost():
    played, user = spoken("en-us+m3", 8), spoken("en-us+f4", 8, begin=5)
    reference = played.copy()
    reference[6 * RATE : 6 * RATE + RATE // 4] = 0
    guard = EchoGuard()
    guard.sounding = True
    heard = call(guard, echo_of(played) + user + noise(len(user)), reference)
    assert np.mean([one.near > 0.5 for one in heard[6 * RATE // BLOCK :][: RATE // 2 // BLOCK]]) > 0.6


def test_a_person_is_heard_over_the_agent():
    reference = spoken("en-us+m3", 8)
    user = spoken("en-us+f4", 8, begin=5)
    heard = call(EchoGuard(), echo_of(reference) + user + noise(len(user)), reference)
    near = np.array([one.near for one in heard])
    first = 5 * RATE // BLOCK
    assert np.mean(near[first - 60 : first] > 0.5) < 0.05
    assert np.mean(near[first + 10 :] > 0.5) > 0.7


def test_a_person_is_heard_where_nothing_is_played():
    user = spoken("en-us+f4", 6)
    heard = call(EchoGuard(), user, np.zeros_like(user))
    speaking = np.array([one.voice > 0.8 for one in heard])
    assert speaking.mean() > 0.4
    assert np.mean([one.near for one, speaks in zip(heard, speaking, strict=True) if speaks]) > 0.7
    assert not any(one.echo for one in heard)


def test_echo_is_possible_until_delay_and_reverberation_have_passed():
    reference = speechlike(4)
    reference[3 * RATE :] = 0
    heard = call(EchoGuard(), echo_of(reference, 200) + noise(len(reference)), reference)
    ends = max(index for index, one in enumerate(heard) if one.echo) * BLOCK / RATE
    assert 3.4 < ends < 3.7


def test_features_are_finite_whatever_comes_in():
    guard = EchoGuard()
    rng = np.random.default_rng(1)
    for kind in range(120):
        loud = [np.zeros(BLOCK), np.ones(BLOCK), rng.uniform(-1, 1, BLOCK)][kind // 40].astype(np.float32)
        heard = guard.hear(loud, loud[::-1].copy())
        assert np.isfinite(heard.clean).all()
        assert 0 <= heard.near <= 1
        assert guard.features.shape == (len(NAMES),)
        assert np.isfinite(guard.features).all()


def test_the_path_may_begin_earlier_without_being_learnt_again():
    """Where the loudspeaker comes nearer, the reference is read earlier and what was learnt moves with it."""
    reference = speechlike(6)
    echo, playback, canceller = echo_of(reference), Playback(), Canceller()
    offset, left = 1_590, []
    for at in range(0, len(reference), BLOCK):
        playback.push(reference[at : at + BLOCK])
        if at == 5 * RATE // BLOCK * BLOCK:
            offset -= 40
            canceller.shift(40)
            canceller.align(playback.read(offset + BLOCK, BLOCK * (canceller.partitions + 1)))
        left.append(canceller.hear(echo[at : at + BLOCK], playback.read(offset, FFT))[0])
    after = slice(5 * RATE, 5 * RATE + RATE // 4)
    assert level(np.concatenate(left)[after]) < level(echo[after]) - 20
