"""The judge's training: gradients against finite differences, learning on a toy, agreement with the live judge."""

import numpy as np
import pytest
from scipy.special import expit

from echoless.ears.near import Judge
from echoless.rooms import train_near
from echoless.rooms.train_near import backward, forward, joined, judge_all, onsets, start, train


def test_gradients_are_those_of_the_loss():
    rng = np.random.default_rng(0)
    weights = {name: value.astype(np.float64) for name, value in start(5, rng).items()}
    x, truth = rng.standard_normal((7, 2, 5)), (rng.random((7, 2)) < 0.5).astype(float)

    def loss() -> float:
        guess = expit(forward(weights, x)[0])
        return float(-(truth * np.log(guess) + (1 - truth) * np.log(1 - guess)).sum())

    odds, kept = forward(weights, x)
    slopes = backward(weights, kept, expit(odds) - truth)
    for name, slope in slopes.items():
        at = tuple(int(rng.integers(size)) for size in slope.shape)
        weights[name][at] += 1e-4
        above = loss()
        weights[name][at] -= 2e-4
        below = loss()
        weights[name][at] += 1e-4
        assert slope[at] == pytest.approx((above - below) / 2e-4, rel=1e-3, abs=1e-5), name


def test_learns_what_only_memory_can_tell(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(train_near, "WINDOW", 60)
    rng = np.random.default_rng(1)
    seen = rng.standard_normal((40, 80, 4)).astype(np.float32)
    pulses = rng.random((40, 80)) < 0.06
    seen[..., 0] += 4 * pulses
    truth = np.zeros((40, 80), np.float32)
    for late in range(1, 6):  # speech lasts five blocks from the block after its pulse
        truth[:, late:] = np.maximum(truth[:, late:], pulses[:, :-late])
    weights = train(seen[:32], truth[:32], 120, rng)
    guess = judge_all(weights, seen[32:]) > 0.5
    assert (guess == (truth[32:] > 0.5)).mean() > 0.93


def test_live_judge_is_the_trained_one():
    rng = np.random.default_rng(2)
    weights = start(6, rng) | {"mean": np.full(6, 0.1, np.float32), "scale": np.full(6, 0.7, np.float32)}
    seen = rng.standard_normal((1, 30, 6)).astype(np.float32)
    live = Judge(weights)
    assert [live(row) for row in seen[0]] == pytest.approx(judge_all(weights, seen)[0].tolist(), abs=1e-5)


def test_onsets_are_the_first_blocks_of_each_stretch():
    truth = np.zeros((1, 120), np.float32)
    truth[0, 10:60] = truth[0, 70:80] = 1
    marked = np.flatnonzero(onsets(truth)[0])
    assert marked.tolist() == [*range(10, 10 + train_near.ONSET), *range(70, 80)]


def test_joined_networks_say_the_mean_of_what_each_says():
    rng = np.random.default_rng(3)
    norm = {"mean": np.full(6, 0.1, np.float32), "scale": np.full(6, 0.7, np.float32)}
    networks = [start(6, rng, layer, units) | norm for layer, units in ((5, 4), (7, 3))]
    seen = rng.standard_normal((2, 30, 6)).astype(np.float32)
    odds = [np.log(p / (1 - p)) for p in (judge_all(w, seen) for w in networks)]
    assert judge_all(joined(networks), seen) == pytest.approx(expit(np.mean(odds, axis=0)), abs=1e-5)
