"""Other sound of this machine joins the reference; our own is not in it twice."""

from __future__ import annotations

import ctypes.util
from pathlib import Path

import numpy as np
import pytest
import soundfile
import virtual_card
from test_soundcard import card, echo_delay, microphone, real, reference, run, silence

from echoless.lines.align import ClockLine
from echoless.lines.monitor import Monitor
from echoless.lines.rings import Mark, Ring
from echoless.lines.soundcard import SoundCardLine

__all__ = ["card"]
RATE, BLOCK = 48_000, 768


class Tap:
    def __init__(self) -> None:
        self.ring, self.mark, self.alive = Ring(4 * RATE), None, True

    def close(self) -> None:
        self.alive = False


class Machine:
    """A sink: ours, `gain` loud and `late` samples after its time stamps say, plus what others play."""

    def __init__(self, gain: float = 0.7, late: int = 777) -> None:
        self.history, self.tap, self.played = Ring(4 * RATE), Tap(), ClockLine(RATE)
        self.monitor = Monitor(RATE, self.tap)
        self.gain, self.late = gain, late
        self.pending = np.zeros(late, np.float32)

    def step(self, own: np.ndarray, other: np.ndarray) -> np.ndarray:
        now = 1e9 + self.history.written / RATE
        self.played.observe(Mark(self.history.written, now))
        self.tap.mark = Mark(self.tap.ring.written, now)
        self.history.write(own)
        mixed = np.concatenate((self.pending, self.gain * own)).astype(np.float32)
        ours, self.pending = mixed[:BLOCK], mixed[BLOCK:]
        self.tap.ring.write(ours + self.gain * other)
        start = self.history.written - 4 * BLOCK  # the reference is read some blocks behind
        return self.monitor.join(self.history.read(start, BLOCK), start, self.history, self.played)

    def run(self, own: np.ndarray, other: np.ndarray) -> np.ndarray:
        blocks = zip(own.reshape(-1, BLOCK), other.reshape(-1, BLOCK), strict=True)
        return np.concatenate([self.step(a, b) for a, b in blocks])


def noise(blocks: int, level: float, seed: int) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(blocks * BLOCK)).astype(np.float32)


def test_our_own_sound_is_not_in_the_reference_twice() -> None:
    machine, own = Machine(), noise(200, 0.1, 1)
    got = machine.run(own, 0 * own)
    behind = got[3 * BLOCK :] - own[: -3 * BLOCK]
    assert np.abs(behind[100 * BLOCK :]).max() < 0.001
    assert np.abs(behind).max() < 0.001  # nor before its place was found
    assert not machine.monitor.present


def test_while_we_are_silent_all_of_the_monitor_joins() -> None:
    machine, music = Machine(gain=1.0), noise(100, 0.05, 2)
    got = machine.run(0 * music, music)
    assert np.allclose(got[3 * BLOCK :], music[: -3 * BLOCK], atol=1e-6)
    assert machine.monitor.present


def test_both_at_once_once_our_place_is_known() -> None:
    """Found while we spoke alone; then music comes on top. Volumes are undone: what we played counts as played."""
    machine = Machine(gain=0.5)
    machine.run(noise(80, 0.1, 1), 0 * noise(80, 0.1, 1))
    own, music = noise(80, 0.1, 3), noise(80, 0.05, 4)
    got = machine.run(own, music)[3 * BLOCK :]
    rest = got - own[: -3 * BLOCK]
    assert machine.monitor.gain == pytest.approx(0.5, rel=0.02)
    late = machine.late  # music is not late: it leads by what the sink holds of ours
    assert np.corrcoef(rest[: -late or None], music[late : late + len(rest) - late])[0, 1] > 0.95


def test_a_place_that_is_no_longer_ours_is_given_up() -> None:
    """The server dropped something: until our sound is found again the reference is ours alone, not ours twice."""
    machine = Machine()
    machine.run(noise(80, 0.1, 1), 0 * noise(80, 0.1, 1))
    assert machine.monitor.shift is not None
    machine.pending = np.zeros(RATE // 2, np.float32)
    own = noise(80, 0.1, 6)
    got = machine.run(own, 0 * own)
    assert np.allclose(got[70 * BLOCK :], own[67 * BLOCK : -3 * BLOCK], atol=1e-3)


def test_a_monitor_that_ends_leaves_the_reference_alone() -> None:
    machine, own = Machine(), noise(50, 0.1, 1)
    machine.run(own, own)
    machine.tap.close()
    got = machine.run(own, own)
    assert np.array_equal(got[3 * BLOCK :], own[: -3 * BLOCK])
    assert not machine.monitor.present


@real
@pytest.mark.card
@pytest.mark.slow
@pytest.mark.skipif(ctypes.util.find_library("pulse-simple") is None, reason="no libpulse-simple")
async def test_music_of_another_program_comes_before_its_echo(card: virtual_card.VirtualCard, tmp_path: Path) -> None:
    """Another program plays noise through the same loudspeaker; we are silent, then speak as well."""
    card.loop(20)
    soundfile.write(tmp_path / "music.wav", np.tile(noise(100, 0.1, 5), 7), RATE)
    line = SoundCardLine(monitor=True)
    await line.open()
    await run(line, silence(line, 1.5))
    t = np.arange(3 * RATE // 2) / RATE
    speech = (0.2 * np.sin(2 * np.pi * (300 + 600 * t) * t)).astype(np.float32)
    await run(line, speech)
    player = card.play(tmp_path / "music.wav", sink="spk", wait=False)
    await run(line, silence(line, 1.0))
    alone = await run(line, silence(line, 1.5))
    both = await run(line, speech)
    player.terminate()
    player.wait()
    await line.aclose()
    for blocks in (alone, both):
        heard, known = microphone(blocks), reference(blocks)
        assert known.std() == pytest.approx(heard.std(), rel=0.3)
        assert 0 < echo_delay(blocks, 0.3, 1.0) < 0.4


@real
async def test_without_it_the_reference_is_ours_alone(card: virtual_card.VirtualCard, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "music.wav", noise(100, 0.1, 5), RATE)
    line = SoundCardLine()
    await line.open()
    player = card.play(tmp_path / "music.wav", sink="spk", wait=False)
    blocks = await run(line, silence(line, 1.0))
    player.terminate()
    player.wait()
    await line.aclose()
    assert not reference(blocks).any()
