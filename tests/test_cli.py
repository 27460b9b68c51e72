"""The command line as a person meets it: help, exit codes, one-line errors."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from echoless import __version__, cli
from echoless.settings import Settings


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import sys; from echoless.cli import main; sys.exit(main())", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "120", **environment},
    )


def told(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    assert cli.main(list(arguments)) == code
    err = capsys.readouterr().err
    assert err.startswith("echoless: ") and err.count("\n") == 1, err
    return err


def test_help_lists_the_commands_and_loads_nothing_heavy():
    done = run("--help")
    assert done.returncode == 0
    for command in ("talk", "doctor", "show", "replay", "config", "pull"):
        assert f"│ {command} " in done.stdout
    probe = "import sys; from echoless import cli; print(sorted({n.partition('.')[0] for n in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60).stdout
    for heavy in ("numpy", "scipy", "onnxruntime", "pydantic", "matplotlib", "huggingface_hub"):
        assert f"'{heavy}'" not in loaded


def test_version():
    assert run("--version").stdout == f"echoless {__version__}\n"


def test_every_flag_of_talk_is_a_setting_or_known_here():
    flags = set(inspect.signature(cli.talk).parameters) - {"context"}
    assert flags - set(Settings.model_fields) == {"list_devices", "text"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frob"], "No such command 'frob'"),
        (["talk", "--modle", "x"], "--modle"),
        (["talk", "--volume", "loud"], "--volume"),
        (["talk", "--volume", "99"], "volume = 99.0 (flag)"),
        (["talk", "--loudspeaker", "out.wav"], "microphone"),
        (["pull"], "echoless pull --list"),
        (["show"], "DIR"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(arguments: list[str], words: str, capsys):
    assert words in told(capsys, 2, *arguments)


def test_no_command_prints_the_help(capsys):
    assert cli.main([]) == 2
    assert "Commands" in capsys.readouterr().out


def test_config_says_where_values_come_from(tmp_path: Path):
    done = run("config", "--json", ECHOLESS_VOICE_SPEED="1.5", XDG_CONFIG_HOME=str(tmp_path))
    values = json.loads(done.stdout)
    assert values["voice_speed"] == {"value": 1.5, "from": "environment"}
    assert values["model"] == {"value": "pocket", "from": "default"}
    table = run("config", ECHOLESS_VOICE_SPEED="1.5", XDG_CONFIG_HOME=str(tmp_path)).stdout
    assert any(line.split()[:3] == ["voice_speed", "1.5", "environment"] for line in table.splitlines())


class BadError(Exception):
    __module__ = "echoless.lines.door"


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (BadError("the card\nis gone"), 1, "echoless: the card is gone"),
        (ExceptionGroup("x", [ExceptionGroup("y", [BadError("deep")])]), 1, "echoless: deep"),
        (FileNotFoundError(2, "No such file", "a.wav"), 1, "echoless: a.wav: No such file"),
        (ZeroDivisionError("oops"), 1, "should not have happened: ZeroDivisionError: oops (again with --debug"),
    ],
)
def test_errors_are_one_line_unless_debugging(error: Exception, code: int, words: str, monkeypatch, capsys):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("echoless.settings.load", fail)
    assert words in told(capsys, code, "config")
    with pytest.raises(type(error)):
        cli.main(["config", "--debug"])


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BaseExceptionGroup("x", [KeyboardInterrupt()])])
def test_ctrl_c_is_quiet(error: BaseException, monkeypatch, capsys):
    def interrupt(*_: object) -> None:
        raise error

    monkeypatch.setattr("echoless.settings.load", interrupt)
    assert cli.main(["config"]) == 130
    assert capsys.readouterr().err == ""
