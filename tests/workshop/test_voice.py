"""The light half of the voice workshop: recording over a line, data sets, checking, saying. Real sounds."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from scipy.signal import fftconvolve

from echoless.cli import main
from echoless.ears.recognisers.fake import FakeRecogniser
from echoless.frames import RATE, Samples
from echoless.lines.fake import ScriptedLine
from echoless.rooms.acoustics import impulse
from echoless.rooms.virtual import run_virtual
from echoless.voice.espeak import Espeak
from echoless.workshop.elsewhere import VOICE, Environment
from echoless.workshop.voice import check as checking
from echoless.workshop.voice import studio
from echoless.workshop.voice.align import maximum_path
from echoless.workshop.voice.dataset import About, DataSet, Line
from echoless.workshop.voice.errors import WorkshopError
from echoless.workshop.voice.judge import judge, sentences, table
from echoless.workshop.voice.quality import measure
from echoless.workshop.voice.studio import CONSENT, Studio, read_prompts, record, save
from echoless.workshop.voiceprint.sound import read

PROMPTS = ["The ferry leaves at half past seven.", "Bring your coat, please.", "Nine oranges and a jar of honey."]


def speak(text: str, voice: str = "en-us+m3") -> Samples:
    engine = Espeak(voice)
    sound = np.concatenate([chunk.samples for chunk in engine.speak(text)])
    return soxr.resample(sound, engine.traits.rate, RATE).astype(np.float32)


def quiet(seconds: float) -> Samples:
    return np.random.default_rng(1).normal(0, 1e-4, round(seconds * RATE)).astype(np.float32)


def reading(*texts: str) -> Samples:
    """Somebody who reads sentences with pauses between them."""
    return np.concatenate([quiet(0.8), *(part for text in texts for part in (speak(text), quiet(2.0)))])


def dataset(folder: Path, texts: list[str], sounds: list[Samples] | None = None) -> DataSet:
    data = DataSet.create(folder, About("en", "espeak", synthetic=True))
    for number, text in enumerate(texts):
        line = Line(f"en{number:04d}", text)
        save(data.wav(line), sounds[number] if sounds else np.concatenate([quiet(0.2), speak(text), quiet(0.2)]))
        data.add(line)
    return data


# --- recording ---


def taking(folder: Path, sound: Samples, answers: list[str], prompts: list[str] = PROMPTS) -> tuple[DataSet, int]:
    data = DataSet.create(folder, About("en"))
    given = iter(answers)

    async def run() -> int:
        line = ScriptedLine(sound)
        await line.open()
        return await record(data, prompts, Studio(line), lambda *_: None, lambda *_: next(given, "keep"))

    return data, run_virtual(run())


def test_sentences_are_recorded_one_by_one_after_the_consent(tmp_path: Path) -> None:
    data, kept = taking(tmp_path, reading(CONSENT["en"], *PROMPTS), [])
    assert kept == 3
    assert [line.text for line in DataSet.open(tmp_path).lines] == PROMPTS
    assert DataSet.open(tmp_path).about.consent == CONSENT["en"]
    assert data.consent.is_file()
    for line, text in zip(data.lines, PROMPTS, strict=True):
        sound, rate = soundfile.read(data.wav(line))
        assert rate == RATE
        assert abs(len(sound) / rate - len(speak(text)) / RATE) < 0.9
    rows = (tmp_path / "metadata.csv").read_text().splitlines()
    assert rows[0] == f"en0001|{PROMPTS[0]}|{PROMPTS[0]}"


def test_a_take_is_done_again_skipped_and_the_session_goes_on_later(tmp_path: Path) -> None:
    _, kept = taking(tmp_path, reading(CONSENT["en"], *[PROMPTS[0]] * 2, PROMPTS[1]), ["again", "keep", "skip", "quit"])
    assert kept == 1
    data, kept = taking(tmp_path, reading(PROMPTS[1], PROMPTS[2]), [])
    assert kept == 2
    assert sorted(line.id for line in data.lines) == ["en0001", "en0002", "en0003"]


def test_silence_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match="nothing was heard"):
        taking(tmp_path, quiet(15), [])
    assert not DataSet.open(tmp_path).lines


def test_a_whole_session_over_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script, microphone, out = tmp_path / "s.txt", tmp_path / "in.wav", tmp_path / "mine"
    script.write_text("# two\n" + "\n".join(PROMPTS[:2]), encoding="utf-8")
    soundfile.write(microphone, reading(CONSENT["en"], *PROMPTS[:2]), RATE)
    command = ["voice", "record", "--script", str(script), "--out", str(out), "--microphone", str(microphone)]
    assert main(command) == 0
    assert "2 recorded" in capsys.readouterr().out
    assert sorted(each.name for each in out.iterdir()) == ["about.json", "consent.wav", "metadata.csv", "wavs"]
    assert len(DataSet.open(out).lines) == 2


def test_a_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.wav"
    save(path, speak("Hello."))
    before = path.read_bytes()

    def full(file: Path, *_: object, **__: object) -> None:
        Path(file).write_bytes(b"half")
        raise soundfile.LibsndfileError(2)

    monkeypatch.setattr(studio.soundfile, "write", full)
    with pytest.raises(WorkshopError, match="is the disk full"):
        save(path, speak("Again."))
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["one.wav"]


def test_a_data_set_that_was_begun_on_a_full_disk_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", full)
        with pytest.raises(WorkshopError, match="No space left"):
            DataSet.create(tmp_path, About("zh", "Anna"))
    assert not list(tmp_path.glob("*.part"))
    assert DataSet.create(tmp_path, About("zh", "Anna")).about.speaker == "Anna"
    assert DataSet.open(tmp_path).about.language == "zh"


# --- data sets ---


def test_ljspeechs_own_format_is_read(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text('LJ001|Chap. 1, "so"|Chapter one, "so"\nb.wav|text\n', encoding="utf-8")
    data = DataSet.open(tmp_path)
    assert data.lines == [Line("LJ001", 'Chapter one, "so"'), Line("b", "text")]
    assert "nothing is known" in data.about.steps[0]


@pytest.mark.parametrize(
    ("metadata", "about", "says"),
    [
        (None, None, "no metadata.csv"),
        ("../../x|text", None, "line 1"),
        ("one", None, "line 1"),
        ("one|", None, "line 1"),
        ("one|text", "{", "about.json is broken"),
        ("one|text", "[1]", "about.json is broken"),
        ("one|text", '{"steps": "none"}', "about.json is broken"),
    ],
)
def test_a_broken_data_set_is_one_clear_line(
    tmp_path: Path, metadata: str | None, about: str | None, says: str
) -> None:
    if metadata is not None:
        (tmp_path / "metadata.csv").write_text(metadata)
    if about is not None:
        (tmp_path / "about.json").write_text(about)
    with pytest.raises(WorkshopError, match=says):
        DataSet.open(tmp_path)


def test_our_scripts_can_be_read_out() -> None:
    for name, count in (("en", 50), ("zh", 30)):
        prompts = read_prompts(name)
        assert len(prompts) == len(set(prompts)) == count
    with pytest.raises(WorkshopError, match="one sentence a line"):
        read_prompts("nonsense")


# --- checking ---


def test_a_good_recording_has_no_faults_and_bad_ones_are_named() -> None:
    good = np.concatenate([quiet(0.3), speak(PROMPTS[0]), quiet(0.3)])
    assert measure(good).faults() == []
    noise = np.random.default_rng(0).normal(0, 0.03, len(good)).astype(np.float32)
    room = fftconvolve(good, impulse((5.0, 4.0, 2.7), 0.9, (1.5, 2.0, 1.2), (3.7, 3.0, 1.0))).astype(np.float32)
    bad = {
        "clipped": np.clip(20 * good, -1, 1),
        "too soft": good * np.float32(0.02),
        "noisy": good + noise,
        "silence at an end": np.concatenate([quiet(2), good]),
        "nobody speaks": quiet(3),
        "runs into both ends": speak(PROMPTS[0])[4000:20000],
    }
    for fault, sound in bad.items():
        assert any(fault in each for each in measure(sound.astype(np.float32)).faults()), fault
    assert measure(room).decay > 1.5 * measure(good).decay


def test_words_against_the_recognisers() -> None:
    assert checking.word_errors("It's five, isn't it?", "its five isnt it") == 0
    assert checking.word_errors("one two three four", "one two four") == 0.25
    assert checking.word_errors("我要一杯茶", "我要一杯水") == pytest.approx(0.2)


LONG = [f"{text} {PROMPTS[0]} And then there were {number} more of them." for number, text in enumerate(PROMPTS * 2)]


def test_a_report_says_what_to_record_again(tmp_path: Path) -> None:
    sounds = [np.concatenate([quiet(0.2), speak(text), quiet(0.2)]) for text in LONG]
    sounds[2] = np.clip(30 * sounds[2], -1, 1)
    higher = soxr.resample(speak(LONG[4]), 1.7 * RATE, RATE).astype(np.float32)
    sounds[4] = np.concatenate([quiet(0.2), higher, quiet(0.2)])
    data = dataset(tmp_path, LONG, sounds)
    said = iter(LONG)
    report = checking.check(data, FakeRecogniser(lambda _: next(said)))
    assert [row.line.id for row in report.again] == ["en0002", "en0004"]
    assert "clipped" in report.again[0].faults[0]
    assert "another voice" in report.again[1].faults[0]
    assert checking.write(report, tmp_path).read_text().count("| en0") == len(LONG)


def test_somebody_elses_consent_is_found(tmp_path: Path) -> None:
    data = dataset(tmp_path, LONG)
    higher = soxr.resample(speak(CONSENT["en"]), 1.7 * RATE, RATE).astype(np.float32)
    save(data.consent, np.concatenate([quiet(0.2), higher, quiet(0.2)]))
    data.about.consent = CONSENT["en"]
    said = iter([*LONG, "I do not agree."])
    report = checking.check(data, FakeRecogniser(lambda _: next(said)))
    assert [row.line.id for row in report.again] == ["consent"]
    assert [fault.split(" ")[0] for fault in report.again[0].faults] == ["heard", "another"]
    assert report.text().startswith(f"{len(LONG)} recordings")


def test_the_wrong_language_is_one_clear_line(tmp_path: Path) -> None:
    data = dataset(tmp_path, LONG)
    with pytest.raises(WorkshopError, match="wrong language"):
        checking.check(data, FakeRecogniser(("something else entirely",)))


def test_three_seconds_of_speech_are_too_little(tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match=r"only \d s of speech"):
        checking.check(dataset(tmp_path, PROMPTS[:2]), None)


def test_silent_recordings_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match="nobody speaks"):
        checking.check(dataset(tmp_path, PROMPTS, [quiet(3)] * 3), None)


def test_a_missing_recording_is_reported(tmp_path: Path) -> None:
    data = dataset(tmp_path, LONG)
    data.wav(data.lines[1]).unlink()
    assert "not a file" in checking.check(data, None).again[0].faults[0]


def test_recordings_that_are_all_missing_are_one_clear_line(tmp_path: Path) -> None:
    data = dataset(tmp_path, PROMPTS)
    for line in data.lines:
        data.wav(line).unlink()
    with pytest.raises(WorkshopError, match=r"none of the recordings .* not a file"):
        checking.check(data, None)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_recording_that_was_cut_off_is_reported(tmp_path: Path) -> None:
    data = dataset(tmp_path, LONG)
    cut_off(data.wav(data.lines[1]))
    assert "cut off: 50%" in checking.check(data, None).again[0].faults[0]


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT"])
def test_any_ordinary_wav_is_read(tmp_path: Path, subtype: str) -> None:
    sound = speak(PROMPTS[0])
    soundfile.write(tmp_path / "a.wav", np.stack([sound, sound], 1), RATE, subtype=subtype)
    assert np.abs(read(tmp_path / "a.wav") - sound).max() < 0.01


def test_what_cannot_be_trained_on_is_said_before_torch_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Environment, "run", lambda self, arguments: pytest.fail("torch was asked for"))

    def refused(folder: str) -> str:
        assert main(["voice", "train", str(tmp_path / folder), "--out", str(tmp_path / "run")]) == 1
        complaint = capsys.readouterr().err
        assert complaint.count("\n") == 1
        return complaint

    DataSet.create(tmp_path / "empty", About("en"))
    assert "0 are there" in refused("empty")
    dataset(tmp_path / "silent", PROMPTS * 3, [quiet(1)] * 9)
    assert "nobody speaks" in refused("silent")
    data = dataset(tmp_path / "cut", PROMPTS * 3)
    cut_off(data.wav(data.lines[5]))
    assert "cut off" in refused("cut")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10**8))
    dataset(tmp_path / "good", PROMPTS * 3)
    assert "0.1 GB of disk are free" in refused("good")


def test_what_cannot_be_recoloured_is_said_before_torch_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Environment, "run", lambda self, arguments: pytest.fail("torch was asked for"))
    dataset(tmp_path / "base", PROMPTS)
    save(tmp_path / "me.wav", speak(PROMPTS[0]))
    command = ["voice", "recolour", str(tmp_path / "base"), "--like", str(tmp_path / "me.wav"), "--agreed"]
    command += ["--out", str(tmp_path / "out"), "--converter", str(tmp_path)]
    for says, name in (("config.json is missing", "config.json"), ("checkpoint.pth is missing", "checkpoint.pth")):
        assert main(command) == 1
        assert says in capsys.readouterr().err
        (tmp_path / name).touch()
    assert main(command) == 1
    assert "s of speech; 5 are needed" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_script_of_ones_own_may_be_in_another_language(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("我要一杯茶。", encoding="utf-8")
    command = ["voice", "synthesise", "--voice", "espeak:cmn", "--script", str(tmp_path / "s.txt"), "--language", "zh"]
    assert main([*command, "--out", str(tmp_path / "d")]) == 0
    assert DataSet.open(tmp_path / "d").about.language == "zh"
    assert DataSet.open(tmp_path / "d").lines[0].id == "zh0001"


# --- judging ---


def test_a_voice_is_judged_by_what_is_understood_of_it() -> None:
    texts = sentences("en", 6)
    assert sentences("en", 6) == texts
    assert len(set(texts)) == 6
    heard = iter([*texts, *(text.split(" ", 1)[1] for text in texts)])
    recogniser, voice = FakeRecogniser(lambda _: next(heard)), Espeak("en-us+m3")
    good, worse = (judge(name, voice, recogniser, "en", texts) for name in ("good", "worse"))
    assert good.errors == 0.0
    assert worse.errors == pytest.approx(6 / sum(len(checking.words(text)) for text in texts))
    assert worse.spread[0] <= worse.errors <= worse.spread[1]
    assert 0 < good.factor < 1
    assert [row.split(" | ")[0] for row in table([worse, good]).splitlines()[2:]] == ["| good", "| worse"]


def test_a_voice_without_a_sound_is_one_clear_line() -> None:
    voice = Espeak("en-us+m3")
    with pytest.raises(WorkshopError, match="makes no sound"):
        judge("mute", voice, FakeRecogniser(), "en", ["   "])


# --- commands ---


def test_a_data_set_is_synthesised_and_a_voice_says_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "s.txt"
    script.write_text("\n".join(PROMPTS))
    assert (
        main(["voice", "synthesise", "--voice", "espeak", "--script", str(script), "--out", str(tmp_path / "d")]) == 0
    )
    assert json.loads((tmp_path / "d" / "about.json").read_text())["synthetic"] is True
    assert main(["voice", "say", "espeak", "Good morning.", "--out", str(tmp_path / "say.wav")]) == 0
    assert soundfile.info(tmp_path / "say.wav").duration > 0.4
    assert main(["voice", "say", "nonsense", "Good morning."]) == 1
    assert "no voice" in capsys.readouterr().err


def test_without_torch_the_way_to_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset(tmp_path / "d", PROMPTS * 3)
    monkeypatch.setenv(VOICE.place, str(tmp_path))
    monkeypatch.setattr(Environment, "ready", lambda self: False)
    assert main(["voice", "train", str(tmp_path / "d")]) == 1
    assert "make voice-setup" in capsys.readouterr().err
    assert main(["voice", "train", str(tmp_path / "d"), "--quality", "great"]) == 2
    assert main(["voice", "train", str(tmp_path / "nothing")]) == 1


# --- alignment ---


def best_by_trying(value: np.ndarray) -> float:
    """The best sum over all monotonic paths that use every token."""
    frames, tokens = value.shape
    cuts = itertools.combinations(range(1, frames), tokens - 1)
    paths = (np.repeat(np.arange(tokens), np.diff([0, *cut, frames])) for cut in cuts)
    return max(float(value[np.arange(frames), path].sum()) for path in paths)


@pytest.mark.parametrize(("frames", "tokens"), [(1, 1), (5, 1), (4, 4), (7, 3), (9, 5)])
def test_the_alignment_is_the_best_of_all(frames: int, tokens: int) -> None:
    values = np.random.default_rng(frames * 10 + tokens).normal(0, 3, (6, frames, tokens)).astype(np.float32)
    paths = np.zeros(values.shape, np.int32)
    lengths = np.full(6, frames, np.int32), np.full(6, tokens, np.int32)
    maximum_path(paths, values.copy(), *lengths)
    for path, value in zip(paths, values, strict=True):
        assert (path.sum(axis=1) == 1).all()
        assert (path.sum(axis=0) >= 1).all()
        assert (np.diff(path.argmax(axis=1)) >= 0).all()
        assert float((path * value).sum()) == pytest.approx(best_by_trying(value), abs=1e-3)
