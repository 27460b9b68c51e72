"""Moonshine's own words and tokens: what the reading of its files must get right."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.ears.test_recogn_believable import read

from echoless.ears.door import RecogniserError
from echoless.ears.recognisers import moonshine
from echoless.ears.recognisers.moonshine import Moonshine
from echoless.ears.recognisers.tokens import Tokens
from echoless.ears.words import normal
from echoless.frames import RATE


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    return Tokens(moonshine.files()[2])


def test_all_of_the_list_is_read(tokens: Tokens) -> None:
    """32,768 are as many as the decoder tells apart."""
    assert len(tokens.pieces) == 32_768 and tokens.pieces[:3] == [b"<unk>", b"<s>", b"</s>"]


@pytest.mark.parametrize("text", ["Stop.", "wait a minute", "Uh-huh, I see!", "naïve — 停一下", "a  b", ""])
def test_text_comes_back_from_its_tokens(tokens: Tokens, text: str) -> None:
    assert tokens.text([1, *tokens.numbers(text), 2]) == text


def test_a_word_of_the_list_is_one_token(tokens: Tokens) -> None:
    assert [tokens.pieces[number].decode() for number in tokens.numbers("Stop talking")] == ["▁Stop", "▁talking"]


@pytest.mark.parametrize("data", [b"", b"\x05<unk", b"\x03abc" * 5, b"\xff"])
def test_what_is_no_list_of_tokens_is_one_error_line(tmp_path: Path, data: bytes) -> None:
    for name, contents in ((moonshine.ENCODER, b""), (moonshine.DECODER, b""), (moonshine.TOKENS, data)):
        (tmp_path / name).write_bytes(contents)
    with pytest.raises(RecogniserError, match="cannot be loaded") as caught:
        Moonshine(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_model_that_is_none_is_one_error_line(tmp_path: Path) -> None:
    for file in moonshine.files():
        (tmp_path / file.name).write_bytes(file.read_bytes() if file.name == moonshine.TOKENS else b"nonsense")
    with pytest.raises(RecogniserError, match="cannot be loaded") as caught:
        Moonshine(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_missing_wheel_and_a_missing_file_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecogniserError, match=r"encoder_model.*missing.*pip install"):
        Moonshine(str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RecogniserError, match="pip install moonshine-voice=="):
        Moonshine()


def test_the_same_words_as_its_own_engine() -> None:
    """Its own library, kept from searching for speech, reads the same files. It may end a sentence otherwise."""
    transcriber = pytest.importorskip("moonshine_voice.transcriber")
    from moonshine_voice.moonshine_api import ModelArch

    sound = read("jfk/jfk.wav")[: 5 * RATE]
    options = {"vad_threshold": "0.0", "vad_max_segment_duration": "60", "max_tokens_per_second": "13.0"}
    theirs = transcriber.Transcriber(str(moonshine.files()[0].parent), ModelArch.TINY, options=options)
    padded = np.pad(sound, moonshine.EDGE)
    lines = theirs.transcribe_without_streaming(padded.tolist(), RATE).lines
    theirs.close()
    ours = Moonshine()
    assert ours.transcribe(sound).text.rstrip(".,") == " ".join(line.text for line in lines).strip().rstrip(".,")
    ours.close()


@pytest.mark.parametrize("seconds", [0.1, 28.0])
def test_any_length_is_decoded(seconds: float) -> None:
    """Longest and shortest pieces that `Guarded` hands on; past 384 frames the decoder wants its mask in samples."""
    engine = Moonshine()
    noise = np.random.default_rng(1).normal(0, 0.05, int(seconds * RATE)).astype(np.float32)
    assert isinstance(engine.transcribe(noise).text, str)
    engine.close()


@pytest.fixture(scope="module")
def engine() -> Iterator[Moonshine]:
    engine = Moonshine()
    yield engine
    engine.close()


def passes(engine: Moonshine, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens the decoder looks at, pass by pass, from now on."""
    seen: list[int] = []
    run = engine._network._decoder.run

    class Counting:
        def run(self, names: object, fed: dict[str, np.ndarray], options: object) -> object:
            seen.append(fed["input_ids"].shape[1])
            return run(names, fed, options)

    monkeypatch.setattr(engine._network, "_decoder", Counting())
    return seen


def test_what_was_written_of_less_of_it_is_a_draft(engine: Moonshine, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = read("jfk/jfk.wav")[: 5 * RATE]
    engine.transcribe(sound[RATE:])
    whole = engine.transcribe(sound).text
    engine.transcribe(sound[RATE:])
    engine.transcribe(sound[: 4 * RATE])
    seen = passes(engine, monkeypatch)
    assert normal(engine.transcribe(sound).text) == normal(whole)
    assert seen[0] > 4 and len(seen) < len(engine._tokens.numbers(whole))


def test_another_sound_or_one_that_is_no_longer_has_no_draft(
    engine: Moonshine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = read("jfk/jfk.wav")[: 5 * RATE]
    engine.transcribe(sound)
    seen = passes(engine, monkeypatch)
    engine.transcribe(sound[RATE // 4 :])
    engine.transcribe(sound)
    engine.transcribe(sound[: 4 * RATE])
    assert set(seen) == {1}


def test_a_draft_that_is_all_wrong_changes_nothing(engine: Moonshine) -> None:
    sound = read("jfk/jfk.wav")[: 3 * RATE]
    features = engine._featured(np.pad(sound, moonshine.EDGE))
    samples = len(sound) + 2 * moonshine.EDGE
    wrong = engine._tokens.numbers("Zebras")
    assert engine._network.said(features, samples, 40, wrong) == engine._network.said(features, samples, 40)


def test_what_is_given_up_has_no_words_and_the_next_has(engine: Moonshine, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = read("jfk/jfk.wav")[: 3 * RATE]
    with monkeypatch.context() as patch:
        patch.setattr(engine._network, "begin", lambda: None)
        engine.abort()
        assert engine.transcribe(sound).text == ""
        assert set(engine.likely(sound[:RATE], ["stop"])) == {moonshine.UNLIKELY}
    assert engine.transcribe(sound).text
