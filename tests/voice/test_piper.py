"""Piper voices through the real loader, phonemes and ONNX runtime, with a voice small enough to be made here."""

from __future__ import annotations

import json
import threading

import numpy as np
import onnx
import pytest
from tests.voice.tiny_piper import HOP, RATE, make

from echoless.voice import pinyin
from echoless.voice.alignment import NotOnnx, with_durations
from echoless.voice.door import VoiceError
from echoless.voice.piper import Piper, pieces

TEXT = "Hello there, my name is Echo and I like to talk."


def spoken(voice: Piper, text: str) -> tuple[np.ndarray, list[tuple[int, int]]]:
    at, marks, sound = 0, [], [np.zeros(0, np.float32)]
    for chunk in voice.speak(text):
        marks += [(character, at + sample) for character, sample in chunk.marks]
        sound.append(chunk.samples)
        at += len(chunk.samples)
    return np.concatenate(sound), marks


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return make(tmp_path_factory.mktemp("voice"))


def test_every_word_has_a_mark_on_the_edge_of_its_first_phoneme(path):
    sound, marks = spoken(Piper(path), TEXT)
    assert [TEXT[character:].split()[0] for character, _ in marks] == TEXT.split()
    assert all(sample % HOP == 0 and sample < len(sound) for _, sample in marks)
    gaps = np.diff([sample for _, sample in marks]) / RATE
    assert np.all(gaps > 0.02)
    assert gaps[TEXT.split().index("there,")] > gaps[TEXT.split().index("I")]


def test_the_durations_are_the_networks_own(path):
    voice = Piper(path)
    ids = voice._voice.phonemes_to_ids(voice._voice.phonemize("Hello")[0])
    plain = onnx.load(str(path))
    assert [each.name for each in plain.graph.output] == ["output"]
    assert [each.name for each in voice._session.get_outputs()] == ["output", "w_ceil"]
    sound, durations = voice._session.run(
        None,
        {"input": np.array([ids]), "input_lengths": np.array([len(ids)]), "scales": np.array([0, 1, 0], np.float32)},
    )
    assert durations.sum() * HOP == sound.size


def test_a_model_that_exports_its_durations_or_has_none_is_left_alone(path):
    model = path.read_bytes()
    more = with_durations(model)
    onnx.checker.check_model(onnx.load_from_string(model))
    assert more is not None and more.startswith(model) and with_durations(more) is None
    bare = onnx.load_from_string(model)
    for node in bare.graph.node:
        node.op_type = "Floor" if node.op_type == "Ceil" else node.op_type
    assert with_durations(bare.SerializeToString()) is None
    for junk in (b"\x0f", b"\xff" * 40, model[: len(model) // 2] + b"\x3a\xff\xff\xff\x7f"):
        with pytest.raises(NotOnnx):
            with_durations(junk)


def test_without_durations_marks_are_spread_over_the_sound(path, tmp_path):
    bare = onnx.load(str(path))
    for node in bare.graph.node:
        node.op_type = "Round" if node.op_type == "Ceil" else node.op_type
    other = tmp_path / "bare.onnx"
    onnx.save(bare, str(other))
    other.with_name("bare.onnx.json").write_text(path.with_name(path.name + ".json").read_text())
    sound, marks = spoken(Piper(other), TEXT)
    assert len(marks) == len(TEXT.split()) and marks == sorted(marks) and marks[-1][1] < len(sound)


def test_speed_speakers_and_level(path, tmp_path):
    slow, fast = (len(spoken(Piper(path, speed), TEXT)[0]) for speed in (1.0, 1.5))
    assert 0.55 < fast / slow < 0.85
    many = make(tmp_path, "many", speakers=3)
    one, two = (spoken(Piper(many, speaker=speaker), "Hello")[0] for speaker in (0, 2))
    assert one.shape == two.shape and not np.allclose(one, two, atol=0.05)
    with pytest.raises(VoiceError, match="speakers 0 to 2"):
        Piper(many, speaker=3)
    sound, _ = spoken(Piper(path), TEXT)
    assert 10 * np.log10(np.mean(sound**2)) == pytest.approx(-20, abs=2)


def test_long_texts_are_cut_at_pauses_and_marks_go_on_counting(path):
    text = "This is one sentence, and it is said again and again. " * 20
    edges = list(pieces(text))
    assert edges[0][0] == 0 and edges[-1][1] == len(text) and all(end - begin <= 240 for begin, end in edges)
    assert all(text[:end].rstrip()[-1] in ",." for _, end in edges)
    characters = [character for character, _ in spoken(Piper(path), text)[1]]
    assert characters == sorted(characters) and len(characters) == len(text.split())
    assert list(pieces("x" * 500)) == [(0, 240), (240, 480), (480, 500)] and list(pieces("  ")) == []


def test_abort_stops_the_network_and_the_next_sentence_is_whole(path):
    voice = Piper(path)
    whole = len(spoken(voice, TEXT)[0])
    stream = voice.speak("one two three four five six. " * 60)
    next(stream)
    stopper = threading.Thread(target=voice.abort)
    stopper.start()
    stopper.join()
    assert list(stream) == []
    assert len(spoken(voice, TEXT)[0]) == whole


def test_a_mandarin_voice_of_espeak_has_a_mark_at_every_character(tmp_path):
    voice = Piper(make(tmp_path, espeak={"voice": "cmn"}, language={"code": "zh_CN"}))
    text = "今天我们去公园。"
    assert voice.traits.language == "zh"
    assert [character for character, _ in spoken(voice, text)[1]] == list(range(7))


def test_a_mandarin_voice_of_pinyin_needs_no_network_of_its_own(tmp_path):
    alphabet = ["_", "^", "$", *"ØbpmfdtnlgkhjqxrzcsywaoeiuvE12345", "zh", "ch", "sh", "ao", "ai", "an", "ian", "in",
                "uan", "ang", "iao", "。", "，"]  # fmt: skip
    numbers = {symbol: [index] for index, symbol in enumerate(alphabet)}
    path = make(
        tmp_path, espeak={"voice": "cmn"}, language={"code": "zh_CN"}, phoneme_type="pinyin", phoneme_id_map=numbers
    )
    sound, marks = spoken(Piper(path), "你好，今天")
    assert len(sound) and [character for character, _ in marks] == [0, 1, 3, 4]


def test_pinyin_is_spelled_as_pipers_alphabet():
    assert pinyin.phonemes("你好，重庆人!") == ["n", "i", "3", "h", "ao", "3", "，", "ch", "ong", "2", "q", "ing", "4",
                                            "r", "en", "2", "!"]  # fmt: skip
    assert pinyin.phonemes("女去圆爱的abc") == ["n", "v", "3", "q", "v", "4", "y", "uan", "2", "Ø", "ai", "4", "d", "e",
                                              "5"]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda p: p.unlink(), "no Piper voice at"),
        (lambda p: p.with_name("tiny.onnx.json").unlink(), "needs its tiny.onnx.json"),
        (lambda p: p.with_name("tiny.onnx.json").write_text("{"), "cannot be read"),
        (lambda p: p.with_name("tiny.onnx.json").write_text("[1]"), "holds no object"),
        (lambda p: p.with_name("tiny.onnx.json").write_bytes(b"\xff\xfe"), "cannot be read"),
        (lambda p: p.with_name("tiny.onnx.json").write_text('{"audio": 1}'), "no configuration"),
        (lambda p: p.write_bytes(b"no model at all"), "ONNX"),
        (lambda p: p.write_bytes(b""), "fetch it again"),
        (lambda p: p.write_bytes(p.read_bytes()[:900]), "fetch it again"),
    ],
)
def test_a_broken_voice_is_one_clear_line(tmp_path, spoil, says):
    path = make(tmp_path)
    spoil(path)
    with pytest.raises(VoiceError, match=says) as raised:
        Piper(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("key", ["phoneme_id_map", "num_speakers", "audio", "espeak", "phoneme_type"])
def test_a_configuration_of_the_wrong_kind_is_refused(tmp_path, key):
    path = make(tmp_path)
    beside = path.with_name(path.name + ".json")
    for wrong in (None, [], "x", {"^": []}):
        beside.write_text(json.dumps(json.loads(beside.read_text()) | {key: wrong}))
        with pytest.raises(VoiceError) as raised:
            Piper(path)
        assert "\n" not in str(raised.value)


def test_an_onnx_model_that_is_no_voice_is_refused(tmp_path, path):
    other = onnx.load(str(path))
    for each in other.graph.input:
        if each.name == "scales":
            each.name = "scale"
    for node in other.graph.node:
        node.input[:] = ["scale" if name == "scales" else name for name in node.input]
    target = tmp_path / "other.onnx"
    onnx.save(other, str(target))
    target.with_name("other.onnx.json").write_text(path.with_name(path.name + ".json").read_text())
    with pytest.raises(VoiceError, match="no input scales"):
        Piper(target)
