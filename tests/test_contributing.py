"""The engine in ten lines of CONTRIBUTING.md works as it stands there."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soxr

from echoless.ears.choose import open_recogniser, recognisers
from echoless.frames import RATE, Samples

TEXT = (Path(__file__).resolve().parents[1] / "CONTRIBUTING.md").read_text("utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example as an installed package, as an installer would leave it."""
    (tmp_path / "parrot.py").write_text(block("python"))
    about = tmp_path / "parrot-1.0.dist-info"
    about.mkdir()
    about.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: parrot\nVersion: 1.0\n")
    entry = block("toml").replace('[project.entry-points."echoless.recognisers"]', "[echoless.recognisers]")
    about.joinpath("entry_points.txt").write_text(entry.replace('"', ""))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("parrot", None)


def sentence() -> Samples:
    from echoless.voice.espeak import Espeak

    voice = Espeak()
    sound = np.concatenate([chunk.samples for chunk in voice.speak("This is a sentence of some length.")])
    voice.close()
    return soxr.resample(sound, voice.traits.rate, RATE).astype(np.float32)


def test_the_example_is_an_engine(installed: None):
    assert recognisers()["parrot"] == "parrot:open_engine"
    engine = open_recogniser("parrot")
    speech = sentence()
    assert engine.transcribe(speech).text == f"I heard {len(speech) / RATE:.1f} seconds"
    assert engine.transcribe(np.zeros(RATE, np.float32)).text == ""  # the checks stand before it too


def test_it_is_about_ten_lines():
    code = [line for line in block("python").splitlines() if line.strip() and not line.startswith(("from", "import"))]
    assert len(code) <= 10


def test_the_readme_names_commands_that_exist_and_pictures_that_are_there():
    from typer.main import get_command

    from echoless.cli import app

    root = Path(__file__).resolve().parents[1]
    readme = (root / "README.md").read_text("utf-8")
    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    assert set(re.findall(r"`echoless (\w+)", readme)) <= commands
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", readme):
        assert (root / picture).is_file()
    for target in re.findall(r"`make (\w+)`", readme):
        assert re.search(rf"^{target}:", (root / "Makefile").read_text(), re.MULTILINE)
