"""The interface in the user's language. What people see is written in English where it arises; here it is translated.

`languages/CODE.json` maps English to another language; `{}` stands for whatever is put in. A text that is not there
stays English: nothing is ever lost for want of a translation.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import tomllib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("languages")
Translate = Callable[[str], str]


def tongue(language: str) -> Translate:
    """What translates into `language` (ISO 639-1); nothing is changed for one that there is no file of."""
    if not (FOLDER / f"{language}.json").is_file():
        return plain_english
    return lambda text: _translated(text, language)


def plain_english(text: str) -> str:
    """Nothing is changed."""
    return text


def wanted(arguments: Sequence[str]) -> str:
    """The language that a command line asks for: `--language`, `ECHOLESS_LANGUAGE`, or echoless.toml here.

    Read before anything else, so that a wrong command line is told in it, too. Never raises.
    """
    for at, argument in enumerate(arguments):
        if argument == "--language" and at + 1 < len(arguments):
            return arguments[at + 1]
        if argument.startswith("--language="):
            return argument.partition("=")[2]
    if given := os.environ.get("ECHOLESS_LANGUAGE"):
        return given
    try:
        return str(tomllib.loads(Path("echoless.toml").read_text("utf-8")).get("language", "en"))
    except (OSError, ValueError):
        return "en"


def localised(command: Any, language: str) -> Any:
    """A click command whose help, and that of all below it, is in `language`."""
    say = tongue(language)
    if say is plain_english:
        return command
    for name in ("help", "short_help", "epilog"):
        if text := getattr(command, name, None):
            setattr(command, name, say(inspect.cleandoc(text)))
    for each in command.params:
        for name in ("help", "rich_help_panel"):
            if text := getattr(each, name, None):
                setattr(each, name, say(text))
    ordinary = command.get_help_option

    def help_option(context: Any) -> Any:
        if option := ordinary(context):
            option.help = say(option.help)
        return option

    command.get_help_option = help_option
    for each in getattr(command, "commands", {}).values():
        localised(each, language)
    return command


def entitle(language: str) -> None:
    """Name the panels of help pages in `language`."""
    from typer import rich_utils

    say = tongue(language)
    for name, title in (("OPTIONS", "Options"), ("ARGUMENTS", "Arguments"), ("COMMANDS", "Commands")):
        setattr(rich_utils, f"{name}_PANEL_TITLE", say(title))


@lru_cache(maxsize=8)
def _entries(language: str) -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    """What is translated word for word, and what has gaps: the most particular first."""
    entries: dict[str, str] = json.loads((FOLDER / f"{language}.json").read_text("utf-8"))
    whole = {_squeezed(key): value for key, value in entries.items() if "{}" not in key}
    gaps = sorted((key for key in entries if "{}" in key), key=lambda key: -len(key.replace("{}", "")))
    return whole, [(_pattern(key), entries[key]) for key in gaps]


def _pattern(key: str) -> re.Pattern[str]:
    return re.compile("(.+?)".join(map(re.escape, key.split("{}"))), re.DOTALL)


def _squeezed(text: str) -> str:
    return " ".join(text.split())


@lru_cache(maxsize=1024)
def _translated(text: str, language: str) -> str:
    whole, gaps = _entries(language)
    if (found := whole.get(_squeezed(text))) is not None:
        return found
    for pattern, into in gaps:
        if match := pattern.fullmatch(text):
            return into.format(*(_translated(group, language) for group in match.groups()))
    return text
