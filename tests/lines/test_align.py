"""Two converters, two clocks: the reference is never late and stands still."""

import numpy as np
import pytest

from echoless.lines.align import EARLY, ClockLine, ReferenceReader
from echoless.lines.rings import Mark, Ring

RATE, BLOCK = 48_000, 768


class TwoCards:
    """Ideal microphone and loudspeaker with a direct path between them: what is played at t is heard at t."""

    def __init__(self, drift: float = 0.0, jitter: float = 0.0, lead: float = 0.04, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.jitter, self.lead, self.drift = jitter, lead, drift
        self.history = Ring(4 * RATE)
        self.reader = ReferenceReader(RATE)
        self.start = 1_795_454_280.0
        self.heard = 0
        self.gap = 0.0

    def noise(self) -> float:
        return float(self.rng.normal(0, self.jitter))

    def step(self, sound: bool) -> tuple[np.ndarray, float]:
        """One block: the reference's samples, and by how much (seconds) they come before their echo.

        Played samples carry their own number, so that the reference tells where it was read.
        """
        now = self.start + (self.heard + BLOCK) / RATE + 0.01
        until = int((now - self.start - self.gap + self.lead) * RATE / (1 + self.drift))
        fresh = np.arange(self.history.written, until, dtype=np.float64) % 500_000 + 1
        self.reader.heard.observe(Mark(self.heard, self.start + self.heard / RATE + self.noise()))
        self.reader.played.observe(Mark(self.history.written, self.dac(self.history.written) + self.noise()))
        self.history.write((fresh if sound else 0 * fresh).astype(np.float32))
        got = self.reader.read(self.history, self.heard, BLOCK)
        capture = self.start + self.heard / RATE
        self.heard += BLOCK
        early = self.dac(self.at()) - capture - BLOCK / RATE
        return got, early

    def at(self) -> float:
        assert self.reader.position is not None
        return self.reader.position

    def dac(self, position: float) -> float:
        return self.start + self.gap + position / RATE * (1 + self.drift)


def run(cards: TwoCards, seconds: float, sound: bool = True) -> list[float]:
    return [cards.step(sound)[1] for _ in range(int(seconds * RATE / BLOCK))]


@pytest.mark.parametrize("jitter", [0.0, 0.001, 0.003])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_clock_is_read_without_a_step_and_never_late(jitter: float, seed: int) -> None:
    cards = TwoCards(jitter=jitter, seed=seed)
    run(cards, 5, sound=False)
    jumps = cards.reader.jumps
    early = run(cards, 60)
    assert cards.reader.jumps == jumps
    assert min(early) == pytest.approx(max(early), abs=1e-5)
    assert min(early) > 0
    assert min(early) == pytest.approx(EARLY, abs=0.006)


def test_what_is_read_is_what_was_played() -> None:
    cards = TwoCards()
    run(cards, 2)
    a, b = cards.step(True)[0], cards.step(True)[0]
    assert np.array_equal(np.diff(np.concatenate((a, b))), np.ones(2 * BLOCK - 1))


@pytest.mark.parametrize("ppm", [-120, -75, 75, 120])
def test_drift_is_followed_and_never_late(ppm: int) -> None:
    """75 ppm is what real pairs of devices show; half a minute passes before it is certain."""
    cards = TwoCards(drift=ppm * 1e-6, jitter=0.0005)
    early = run(cards, 120)
    assert min(early) > 0
    settled = np.array(early[-int(30 * RATE / BLOCK) :])
    assert np.ptp(settled) < 0.001
    assert abs((cards.reader.heard.drift - cards.reader.played.drift) * 1e6 + ppm) < 10


def test_pulseaudios_wandering_is_not_taken_for_drift() -> None:
    line, rng, wander = ClockLine(RATE), np.random.default_rng(4), 0.0
    for k in range(62 * 120):
        wander = 0.995 * wander + 0.0002 * rng.standard_normal()
        line.observe(Mark(k * BLOCK, 1e9 + k * BLOCK / RATE + wander))
        assert abs(line.drift) < 60e-6
    assert abs(line.time_at(k * BLOCK) - 1e9 - k * BLOCK / RATE) < 0.004


@pytest.mark.parametrize("gap", [0.2, -0.035, 0.012])
def test_a_gap_in_the_loudspeaker_is_found_again(gap: float) -> None:
    """The device dropped or repeated something: from then on every sample is played later, or sooner."""
    cards = TwoCards(jitter=0.0005)
    run(cards, 10)
    cards.gap = gap
    early = run(cards, 12, sound=False)
    assert 0 < early[-1] < 0.04


def test_a_reference_that_became_late_is_put_right_even_while_playing() -> None:
    cards = TwoCards(jitter=0.0005)
    run(cards, 10)
    cards.gap = -0.035
    early = run(cards, 10)
    assert early[-1] > 0


def test_one_callback_needs_no_time_stamps() -> None:
    reader, history = ReferenceReader(RATE, same_clock=True), Ring(RATE)
    history.write(np.arange(1, 2001, dtype=np.float32))
    assert np.array_equal(reader.read(history, 768, 768), np.arange(769, 1537, dtype=np.float32))


def test_before_any_time_stamp_the_newest_is_taken() -> None:
    reader, history = ReferenceReader(RATE), Ring(RATE)
    history.write(np.arange(2000, dtype=np.float32))
    assert np.array_equal(reader.read(history, 0, 768), np.arange(2000 - 768, 2000, dtype=np.float32))


def test_a_moving_reference_is_interpolated_smoothly() -> None:
    t = np.arange(RATE * 40) / RATE
    tone = np.sin(2 * np.pi * 3000 * t).astype(np.float32)
    reader, history = ReferenceReader(RATE), Ring(RATE * 40)
    history.write(tone)
    reader.heard.observe(Mark(0, 0.0))
    reader.played.observe(Mark(0, 0.0))
    reader.played.drift = 100e-6
    got = np.concatenate([reader.read(history, k * BLOCK, BLOCK) for k in range(600)])
    spectrum = np.abs(np.fft.rfft(got * np.hanning(len(got)))) ** 2
    peak = int(np.argmax(spectrum))
    near = spectrum[peak - 300 : peak + 301].sum()
    assert 10 * np.log10((spectrum.sum() - near) / near) < -60
