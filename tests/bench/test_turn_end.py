"""The bench that tunes the turn end counts right, and the model of words learns what it is shown."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from echoless.bench.pauses import TAILS, Silence, fill, gather, load, speech, unwanted
from echoless.bench.turn_end import LAG, WORDS_AFTER, decided, outcome, timer
from echoless.ears import complete_words
from echoless.ears.complete_words import features, last_sentence, samples, train
from echoless.ears.recognisers.fake import FakeRecogniser
from echoless.frames import RATE, Samples


def silence(
    pause: float | None, late: float = 0.0, sounds: tuple[float, ...] = (0.5, 0.5, 0.5), file: str = "a"
) -> Silence:
    return Silence("clean", file, "someone", "hello there", pause, late, sounds)


def test_a_silence_timer_cuts_off_exactly_the_longer_pauses() -> None:
    pauses = [silence(seconds, file=str(seconds)) for seconds in (0.3, 0.9, 1.1, 1.9)]
    found = outcome([*pauses, *(silence(None, late=late) for late in (0.0, 0.1, 0.0, 0.1))], timer(1.0))
    assert found.turns_cut == 0.5
    assert found.long_cut == pytest.approx(1.0 / 1.8)
    assert found.p50 == pytest.approx(1.05)
    assert (found.pauses, found.turns) == (4, 4)


def test_two_pauses_of_one_turn_are_one_turn_cut() -> None:
    found = outcome([silence(1.5), silence(1.5), silence(None), silence(None, file="b")], timer(1.0))
    assert found.turns_cut == 0.5


def test_the_voice_is_asked_again_only_while_the_turn_goes_on() -> None:
    def rule(sound: float, text: str) -> float:
        return 0.35 if sound > 0.5 else 1.6

    assert decided(silence(None, late=0.1, sounds=(0.9, 0.1, 0.1)), rule, 3) == pytest.approx(0.45)
    assert decided(silence(None, sounds=(0.1, 0.9, 0.1)), rule, 3) == pytest.approx(TAILS[1] + LAG)
    assert decided(silence(None, sounds=(0.1, 0.9, 0.1)), rule, 1) == pytest.approx(1.6)
    assert decided(silence(None, sounds=(0.1, 0.1, 0.9)), lambda sound, text: 0.1, 1) == pytest.approx(WORDS_AFTER)


def bursts(*edges: tuple[float, float], seconds: float = 4.0) -> Samples:
    sound = 1e-4 * np.random.default_rng(0).standard_normal(int(seconds * RATE)).astype(np.float32)
    for begin, end in edges:
        at = slice(int(begin * RATE), int(end * RATE))
        sound[at] += (0.1 * np.sin(np.arange(at.stop - at.start) * 0.2)).astype(np.float32)
    return sound


def test_speech_is_found_between_the_silences() -> None:
    first, last = speech(bursts((0.5, 1.5), (1.7, 2.9)))
    assert abs(first / RATE - 0.5) < 0.03 and abs(last / RATE - 2.9) < 0.03


def test_what_is_unwanted_is_15_db_under_the_speech(tmp_path: Path) -> None:
    (tmp_path / "noise").mkdir()
    rng = np.random.default_rng(0)
    for name in ("kitchen", "sc_doing_the_dishes", "sb_noise1"):
        sf.write(tmp_path / "noise" / f"{name}.wav", 0.01 * rng.standard_normal(RATE), RATE)
    spoken = (0.1 * rng.standard_normal(2 * RATE)).astype(np.float32)
    noise = unwanted(tmp_path, "noise", spoken, 3 * RATE, rng)
    assert len(noise) == 3 * RATE
    assert 20 * np.log10(np.std(spoken) / np.std(noise)) == pytest.approx(15, abs=1)
    assert not unwanted(tmp_path, "clean", spoken, RATE, rng).any()


def test_filled_pauses_are_as_loud_as_the_background() -> None:
    hush = (0.01 * np.random.default_rng(1).standard_normal(RATE // 5)).astype(np.float32)
    filled = fill(hush, 2 * RATE, np.random.default_rng(2))
    assert len(filled) == 2 * RATE
    assert 0.8 < float(np.std(filled) / np.std(hush)) < 1.2


class Voice:
    """In place of Smart Turn: sure that whatever it hears has ended."""

    def sounds_finished(self, speech: Samples) -> float:
        return 0.9


def test_listening_goes_on_where_it_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "jfk"
    folder.mkdir()
    for name in ("a", "b"):
        sf.write(folder / f"{name}.wav", bursts((0.5, 1.5), (1.7, 2.9)), RATE)
    header = "file\tseconds\tspeaker_id\tlanguage\ttranscript\n"
    rows = "".join(f"jfk/{name}.wav\t4.0\tjfk\ten\tone two\n" for name in ("a", "b"))
    (tmp_path / "INDEX.tsv").write_text(header + rows)
    keep = tmp_path / "kept.jsonl"
    asked = tmp_path, "clean", keep, FakeRecogniser(("one two",)), Voice()
    assert next(iter(gather(*asked))) == (1, 2)  # type: ignore[arg-type]
    assert [done for done, _ in gather(*asked)] == [2]  # type: ignore[arg-type]
    assert not list(gather(*asked))  # type: ignore[arg-type]
    found = load(keep)
    assert {each.file for each in found if each.pause is None} == {"jfk/a.wav", "jfk/b.wav"}
    assert all(each.sounds == (0.9,) * len(TAILS) and each.text == "one two" for each in found)


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
