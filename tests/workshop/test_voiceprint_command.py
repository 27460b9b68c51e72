"""`echoless voiceprint` as a person types it: real sounds, real encoder, one line for what goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from echoless.cli import main
from echoless.ears.voiceprint import VoiceprintError
from echoless.frames import RATE
from echoless.lines.door import LineError
from echoless.voice.espeak import Espeak
from echoless.workshop.voiceprint import matrix
from echoless.workshop.voiceprint.calibrate import Trials
from echoless.workshop.voiceprint.voices import Known, match

ROOT = Path(__file__).parents[2]
TEXT = "The ferry leaves at half past seven, so we should be at the harbour well before that. "


@pytest.fixture(autouse=True)
def _nobody_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Voiceprints of whoever runs the tests are left alone."""
    place = tmp_path / "voiceprints"
    monkeypatch.setattr("echoless.workshop.voiceprint.command.folder", lambda: place)


def spoken(path: Path, voice: str, text: str) -> Path:
    """A WAV of a synthesiser's voice."""
    engine = Espeak(voice)
    sound = np.concatenate([chunk.samples for chunk in engine.speak(text)])
    soundfile.write(path, sound, engine.traits.rate, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("sounds")
    made = {
        "low": spoken(folder / "low.wav", "en-us+m3", TEXT * 2),
        "low2": spoken(folder / "low2.wav", "en-us+m3", "I would rather have told you so long before this. " * 3),
        "high": spoken(folder / "high.wav", "en-us+f5", TEXT * 2),
        "short": spoken(folder / "short.wav", "en-us+m3", "The ferry leaves at half past seven."),
    }
    silent = folder / "silent.wav"
    soundfile.write(silent, np.zeros(3 * RATE, np.float32), RATE)
    noise = folder / "noise.wav"
    soundfile.write(noise, np.random.default_rng(0).normal(0, 0.05, 3 * RATE).astype(np.float32), RATE)
    return {name: str(path) for name, path in (made | {"silent": silent, "noise": noise}).items()}


def test_two_voices_are_compared_for_programs(sounds: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["voiceprint", "compare", sounds["low"], sounds["low2"], "--json"]) == 0
    alike = json.loads(capsys.readouterr().out)
    assert main(["voiceprint", "compare", sounds["low"], sounds["high"], "--json"]) == 0
    other = json.loads(capsys.readouterr().out)
    assert alike["same"] is True
    assert alike["similarity"] > other["similarity"]


def test_many_voices_make_a_matrix_and_a_picture(
    sounds: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "m.png"
    names = [sounds["low"], sounds["low2"], sounds["high"], "voice:espeak:en-us+m3"]
    assert main(["voiceprint", "compare", *names, "--out", str(picture)]) == 0
    assert "low" in capsys.readouterr().out
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_a_picture_on_a_full_disk_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    (tmp_path / "m.png").write_bytes(b"old")
    with pytest.raises(VoiceprintError, match="No space left"):
        matrix.draw([row("a.wav", 0.0), row("b.wav", 0.1)], tmp_path / "m.png")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("m.png", b"old")]


def test_enrol_identify_list_forget(sounds: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["voiceprint", "enrol", "Low", sounds["low"], sounds["low2"]]) == 0
    capsys.readouterr()
    assert main(["voiceprint", "identify", sounds["low2"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["who"] == "Low"
    assert main(["voiceprint", "list", "--json"]) == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)] == ["Low"]
    assert main(["voiceprint", "compare", "Low", sounds["low"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["same"]
    assert main(["voiceprint", "forget", "low"]) == 0
    assert main(["voiceprint", "identify", sounds["low2"]]) == 1
    assert "nobody is enrolled" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["enrol", "Anna", "{silent}"], "is silent"),
        (["enrol", "Anna", "{short}"], "are needed"),
        (["enrol", "Anna", "{noise}"], "s of speech"),
        (["enrol", "me", "{low}"], "another name"),
        (["compare", "{low}", "/nowhere.wav"], "not a file"),
        (["compare", "{low}", "Berta"], "neither a sound file nor enrolled"),
        (["compare", "{low}", "voice:nonsense"], "no voice"),
        (["compare", "{low}"], "two voices"),
        (["compare", "{low}", "{low2}", "--engine", "magic"], "no engine"),
        (["forget", "Berta"], "nobody called"),
    ],
)
def test_bad_input_is_one_line(
    sounds: dict[str, str], capsys: pytest.CaptureFixture[str], line: list[str], says: str
) -> None:
    assert main(["voiceprint", *[part.format(**sounds) for part in line]]) in (1, 2)
    complaint = capsys.readouterr().err
    assert says in complaint
    assert complaint.count("\n") == 1


def test_without_a_microphone_the_way_with_recordings_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(*_: object) -> None:
        raise LineError("There is no microphone on this machine.")

    monkeypatch.setattr("echoless.workshop.voice.microphone.take", none)
    assert main(["voiceprint", "enrol", "Anna"]) == 1
    assert capsys.readouterr().err.splitlines()[-1].endswith("echoless voiceprint enrol Anna ONE.wav TWO.wav")


def row(name: str, at: float, enrolled: bool = False) -> Known:
    vector = np.zeros(256, np.float32)
    vector[:2] = np.cos(at), np.sin(at)
    return Known(name, vector, 5.0, enrolled)


def test_voices_are_grouped_and_named_apart() -> None:
    rows = [row("a/one.wav", 0.0), row("b/one.wav", 0.1), row("Anna", 1.4)]
    assert matrix.labels(rows) == ["a/one", "b/one", "Anna"]
    assert matrix.verdict(rows) == "a/one = b/one; Anna: 2 voices"
    found = matrix.as_json(rows)
    assert [(pair["a"], pair["b"], pair["same"]) for pair in found["pairs"]] == [
        (0, 1, True),
        (0, 2, False),
        (1, 2, False),
    ]


def test_an_enrolled_person_is_matched_by_the_others_length() -> None:
    from dataclasses import replace

    from echoless.ears.voiceprint import ENROLLED, PAIR, threshold

    short, person = replace(row("a.wav", 0), seconds=1.0), row("Anna", 0, enrolled=True)
    assert match(short, person).threshold == threshold(1.0, ENROLLED)
    assert match(short, row("b.wav", 0)).threshold == threshold(1.0, PAIR)


def test_error_rates_and_the_threshold_between_them() -> None:
    trials = Trials(np.array([0.6, 0.8, 0.9, 0.95]), np.array([0.3, 0.5, 0.55, 0.7]))
    assert trials.rates(0.65) == (0.25, 0.25)
    at, error = trials.equal()
    assert error == 0.25
    assert 0.6 < at <= 0.7
    apart = Trials(np.array([0.8, 0.9]), np.array([0.4, 0.6])).equal()
    assert apart == (pytest.approx(0.7, abs=0.01), 0.0)


@pytest.mark.slow
def test_resemblyzer_itself_says_the_same(sounds: dict[str, str]) -> None:
    """Theirs in torch against ours, over whole files, in the environment of `make voice-setup`."""
    python = ROOT / ".venv-voice" / "bin" / "python"
    if not python.exists():
        pytest.skip("no .venv-voice: make voice-setup")
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from echoless.workshop.voiceprint.engines import open_engine\n"
        "from echoless.workshop.voiceprint.sound import read\n"
        "ours, theirs = open_engine('onnx'), open_engine('resemblyzer')\n"
        "print(max(float(np.abs(ours.embed(s) - theirs.embed(s)).max()) for s in map(read, map(Path, sys.argv[1:]))))"
    )
    command = [str(python), "-W", "ignore", "-c", code, *(sounds[name] for name in ("low", "low2", "high"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert float(done.stdout.split()[-1]) < 1e-4


def test_the_references_scripts_are_doors_to_the_same(sounds: dict[str, str], tmp_path: Path) -> None:
    folder, said = ROOT / "examples" / "voiceprint", tmp_path / "say.wav"
    command = [sys.executable, str(folder / "tts_generate.py"), "espeak:en-us+m3", TEXT, "--out", str(said)]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    command = [sys.executable, str(folder / "voiceprint_compare.py"), str(said), sounds["low"], "--json"]
    done = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
    assert json.loads(done.stdout)["same"] is True
    done = subprocess.run(
        [sys.executable, str(folder / "record_voice.py"), "me"], timeout=120, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "another name" in done.stderr
