"""The bench that tunes the turn end counts right, and the model of words learns what it is shown."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest

from echoless.bench.turn_end import Judged, _fill, _load, between_words, dips, outcome
from echoless.ears import complete_words
from echoless.ears.complete_words import features, last_sentence, samples, train
from echoless.ears.recognisers.fake import FakeRecogniser
from echoless.ears.turn_end import Tuning
from echoless.frames import RATE, Samples


def judged(pause: float, late: float = 0.0, sound: float = 0.5, went_on: bool = False) -> Judged:
    return Judged("tune", "a.wav", "someone", pause, late, sound, "", went_on)


def test_a_silence_timer_cuts_off_exactly_the_longer_pauses() -> None:
    pauses = [judged(seconds) for seconds in (0.3, 0.9, 1.1, 1.9)]
    found = outcome([*pauses, judged(math.inf), judged(math.inf, late=0.1)], Tuning(sure=1.0, unsure=1.0), fuse=False)
    assert found["cut"] == 0.5
    assert found["p50"] == pytest.approx(1.05)
    assert (found["hesitations"], found["finishes"]) == (4, 2)


def test_speech_that_never_paused_for_silero_is_not_cut_off() -> None:
    found = outcome([judged(1.9, went_on=True), judged(math.inf)], Tuning(sure=0.4, unsure=0.4), fuse=False)
    assert found["cut"] == 0.0


def test_what_was_judged_survives_a_file(tmp_path: Path) -> None:
    file = tmp_path / "judged.json"
    one = judged(math.inf)
    file.write_text(json.dumps([{key: getattr(one, key) for key in one.__slots__}]))
    assert _load(file) == [one]


def bursts(*edges: tuple[float, float], seconds: float = 4.0) -> Samples:
    sound = 1e-4 * np.random.default_rng(0).standard_normal(int(seconds * RATE)).astype(np.float32)
    for begin, end in edges:
        at = slice(int(begin * RATE), int(end * RATE))
        sound[at] += (0.1 * np.sin(np.arange(at.stop - at.start) * 0.2)).astype(np.float32)
    return sound


def test_dips_lie_in_the_gaps() -> None:
    found = dips(bursts((0.0, 1.5), (1.7, 2.9), (3.1, 4.0)), RATE, 4 * RATE)
    assert len(found) == 2
    assert 1.5 <= found[0] / RATE <= 1.7 and 2.9 <= found[1] / RATE <= 3.1


def test_only_dips_after_the_same_words_are_between_words() -> None:
    def reads(sound: Samples) -> str:
        return {4: "good morning to you", 2: "good morning", 3: "good moaning"}.get(round(len(sound) / RATE), "")

    sound = np.full(4 * RATE, 0.1, np.float32)
    assert list(between_words(sound, [2 * RATE, 3 * RATE], FakeRecogniser(reads))) == [2 * RATE]


def test_filled_pauses_are_as_loud_as_the_background() -> None:
    hush = (0.01 * np.random.default_rng(1).standard_normal(RATE // 5)).astype(np.float32)
    filled = _fill(hush, 2 * RATE, np.random.default_rng(2))
    assert len(filled) == 2 * RATE
    assert 0.8 < float(np.std(filled) / np.std(hush)) < 1.2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("Hello. How are you", ["how", "are", "you"]),
        ("Yes, I do.", ["yes", ",", "i", "do"]),
        ("你好。今天去，故宫", ["今", "天", "去", ",", "故", "宫"]),
        ("...", []),
    ],
)
def test_the_last_sentence_is_what_counts(text: str, words: list[str]) -> None:
    assert last_sentence(text) == words


def test_features_are_rows_of_the_weights_each_once() -> None:
    rows = features(["what", "is", "the", "weather", "like"])
    assert np.array_equal(rows, np.unique(rows)) and rows.min() >= 0 and rows.max() < 1 << complete_words.BITS
    assert not np.array_equal(rows, features(["what", "is", "the", "weather"]))


def test_it_learns_beginnings_from_wholes_and_holds_out_every_tenth(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    things = ["red", "green", "blue", "old", "new"]
    turns = [f"I like the {things[int(rng.integers(5))]} boat." for _ in range(400)]
    with gzip.open(tmp_path / "toy.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({"turns": [turn]}) + "\n" for turn in turns)
    assert sum(1 for _ in complete_words.turns(tmp_path, True)) == 40
    weights = train(tmp_path, rng, passes=2)

    def score(text: str) -> float:
        return float(weights[features(last_sentence(text))].sum())

    assert score("I like the blue boat") > 1 > -1 > score("I like the")
    pairs = list(samples(iter(["One two three four."]), rng))
    assert pairs[0] == (["one", "two", "three", "four"], True)
    assert pairs[1][1] is False and pairs[1][0] == pairs[0][0][: len(pairs[1][0])]
