from __future__ import annotations

import builtins
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from echoless.ears import choose
from echoless.ears.choose import GROUP, open_recogniser, recognisers
from echoless.ears.door import RecogniserError
from echoless.ears.recognisers.fake import FakeRecogniser
from echoless.frames import RATE

SOUND = np.full(RATE, 0.1, np.float32)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(RecogniserError, match=r"no recogniser 'nope'.*moonshine.*whisper"):
        open_recogniser("nope")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None, str]]:
    """What was opened in place of a real engine: name, language, model. All extras are there."""
    found: list[tuple[str, str | None, str]] = []

    def opener(name: str) -> Any:
        return lambda language, model: found.append((name, language, model)) or FakeRecogniser(())

    monkeypatch.setattr(choose, "_opener", opener)
    monkeypatch.setattr(choose, "find_spec", lambda package: object())
    return found


@pytest.mark.parametrize(
    ("language", "pulled", "engine", "model"),
    [
        ("en", ["sense-voice", "whisper-small"], "moonshine", ""),
        (None, [], "moonshine", ""),
        (None, ["paraformer-zh", "whisper-base"], "whisper", "whisper-base"),
        (None, ["sense-voice"], "sherpa", "sense-voice"),
        ("zh", ["paraformer-zh", "sense-voice"], "sherpa", "sense-voice"),
        ("zh", ["paraformer-zh"], "sherpa", "paraformer-zh"),
        ("fr", ["paraformer-zh", "whisper-base", "whisper-small"], "whisper", "whisper-small"),
    ],
)
def test_the_best_engine_for_a_language(
    opened: list[tuple[str, str | None, str]], language: str | None, pulled: list[str], engine: str, model: str
) -> None:
    open_recogniser("auto", language, find=lambda name: Path("/m") / name if name in pulled else None)
    assert opened == [(engine, language, f"/m/{model}" if model else "")]


def test_what_to_do_where_nothing_understands_a_language(opened: list[tuple[str, str | None, str]]) -> None:
    with pytest.raises(RecogniserError, match="echoless pull sense-voice") as caught:
        open_recogniser("auto", "zh")
    assert "\n" not in str(caught.value)
    assert not opened


def test_a_named_engine_finds_its_pulled_model(opened: list[tuple[str, str | None, str]]) -> None:
    def find(name: str) -> Path | None:
        return Path("/m") / name if name == "whisper-base" else None

    open_recogniser("whisper", "zh", find=find)
    open_recogniser("whisper", "zh", "whisper-base", find)
    open_recogniser("whisper", "zh", "/my/own", find)
    assert [model for _, _, model in opened] == ["/m/whisper-base", "/m/whisper-base", "/my/own"]


def test_moonshine_says_which_engines_know_other_languages() -> None:
    with pytest.raises(RecogniserError, match=r"English only.*whisper"):
        open_recogniser("moonshine", "zh")


@pytest.mark.parametrize(
    ("name", "package", "command"),
    [
        ("whisper", "faster_whisper", "pip install 'echoless[whisper]'"),
        ("sherpa", "sherpa_onnx", "pip install 'echoless[sherpa]'"),
        ("realtimestt", "RealtimeSTT", "pip install 'echoless[realtimestt]'"),
    ],
)
def test_a_missing_extra_is_one_line_with_the_command(
    name: str, package: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(module: str, *rest: Any, **more: Any) -> ModuleType:
        if module.split(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}")
        return real(module, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(RecogniserError) as caught:
        open_recogniser(name, "en", "moonshine" if name == "realtimestt" else "model")
    assert command in str(caught.value) and "\n" not in str(caught.value)


def test_another_packages_recogniser_is_opened_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a plug-in is: a function (language, model) in the entry point group."""
    ours = EntryPoint("parrot", f"{__name__}:open_parrot", GROUP)
    broken = EntryPoint("broken", "no_such_package:open", GROUP)
    monkeypatch.setattr(choose, "entry_points", lambda group: [ours, broken])
    parrot = open_recogniser("parrot", "en", "polly")
    parrot._silero = None  # type: ignore[attr-defined]  # a constant is no speech
    assert parrot.transcribe(SOUND).text == "polly wants a cracker"
    assert {"parrot", "broken", "moonshine"} <= set(recognisers())
    with pytest.raises(RecogniserError, match=r"broken.*no_such_package"):
        open_recogniser("broken")


def open_parrot(language: str | None, model: str) -> FakeRecogniser:
    return FakeRecogniser([f"{model} wants a cracker"], (language or "en",))
