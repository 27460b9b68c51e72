"""Flags > environment > echoless.toml > defaults, and one clear line for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from echoless.settings import LONGEST_SYSTEM, Settings, SettingsError, load


@pytest.fixture(autouse=True)
def empty_world(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"ECHOLESS_{name.upper()}", raising=False)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    return tmp_path / "config"


def test_each_layer_beats_the_one_below(here: Path, config: Path, monkeypatch: pytest.MonkeyPatch):
    (config / "echoless.toml").write_text('model = "a"\nvolume = -1\nvoice_speed = 1.1\nlanguage = "de"')
    (here / "echoless.toml").write_text('model = "b"\nvolume = -2\nvoice_speed = 1.2')
    monkeypatch.setenv("ECHOLESS_MODEL", "c")
    monkeypatch.setenv("ECHOLESS_VOLUME", "-3")
    loaded = load({"model": "d", "volume": None, "seed": None}, cwd=here, config=config)
    found = {row["name"]: (row["value"], row["from"]) for row in loaded.rows()}
    assert found["model"] == ("d", "flag")
    assert found["volume"] == (-3.0, "environment")
    assert found["voice_speed"] == (1.2, str(here / "echoless.toml"))
    assert found["language"] == ("de", str(config / "echoless.toml"))
    assert found["seed"] == (None, "default")
    assert set(found) == set(Settings.model_fields)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"volume": 99}, "volume = 99 (flag): input should be less than or equal to 12"),
        ({"voice_speed": "fast"}, "voice_speed = 'fast' (flag): input should be a valid number"),
        ({"llm_url": "ftp://x"}, "an address like http://localhost:8080 is wanted"),
        ({"pace": "slow"}, "pace = 'slow' (flag): input should be 'real' or 'fast'"),
        ({"modle": "x"}, "unknown setting 'modle'; did you mean 'model'?"),
        ({"loudspeaker": "out.wav"}, "so microphone must be one too"),
        ({"loudspeaker": "a.wav", "microphone": "./a.wav"}, "the same file"),
        ({"device": "0", "microphone": "a.wav"}, "give one of them"),
    ],
)
def test_a_wrong_value_is_one_line(flags: dict[str, object], told: str, here: Path, config: Path):
    with pytest.raises(SettingsError) as caught:
        load(flags, cwd=here, config=config)
    assert told in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"temprature = 1", "unknown setting 'temprature'; did you mean 'temperature'?"),
        (b"zzz = 1", "'echoless config' lists the known ones"),
        (b"model = ", "is not TOML"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"volume = 'loud'", "volume = 'loud' ("),
        (b"[model]\nx = 1", "model = {'x': 1} ("),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it(content: bytes, told: str, here: Path, config: Path):
    (here / "echoless.toml").write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load(cwd=here, config=config)
    assert told in str(caught.value) and "\n" not in str(caught.value)
    assert str(here / "echoless.toml") in str(caught.value)


def test_files_named_in_a_file_lie_beside_it(here: Path, config: Path):
    (config / "voice.onnx").touch()
    (config / "echoless.toml").write_text('tts_model = "voice.onnx"\nmodel = "pulled-name"\nrecord = "calls"')
    settings = load(cwd=here, config=config).settings
    assert settings.tts_model == str(config / "voice.onnx")
    assert settings.model == "pulled-name"
    assert settings.record == config / "calls"


def test_an_address_is_completed(here: Path, config: Path):
    assert load({"llm_url": "localhost:8080/"}, cwd=here, config=config).settings.llm_url == "http://localhost:8080"


def test_system_is_a_text_or_a_file(here: Path, config: Path):
    def system(value: str) -> str | None:
        return load({"system": value}, cwd=here, config=config).settings.system_text

    (here / "who.txt").write_text("You are a cook.\n")
    assert system(str(here / "who.txt")) == "You are a cook."
    assert system("You are a pilot. Say so.") == "You are a pilot. Say so."
    assert system("x" * 5000) == "x" * 5000  # too long for a file's name
    with pytest.raises(SettingsError, match="there is no file"):
        system("missing.txt")
    (here / "model.gguf").write_bytes(b"GGUF\xff\xfe")
    with pytest.raises(SettingsError, match="not a text file"):
        system(str(here / "model.gguf"))
    (here / "long.txt").write_text("x" * (LONGEST_SYSTEM + 1))
    with pytest.raises(SettingsError, match="longer than"):
        system(str(here / "long.txt"))


@pytest.mark.parametrize(
    ("device", "both"),
    [(None, (None, None)), ("3", ("3", "3")), ("usb, hdmi", ("usb", "hdmi")), (",2", (None, "2")), ("1,", ("1", None))],
)
def test_device_names_one_or_both_ends(
    device: str | None, both: tuple[str | None, str | None], here: Path, config: Path
):
    assert load({"device": device}, cwd=here, config=config).settings.devices == both
