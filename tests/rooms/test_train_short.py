"""Commands, nods and others: what is learnt from, and that it is learnt."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from echoless.ears.recognisers.short_words import pooled
from echoless.frames import RATE
from echoless.rooms import train_short
from echoless.rooms.train_short import AXES, KINDS, UNITS, Clips, along, app, forward, learn


def test_clips_follow_from_the_seed() -> None:
    first, again, other = (list(islice(Clips(seed), 4)) for seed in (1, 1, 2))
    assert all(np.array_equal(one[2], two[2]) for one, two in zip(first, again, strict=True))
    assert any(one[2].shape != two[2].shape for one, two in zip(first, other, strict=True))
    for kind, timbre, sound in first:
        assert 0 <= kind < len(KINDS) and timbre in train_short.TIMBRES
        assert sound.dtype == np.float32 and np.isfinite(sound).all() and np.abs(sound).max() < 1.5
        assert 0.15 < len(sound) / RATE < 4


def test_what_is_pooled_is_as_long_for_any_sound() -> None:
    rng = np.random.default_rng(1)
    assert {pooled(rng.standard_normal((count, 288)).astype(np.float32)).shape for count in (3, 40, 41)} == {(1441,)}


def test_it_learns_what_can_be_told() -> None:
    rng = np.random.default_rng(2)
    kind = rng.integers(0, 3, 3000)
    seen = rng.standard_normal((3000, 200)).astype(np.float32)
    seen[np.arange(3000), kind] += 4
    w = learn(seen[:2500], kind[:2500], passes=20)
    guess = forward(w, along(w, seen[2500:]))[1]
    assert np.mean(guess.argmax(axis=1) == kind[2500:]) > 0.9


def test_the_slopes_are_those_of_the_loss() -> None:
    rng = np.random.default_rng(3)
    w = {
        "inside": rng.standard_normal((AXES, UNITS)) / 10,
        "inside_bias": rng.standard_normal(UNITS) / 10,
        "out": rng.standard_normal((UNITS, 3)) / 10,
        "out_bias": rng.standard_normal(3) / 10,
    }
    x, kind, one = rng.standard_normal((8, AXES)), rng.integers(0, 3, 8), np.ones((8, 1))
    wanted = np.full((8, 3), 0.05 / 3)
    wanted[np.arange(8), kind] += 0.95
    slopes = train_short._slopes(w, x, kind, one, one)
    for name, at in (("inside", (3, 5)), ("inside_bias", (7,)), ("out", (2, 1)), ("out_bias", (0,))):
        losses = []
        for step in (1e-5, -1e-5):
            moved = {each: value.copy() for each, value in w.items()}
            moved[name][at] += step
            losses.append(-(wanted * np.log(forward(moved, x)[1])).sum() / 8)
        assert slopes[name][at] == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-3)


def test_nothing_to_learn_from_is_said(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["fit", str(tmp_path)])
    assert found.exit_code and "train_short clips" in str(found.exception or found.output)
