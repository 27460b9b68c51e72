"""Voiceprints: the front-end and the network are Resemblyzer's, people are told apart, and their files stay private."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from echoless.ears import enrolled
from echoless.ears.enrolled import Person
from echoless.ears.voiceprint import (
    ENROLLED,
    ME,
    PAIR,
    Encoder,
    VoiceprintError,
    WhoSpeaks,
    mel,
    similarity,
    speech_of,
    threshold,
)
from echoless.frames import RATE, Samples
from echoless.rooms.people import People
from echoless.rooms.script import ScriptError
from echoless.workshop.voiceprint.made_up import made_up
from echoless.workshop.voiceprint.sound import read


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture(scope="module")
def people() -> dict[str, list[Samples]]:
    """Speech of three people who read, each utterance without its silence."""
    try:
        recordings = People().recordings
    except ScriptError as missing:
        pytest.skip(str(missing))
    names = ("ls1688", "ls1998", "ls367")
    found = {n: [speech_of(read(r.path)) for r in recordings if r.speaker == n][:6] for n in names}
    if not all(found.values()):
        pytest.skip("the recordings of LibriSpeech's test part are not there")
    return found


def test_the_front_end_and_the_network_are_resemblyzers(encoder: Encoder) -> None:
    """Vectors that its own code made of a sound that a formula makes (`workshop.voiceprint.export`)."""
    theirs = np.load(Path(__file__).with_name("voiceprint_vectors.npz"))
    ours = mel(made_up())
    assert ours.shape == theirs["mel"].shape
    assert np.abs(ours - theirs["mel"]).max() < 1e-4 * theirs["mel"].max()
    assert np.abs(encoder.embed(made_up()) - theirs["embedding"]).max() < 1e-4


@pytest.mark.parametrize("seconds", [0.4, 1.0, 1.59, 1.6, 2.37, 7.3])
def test_any_length_gives_one_vector_of_length_one(encoder: Encoder, seconds: float) -> None:
    vector = encoder.embed(made_up(seconds))
    assert vector.shape == (256,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_loudness_does_not_change_a_voice(encoder: Encoder) -> None:
    assert similarity(encoder.embed(made_up()), encoder.embed(made_up() * np.float32(0.02))) > 0.99


def test_too_little_speech_is_refused(encoder: Encoder) -> None:
    with pytest.raises(VoiceprintError, match=r"only 0\.2 s"):
        encoder.embed(made_up(0.2))


def test_silence_is_cut_out(people: dict[str, list[Samples]]) -> None:
    speech = people["ls367"][0]
    quiet = np.zeros(2 * RATE, np.float32)
    cut = speech_of(np.concatenate([quiet, speech, quiet]))
    assert len(speech) * 0.9 < len(cut) < len(speech) + 0.3 * RATE
    assert len(speech_of(quiet)) == 0


def test_three_people_and_the_agent_are_told_apart(encoder: Encoder, people: dict[str, list[Samples]]) -> None:
    known = {name: encoder.embed(np.concatenate(each[:3])) for name, each in people.items()}
    stranger = known.pop("ls1998")
    who = WhoSpeaks(known, me=stranger)
    for name, utterances in people.items():
        for utterance in (each for each in utterances[3:] if len(each) > 2 * RATE):
            spoken = who.who(utterance)
            assert spoken.name == (ME if name == "ls1998" else name), spoken
            without = WhoSpeaks({n: e for n, e in known.items() if n != name}).who(utterance)
            assert without.similarity < threshold(without.seconds), without


def test_only_the_last_words_count(encoder: Encoder, people: dict[str, list[Samples]]) -> None:
    """Somebody else who talks on in the same turn is noticed."""
    known = {"Anna": encoder.embed(np.concatenate(people["ls367"][:3]))}
    sound = np.concatenate([people["ls367"][3][: 3 * RATE], np.concatenate(people["ls1688"])[: 4 * RATE]])
    assert WhoSpeaks(known).who(sound).name is None


def test_silence_is_nobody_and_says_how_much_it_heard() -> None:
    spoken = WhoSpeaks({"Anna": np.full(256, 1 / 16, np.float32)}).who(np.zeros(RATE, np.float32))
    assert (spoken.name, spoken.seconds) == (None, 0.0)


def test_thresholds_lie_between_the_calibrated_ones() -> None:
    assert threshold(1.0) == pytest.approx(dict(ENROLLED)[1.0])
    assert threshold(60) == pytest.approx(dict(ENROLLED)[6.0])
    assert min(threshold(1), threshold(2)) < threshold(1.5) < max(threshold(1), threshold(2))
    assert threshold(0.1, PAIR) == pytest.approx(dict(PAIR)[0.5])


# --- the people on disk ---


def person(name: str = "Anna", seed: int = 0) -> Person:
    clean, room = np.random.default_rng(seed).random((2, 256)).astype(np.float32)
    return Person(name, clean / np.linalg.norm(clean), 12.0, room / np.linalg.norm(room))


def test_a_person_is_kept_and_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "voiceprints"
    kept = person("王 Anna")
    enrolled.save(folder, person("王 Anna", 1))
    path = enrolled.save(folder, kept)
    (back,) = enrolled.load(folder)
    assert back.name == "王 Anna"
    assert np.abs(back.embedding - kept.embedding).max() < 1e-6
    assert np.abs(back.in_call - kept.room).max() < 1e-6
    enrolled.forget(folder, "王 anna")
    assert not path.exists()
    assert enrolled.load(folder) == []
    with pytest.raises(VoiceprintError, match="nobody called"):
        enrolled.forget(folder, "王 Anna")


def test_an_older_voiceprint_has_only_the_recording_itself(tmp_path: Path) -> None:
    path = enrolled.save(tmp_path, person())
    kept = json.loads(path.read_text())
    del kept["room"]
    path.write_text(json.dumps(kept))
    (back,) = enrolled.load(tmp_path)
    assert np.array_equal(back.in_call, back.embedding)


@pytest.mark.skipif(os.name == "nt", reason="POSIX file modes")
def test_only_the_owner_can_read_a_voiceprint(tmp_path: Path) -> None:
    folder = tmp_path / "voiceprints"
    folder.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        path = enrolled.save(folder, person())
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in folder.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["me", " ME ", "", "../../etc/passwd", "a" * 41, "a\nb\x00"])
def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(VoiceprintError):
        enrolled.save(tmp_path, person(name))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        {"embedding": [1.0]},
        {"embedding": ["x"] * 256},
        {"embedding": [float("nan")] * 256},
        {"embedding": [0.5] * 256},
        {"room": [0.5] * 256},
        {"encoder": "another"},
        {"name": "me"},
        {"seconds": None},
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, change: dict[str, object]) -> None:
    path = enrolled.save(tmp_path, person())
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(VoiceprintError, match=r"me|not a voiceprint"):
        enrolled.load(tmp_path)


def test_a_huge_or_half_written_file_is_refused(tmp_path: Path) -> None:
    for text in ("[" * 100_000, '{"name": "Anna", "embed'):
        (tmp_path / "anna.json").write_text(text)
        with pytest.raises(VoiceprintError, match="not a voiceprint"):
            enrolled.load(tmp_path)


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(enrolled.json, "dump", full)
    with pytest.raises(VoiceprintError, match="No space left"):
        enrolled.save(tmp_path, person())
    assert not list(tmp_path.iterdir())
