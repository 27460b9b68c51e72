"""Scoring without a reacting agent, and the mixtures it scores."""

from dataclasses import replace

import numpy as np
import pytest

from echoless.frames import BLOCK, RATE
from echoless.rooms.mixtures import ROOMS, Mixture, mixture, training_cast, unseen_cast
from echoless.rooms.openloop import judge
from echoless.rooms.people import JUDGES, People
from echoless.rooms.script import RoomSettings, ScriptError
from echoless.rooms.tally import bounds
from echoless.voice import flite


@pytest.fixture(scope="module")
def people() -> People:
    try:
        return People()
    except ScriptError as missing:
        pytest.skip(str(missing))


def scene(spans: tuple[tuple[float, float], ...], echo_from: float = 0.0) -> Mixture:
    length = 10 * RATE // BLOCK * BLOCK
    echo = np.full(length, 0.05, np.float32)
    echo[: int(echo_from * RATE)] = 0
    quiet = np.zeros(length, np.float32)
    return Mixture("static", 0.0, echo, echo, echo, quiet, np.zeros(length // BLOCK, bool), spans, RoomSettings())


def test_a_duck_soon_after_the_phrase_begins_counts_as_noticed():
    tally = judge(scene(((3.0, 5.0), (7.0, 9.0))), [3.3, 8.8])
    assert (tally.phrases, tally.noticed, tally.false) == (2, 1, 0)
    assert tally.waits == [pytest.approx(0.3)]


def test_a_duck_with_nobody_speaking_is_false():
    tally = judge(scene(((3.0, 5.0),)), [1.0, 6.5, 9.0])
    assert tally.false == 3
    assert tally.alone == pytest.approx(10 - 2.7, abs=0.1)


def test_phrases_without_echo_or_too_short_do_not_count():
    assert judge(scene(((1.0, 3.0), (6.0, 6.5)), echo_from=5), []).phrases == 0


def test_bounds_are_wilsons():
    assert bounds(0, 0) == (0, 1)
    assert bounds(10, 10)[0] == pytest.approx(0.722, abs=0.001)
    assert bounds(5, 10) == (pytest.approx(0.237, abs=0.001), pytest.approx(0.763, abs=0.001))


def test_nobody_learnt_from_is_tested_on(people: People):
    train, test = training_cast(people), unseen_cast(people)
    assert not set(train.users) & set(test.users)
    assert not set(train.agents) & set(test.agents)
    assert not set(train.synthetic) & set(test.agents)
    assert not any(path.parent.name in JUDGES for path in train.users)
    assert abs(train.first_room - test.first_room) >= ROOMS


@pytest.mark.parametrize("kind", ["static", "jumps", "browser"])
def test_a_mixture_follows_from_its_seed(people: People, kind: str):
    cast = training_cast(people)
    at_hand = tuple(name for name in cast.agents if flite.installed() or not name.startswith("flite:"))
    cast = replace(cast, agents=at_hand)
    first, again = (mixture(cast, 5, kind=kind, echo_db=5) for _ in range(2))
    assert np.array_equal(first.microphone, again.microphone)
    assert np.array_equal(first.reference, again.reference)
    assert first.near.shape == (len(first.microphone) // BLOCK,)
    power = np.mean(first.user[: len(first.near) * BLOCK].reshape(-1, BLOCK) ** 2, axis=1)
    if first.near.any():
        assert power[first.near].mean() > 10 * power[~first.near].mean()
