from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr

from echoless.ears import smart_turn
from echoless.ears.choose import open_turn_end
from echoless.ears.door import TurnEnd
from echoless.ears.smart_turn import SmartTurn, SmartTurnError, log_mel
from echoless.ears.turn_end import WordsOnly
from echoless.frames import RATE

SHARED = Path(os.environ.get("ECHOLESS_SHARED") or Path(__file__).parents[3] / "shared") / "speech"
needs_model = pytest.mark.skipif(smart_turn.path() is None, reason="the turn-end model is not fetched (make setup)")


def test_log_mel_of_a_tone_peaks_in_its_band_and_stays_in_whispers_range() -> None:
    time = np.arange(8 * RATE) / RATE
    for hertz in (250, 1000, 3000):
        mel = log_mel(np.sin(2 * np.pi * hertz * time).astype(np.float32))
        assert mel.shape == (80, 800) and mel.dtype == np.float32
        centre = float(smart_turn._filters()[int(mel.mean(axis=1).argmax())] @ np.linspace(0, 8000, 201))
        total = float(smart_turn._filters()[int(mel.mean(axis=1).argmax())].sum())
        assert abs(centre / total - hertz) < 0.05 * hertz + 40
        assert mel.max() - mel.min() <= 2.0 + 1e-5  # 8 decades of dynamic range, a quarter each


def test_log_mel_does_not_depend_on_level_and_takes_the_last_eight_seconds() -> None:
    noise = np.random.default_rng(0).standard_normal(10 * RATE).astype(np.float32) * np.float32(0.1)
    assert np.allclose(log_mel(noise), log_mel(noise * np.float32(0.2)), atol=2e-3)
    assert np.array_equal(log_mel(noise), log_mel(noise[-8 * RATE :]))
    short = log_mel(noise[: 2 * RATE])
    # Silence first (the same in every frame), sound last.
    assert np.all(np.ptp(short[:, 2:590], axis=1) < 1e-4) and np.all(np.ptp(short[:, 610:], axis=1) > 0.2)


@pytest.mark.parametrize("odd", [np.zeros(0, np.float32), np.zeros(10, np.float32), np.full(RATE, np.nan, np.float32)])
def test_log_mel_is_finite_for_anything(odd: np.ndarray) -> None:
    assert np.isfinite(log_mel(odd)).all()


@needs_model
def test_a_finished_question_sounds_finished_and_a_broken_off_one_does_not() -> None:
    if not SHARED.is_dir():
        pytest.skip("no recordings: set ECHOLESS_SHARED to the folder that holds speech/")
    engine = SmartTurn()
    assert isinstance(engine, TurnEnd)
    sound, rate = sf.read(SHARED / "jfk/jfk.wav", dtype="float32")
    sound = soxr.resample(sound, rate, RATE)
    broken = [engine.sounds_finished(sound[: int(seconds * RATE)]) for seconds in (4.5, 6.0, 8.5, 9.0)]
    assert engine.sounds_finished(sound[: int(10.7 * RATE)]) > 0.8 and max(broken) < 0.5
    assert engine.finished(0.9, "I would like a latte.") > engine.finished(0.9, "I would like a")


def test_without_the_model_words_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOLESS_MODELS", str(tmp_path))
    assert smart_turn.path() is None
    assert isinstance(open_turn_end(), WordsOnly)
    with pytest.raises(SmartTurnError, match="make setup"):
        SmartTurn()


def test_a_broken_model_degrades_with_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOLESS_MODELS", str(tmp_path))
    (tmp_path / smart_turn.NAME).write_bytes(b"not a model")
    with pytest.raises(SmartTurnError, match="make setup") as caught:
        SmartTurn()
    assert "\n" not in str(caught.value)
    assert isinstance(open_turn_end(), WordsOnly)


def pip_stand_in(wheel_of: bytes | None, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """In place of pip's network: `pip download` leaves a wheel with `wheel_of` as the member, or fails."""
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        if wheel_of is None:
            return subprocess.CompletedProcess(command, 1, "", "ERROR: no network\nERROR: No matching distribution")
        folder = Path(command[command.index("--dest") + 1])
        folder.mkdir(parents=True)
        with zipfile.ZipFile(folder / "pipecat_ai-1.14.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(smart_turn.MEMBER, wheel_of)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(smart_turn.subprocess, "run", run)
    return asked


def test_fetch_takes_one_member_checks_it_and_asks_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOLESS_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(smart_turn, "SHA256", hashlib.sha256(b"the model").hexdigest())
    asked = pip_stand_in(b"the model", monkeypatch)
    file = smart_turn.fetch()
    assert file == smart_turn.path() and file.read_bytes() == b"the model"
    assert smart_turn.fetch() == file and len(asked) == 1
    assert asked[0][:4] == [sys.executable, "-m", "pip", "download"] and "--no-deps" in asked[0]
    assert [each.name for each in file.parent.iterdir()] == [smart_turn.NAME]  # nothing half done is left


def test_fetch_refuses_another_file_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOLESS_MODELS", str(tmp_path))
    pip_stand_in(b"something else", monkeypatch)
    with pytest.raises(SmartTurnError, match="SHA-256"):
        smart_turn.fetch()
    assert list(tmp_path.iterdir()) == []


def test_fetch_without_a_network_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOLESS_MODELS", str(tmp_path))
    pip_stand_in(None, monkeypatch)
    with pytest.raises(SmartTurnError, match=r"No matching distribution.*network"):
        smart_turn.fetch()
