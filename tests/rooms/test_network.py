"""A packet network: what it does to sound, and that the room's line goes through it both ways."""

import numpy as np
import pytest

from echoless.frames import BLOCK, RATE
from echoless.rooms.levels import speech_like
from echoless.rooms.line import RoomLine
from echoless.rooms.network import Network
from echoless.rooms.script import ScriptError, parse
from echoless.rooms.virtual import run_virtual

SPEECH = speech_like(12.0)


def through(delay, jitter, loss, seed=0):
    network = Network(delay, jitter, loss, np.random.default_rng(seed))
    return np.concatenate([network(block) for block in SPEECH.reshape(-1, BLOCK)])


def lag(sent, heard, begin, length=RATE):
    """Milliseconds by which `heard` is later than `sent`, over a second of it, and how alike the two are."""
    piece = heard[begin : begin + length]
    first = max(0, begin - RATE)
    part = sent[first : begin + length]
    alike = np.correlate(part, piece, "valid")
    at = int(np.argmax(alike))
    there = part[at : at + length]
    return (begin - first - at) * 1000 / RATE, float(there @ piece / np.sqrt((there @ there) * (piece @ piece) + 1e-12))


def test_a_perfect_network_only_delays():
    heard = through(100, 0, 0)
    late, alike = lag(SPEECH, heard, 5 * RATE)
    assert 100 <= late <= 160
    assert alike > 0.99
    assert late == pytest.approx(lag(SPEECH, heard, 9 * RATE)[0], abs=1)


def test_jitter_makes_the_delay_walk_and_loss_is_filled():
    heard = through(100, 20, 0.05)
    found = [lag(SPEECH, heard, second * RATE, RATE // 4) for second in range(2, 11)]
    lates = [late for late, alike in found if alike > 0.5]  # the others were stretched, or made up, just then
    assert len(lates) >= 4
    assert max(lates) - min(lates) > 4
    assert all(100 <= late <= 320 for late in lates)
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() <= 1.2 * np.abs(SPEECH).max()
    silent = np.mean(np.abs(heard[2 * RATE :]) < 1e-5), np.mean(np.abs(SPEECH[2 * RATE :]) < 1e-5)
    assert silent[0] - silent[1] < 0.02


def test_the_same_seed_is_the_same_network():
    assert np.array_equal(through(50, 15, 0.03), through(50, 15, 0.03))
    assert not np.array_equal(through(50, 15, 0.03), through(50, 15, 0.03, seed=1))


@pytest.mark.parametrize("canceller", [False, True])
def test_a_line_over_a_network_sends_the_reference_and_gets_its_echo_late(tmp_path, canceller):
    pytest.importorskip("livekit.rtc.apm") if canceller else None
    told = parse(
        f"""{{"seconds": 4, "room": {{"network_ms": 300, "network_jitter_ms": 0, "delay_ms": 20, "rt60": 0,
        "noise_db": -90, "nonlinear": 0, "cancels_echo": {str(canceller).lower()}}}}}""",
        tmp_path,
    )
    line = RoomLine(told, 1)
    sent, blocks = SPEECH[: 4 * RATE], []

    async def call():
        await line.open()
        for block in sent.reshape(-1, BLOCK):
            blocks.append(await line.exchange(block))  # noqa: PERF401

    run_virtual(call())
    reference = np.concatenate([b.reference for b in blocks])
    heard = np.concatenate([b.microphone for b in blocks])
    assert line.traits.cancels_echo == canceller
    assert 0.15 < line.traits.latency < 0.25
    assert np.allclose(reference, sent, atol=1e-4)
    line.save(tmp_path)
    assert (tmp_path / "reference.wav").is_file()
    if canceller:
        assert np.std(heard[3 * RATE :]) < 0.3 * 10 ** (-26 / 20)
    else:
        late, alike = lag(sent, heard, 2 * RATE)
        assert 320 <= late <= 480
        assert abs(alike) > 0.7


def test_another_rate_is_refused(tmp_path):
    with pytest.raises(ScriptError, match="network_ms"):
        RoomLine(parse('{"rate": 48000, "room": {"network_ms": 100}}', tmp_path), 0)
