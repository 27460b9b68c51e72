"""The doctor's lines, exit code and JSON; and its checks on the real parts."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from echoless.doctor import checks
from echoless.doctor.examine import attempt, examine
from echoless.doctor.findings import Finding, Patient
from echoless.lines.door import LineError
from echoless.settings import Settings


def fine(patient: Patient) -> Iterator[Finding]:
    yield Finding("part", "ok", "well [1]", milliseconds=1.234)


def wanting(patient: Patient) -> Iterator[Finding]:
    yield Finding("extra", "missing", "not here", "fetch it")


def broken_line(patient: Patient) -> Iterator[Finding]:
    yield Finding("first", "ok", "well")
    raise LineError("the card\nis gone: plug it in")


def defect(patient: Patient) -> Iterator[Finding]:
    raise ZeroDivisionError("oops")
    yield


def told(monkeypatch: pytest.MonkeyPatch, *checks: object, as_json: bool = False) -> tuple[int, str]:
    monkeypatch.setattr("echoless.doctor.examine.CHECKS", tuple(("Parts", check) for check in checks))
    console = Console(file=io.StringIO(), width=200)
    code = examine(Settings(), as_json=as_json, console=console)
    return code, console.file.getvalue()  # type: ignore[attr-defined]


def test_what_is_missing_is_told_but_does_not_fail(monkeypatch: pytest.MonkeyPatch):
    code, text = told(monkeypatch, fine, wanting)
    assert code == 0
    assert "✓ part           well [1] 1.23 ms" in text
    assert "– extra          not here" in text and "→ fetch it" in text
    assert "All 2 checks passed" in text


def test_a_failing_part_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch):
    code, text = told(monkeypatch, broken_line, defect, fine)
    assert code == 1
    assert "✗ broken line    the card is gone: plug it in" in text
    assert "✗ defect         oops" in text and "a defect of ours" in text
    assert "✓ part" in text and "2 of 4 checks failed" in text


def test_json_is_for_programs(monkeypatch: pytest.MonkeyPatch):
    code, text = told(monkeypatch, defect, fine, as_json=True)
    value = json.loads(text)
    assert code == 1 and value["ok"] is False
    assert "ZeroDivisionError" in value["findings"][0]["more"]["traceback"]
    assert value["findings"][1]["milliseconds"] == 1.234


@pytest.fixture
def patient() -> Patient:
    """With a sentence that the tests need no voice for: the voice of espeak-ng, which is always there."""
    import soxr

    from echoless.voice.espeak import Espeak

    patient = Patient(Settings())
    voice = Espeak()
    sound = np.concatenate([chunk.samples for chunk in voice.speak(patient.says.sentence)])
    patient.speech = soxr.resample(sound, voice.traits.rate, 16_000).astype(np.float32)
    voice.close()
    return patient


@pytest.mark.parametrize("name", ["system", "packages", "voice_activity", "echo_canceller"])
def test_the_real_parts_are_well(name: str, patient: Patient):
    findings = list(attempt(getattr(checks, name), patient))
    assert findings and all(finding.state == "ok" for finding in findings), findings


def test_a_canceller_that_does_nothing_is_found_out(patient: Patient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("echoless.ears.canceller.Canceller.hear", lambda self, near, far: (near, near))
    (finding,) = attempt(checks.echo_canceller, patient)
    assert finding.state == "failed"


def test_without_a_sentence_nothing_is_called_well():
    (finding,) = attempt(checks.recogniser, Patient(Settings()))
    assert finding.state == "failed" and "needs a sentence" in finding.what


def test_models_are_told_with_path_sum_and_licence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patient: Patient):
    monkeypatch.setenv("ECHOLESS_MODELS", str(tmp_path))
    (tmp_path / "big.gguf").write_bytes(b"GGUF")
    (tmp_path / "big.gguf.from").write_text('{"licence": "mit"}')
    (tmp_path / "odd.onnx").write_bytes(b"")
    (tmp_path / "odd.onnx.from").write_text("[")
    found = {Path(str(f.more.get("path"))).name: f for f in attempt(checks.models, patient)}
    assert found["big.gguf"].more["licence"] == "mit"
    assert found["big.gguf"].more["sha256"].startswith("b83633aa")
    assert found["odd.onnx"].more["licence"] == "licence not known"
    assert found["ggml-silero-v6.2.0.bin"].state == "ok"


def test_an_unwritable_home_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patient: Patient):
    monkeypatch.setattr(checks, "data_dir", lambda: tmp_path / "data")
    monkeypatch.setattr("os.access", lambda *_: False)
    finding = list(attempt(checks.system, patient))[1]
    assert finding.state == "failed" and "XDG_DATA_HOME" in finding.advice
