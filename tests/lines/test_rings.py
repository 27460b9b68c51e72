import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from echoless.lines.rings import STEADY, Capture, Playback, Ring

RATE, BLOCK = 48_000, 768
LOUD, QUIET = np.full(BLOCK, 0.5, np.float32), np.zeros(BLOCK, np.float32)


@given(st.lists(st.integers(0, 25), max_size=30), st.integers(-5, 200), st.integers(0, 30))
def test_a_ring_knows_its_last_samples_and_nothing_else(sizes: list[int], start: int, count: int) -> None:
    ring, whole = Ring(16), np.zeros(0, np.float32)
    for size in sizes:
        piece = np.arange(len(whole) + 1, len(whole) + size + 1, dtype=np.float32)
        kept = piece[-16:]
        if size > 16:  # what a ring cannot hold is not counted
            piece = kept
        whole = np.concatenate((whole, piece))
        ring.write(kept)
    want = [whole[i] if 0 <= i < len(whole) and i >= len(whole) - 16 else 0.0 for i in range(start, start + count)]
    assert np.array_equal(ring.read(start, count), np.array(want, np.float32))


def test_capture_counts_what_a_slow_call_lost() -> None:
    capture = Capture(RATE)
    for k in range(5 * RATE // 480):
        capture.put(np.full(480, k, np.float32), k * 0.01, overflow=k == 7)
    start, samples, lost = capture.take(BLOCK)
    assert lost == RATE + 1  # a second more than the ring holds, and the device's own
    assert start == RATE
    assert samples[0] == 100
    assert capture.take(BLOCK)[2] == 0


def lockstep(playback: Playback, blocks: list[np.ndarray], per_block: int = BLOCK) -> np.ndarray:
    out = []
    for block in blocks:
        playback.push(block, 0)
        out.append(playback.pull(per_block, 0.0))
    return np.concatenate(out)


def test_the_queue_keeps_its_depth_and_every_sample() -> None:
    playback = Playback(RATE, BLOCK, 2 * BLOCK)
    sound = np.random.default_rng(0).uniform(0.1, 0.5, (50, BLOCK)).astype(np.float32)
    out = lockstep(playback, list(sound))
    assert playback.waiting == 2 * BLOCK
    delay = int(np.argmax(out != 0))
    assert np.array_equal(out[delay:], sound.reshape(-1)[: len(out) - delay])
    assert (playback.underruns, playback.dropped) == (0, 0)


def test_history_is_what_the_card_got_with_its_gaps() -> None:
    playback = Playback(RATE, BLOCK, BLOCK)
    playback.push(LOUD, 0)
    out = np.concatenate([playback.pull(500, 0.0) for _ in range(4)])
    assert np.array_equal(playback.history.read(0, 2000), out)
    assert not out[-400:].any()


def test_running_dry_while_heard_is_counted_once_and_deepens_the_queue() -> None:
    playback = Playback(RATE, BLOCK, BLOCK)
    lockstep(playback, [LOUD] * 3)
    before = playback.target
    for _ in range(5):
        playback.pull(BLOCK, 0.0)
    assert playback.underruns == 1
    playback.push(LOUD, 0)
    assert playback.target == before + BLOCK
    assert playback.waiting >= playback.target  # filled up at once, not a block at a time


def test_a_queue_that_has_grown_shrinks_after_steady_speech_in_the_next_pause() -> None:
    playback = Playback(RATE, BLOCK, BLOCK)
    lockstep(playback, [LOUD] * 3)
    playback.pull(3 * BLOCK, 0.0)  # runs dry
    playback.push(LOUD, 0)
    grown = playback.waiting
    assert playback.target == 2 * BLOCK
    lockstep(playback, [LOUD] * (round(STEADY * RATE) // BLOCK + 2))
    assert (playback.target, playback.waiting) == (BLOCK, grown)  # nothing of the speech is lost
    lockstep(playback, [QUIET] * 5)
    assert playback.waiting < grown
    lockstep(playback, [LOUD] * (2 * round(STEADY * RATE) // BLOCK))
    assert (playback.target, playback.underruns) == (BLOCK, 1)


def test_running_dry_in_silence_is_nothing() -> None:
    playback = Playback(RATE, BLOCK, BLOCK)
    lockstep(playback, [LOUD, QUIET])
    playback.pull(9000, 0.0)
    assert playback.underruns == 0


def test_what_a_stall_put_on_top_is_given_back_in_silence_only() -> None:
    playback = Playback(RATE, BLOCK, BLOCK)
    for _ in range(8):  # catching up
        playback.push(LOUD, 0)
    depth = playback.waiting
    assert depth >= 8 * BLOCK
    lockstep(playback, [LOUD] * 10)
    assert playback.waiting == depth
    lockstep(playback, [QUIET] * 10)
    assert playback.waiting <= 2 * BLOCK
    assert playback.dropped == 0


def test_far_too_much_is_dropped_and_counted() -> None:
    playback = Playback(RATE, BLOCK, BLOCK)
    for _ in range(100):
        playback.push(LOUD, 0)
    assert playback.waiting <= RATE // 5
    assert playback.dropped >= 80 * BLOCK


def test_a_faster_loudspeaker_is_fed_from_silence() -> None:
    """Two clocks: the loudspeaker takes 0.5 % more than the call gives; pauses make up for it."""
    playback = Playback(RATE, BLOCK, 2 * BLOCK)
    lockstep(playback, ([LOUD] * 60 + [QUIET] * 10) * 10, per_block=BLOCK + 4)
    assert playback.underruns == 0


def test_a_backlog_fills_the_queue_by_itself() -> None:
    """After a stall the call hands over several blocks at once: no silence is put before them as well."""
    playback = Playback(RATE, BLOCK, 2 * BLOCK)
    lockstep(playback, [LOUD] * 3)
    playback.pull(4 * BLOCK, 0.0)
    playback.push(LOUD, 4 * BLOCK)
    assert playback.waiting == BLOCK


def test_flush_drops_what_waits_and_says_how_much() -> None:
    playback = Playback(RATE, BLOCK, 2 * BLOCK)
    lockstep(playback, [LOUD] * 4)
    waiting = playback.waiting
    assert playback.flush() == waiting > 0
    assert not playback.pull(4000, 0.0).any()
    assert playback.underruns == 0
    playback.push(LOUD, 0)
    assert playback.pull(4000, 0.0).any()
