"""The interface in Chinese: every text that has a translation is shown in it, and what has none stays English."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from echoless import captions
from echoless.cli import BESIDE, app, main
from echoless.frames import Event
from echoless.tongue import FOLDER, localised, tongue, wanted

CHINESE = re.compile("[\u4e00-\u9fff]")
ENTRIES = json.loads((FOLDER / "zh.json").read_text("utf-8"))


@pytest.mark.parametrize("text", ENTRIES)
def test_every_gap_is_filled_in(text: str) -> None:
    assert text.count("{}") == ENTRIES[text].count("{}")
    filled = text.format(*(f"x{number}" for number in range(text.count("{}"))))
    assert tongue("zh")(filled) == ENTRIES[text].format(*(f"x{number}" for number in range(text.count("{}"))))


def test_what_is_put_in_is_translated_too_and_the_rest_stays() -> None:
    say = tongue("zh")
    assert say("not answered, my own echo: hello {0}") == "未回答（我自己的回声）：hello {0}"
    assert say("nobody has translated this") == "nobody has translated this"
    assert tongue("fr")("listening") == "listening"


@pytest.mark.parametrize(
    ("arguments", "environment", "file", "language"),
    [
        (["talk", "--language", "zh"], "", "", "zh"),
        (["--language=zh", "doctor"], "en", "", "zh"),
        (["talk"], "zh", "", "zh"),
        (["talk"], "", 'language = "zh"', "zh"),
        (["talk"], "", "not TOML", "en"),
        (["talk", "--language"], "", "", "en"),
    ],
)
def test_where_the_language_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], environment: str, file: str, language: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ECHOLESS_LANGUAGE", environment)
    (tmp_path / "echoless.toml").write_text(file)
    assert wanted(arguments) == language


def texts(command: Any) -> Iterator[str]:
    yield from filter(None, [command.help])
    for each in command.params:
        yield from filter(None, [getattr(each, "help", None), getattr(each, "rich_help_panel", None)])
    for each in getattr(command, "commands", {}).values():
        yield from texts(each)


@pytest.mark.parametrize("name", ["", "rehearse", "serve", "voice", "voiceprint"])
def test_nearly_all_help_is_in_chinese(name: str) -> None:
    """A new English text may wait a little for its translation: it is shown as it is until then."""
    program = app if not name else import_module(dict((each[:2]) for each in BESIDE)[name]).app
    command = localised(typer.main.get_command(program), "zh")
    found = list(texts(command))
    english = [text for text in found if not CHINESE.search(text)]
    assert len(english) <= len(found) / 10, english


def test_a_help_page_from_top_to_bottom(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--language", "zh", "--help"]) == 0
    page = capsys.readouterr().out
    assert "选项" in page and "命令" in page and "显示本说明后退出" in page
    assert main(["--help"]) == 0
    page = capsys.readouterr().out
    assert "Options" in page and "Commands" in page and not CHINESE.search(page)


def test_settings_are_told_in_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--language", "zh", "config"]) == 0
    assert "设置" in capsys.readouterr().out
    assert main(["--language", "zh", "config", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["language"] == {"value": "zh", "from": "flag"}


def test_captions_are_in_chinese() -> None:
    seen = captions.Captions("zh")
    for event in (
        Event(1.0, "user.said", {"text": "你好", "turn": 1}),
        Event(2.0, "agent.said", {"text": "我在", "unheard": "听呢", "generation": 1}),
        Event(3.0, "user.rejected", {"reason": "stranger", "text": "喂"}),
        Event(4.0, "mode", {"duplex": "half", "why": "echo"}),
    ):
        seen.feed(event)
    assert [each.plain() for each in seen.finish()] == [
        "你: 你好",
        "助手: 我在 [被打断：听呢]",
        "(未回答（别人的声音）：喂)",
        "(半双工：回声)",
    ]
    states = {"listening", "hearing you", "thinking", "speaking", "ducked"}
    assert all(CHINESE.search(tongue("zh")(state)) for state in states)
