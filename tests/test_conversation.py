"""`echoless talk` where there is no sound card: the keyboard, and with no keyboard a person in a room."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import soundfile

from echoless import conversation, demo, house
from echoless.conversation import converse
from echoless.lines.door import LineError
from echoless.mind.door import Mind, MindError
from echoless.settings import Settings, SettingsError, load


class Keyboard(io.StringIO):
    """Standard input with these lines; `terminal` says whether it claims to be one."""

    def __init__(self, lines: str, terminal: bool) -> None:
        super().__init__(lines)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture(autouse=True)
def no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> list[object]:
        raise LineError("There is no PortAudio on this machine.")

    monkeypatch.setattr("echoless.lines.portaudio.list_devices", none)


def answering(monkeypatch: pytest.MonkeyPatch, reply: Callable[[str], str]) -> None:
    """Let a function answer in place of the model."""
    real = house.open_mind

    async def open_mind(settings: Settings, stack: AsyncExitStack, *_: object, **__: object) -> Mind:
        return await real(settings, stack, reply)

    monkeypatch.setattr(house, "open_mind", open_mind)


def test_a_keyboard_conversation(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    answering(monkeypatch, lambda text: f"You said {text} [loudly].")
    monkeypatch.setattr("sys.stdin", Keyboard("hello\n\n  there  \n", terminal=False))
    assert converse(load(), typed=True) == 0
    assert capsys.readouterr().out.splitlines() == [
        "agent: You said hello [loudly].",
        "agent: You said there [loudly].",
    ]


def test_a_mind_that_fails_does_not_end_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def reply(text: str) -> str:
        if text == "hello":
            raise MindError("the server is gone")
        return "Fine again."

    answering(monkeypatch, reply)
    monkeypatch.setattr("sys.stdin", Keyboard("hello\nand now\n", terminal=False))
    assert converse(load(), typed=True) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "the server is gone" in first and second == "agent: Fine again."


def test_without_a_sound_card_the_keyboard_takes_over(monkeypatch: pytest.MonkeyPatch, capsys):
    answering(monkeypatch, lambda text: "Yes.")
    monkeypatch.setattr("echoless.serve.command.desktop_browser", lambda: False)
    monkeypatch.setattr("sys.stdin", Keyboard("hello\n", terminal=True))
    assert converse(load()) == 0
    told = capsys.readouterr()
    assert told.err.splitlines()[0] == "There is no PortAudio on this machine. Going on with the keyboard."
    assert "agent: Yes." in told.out


def test_a_card_that_was_asked_for_is_not_replaced(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", Keyboard("hello\n", terminal=True))
    answering(monkeypatch, lambda text: "Yes.")
    with pytest.raises(LineError):
        converse(load({"device": "usb"}))


def test_that_nobody_is_enrolled_is_said_before_anything_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("echoless.house.voiceprints_dir", lambda: tmp_path / "nobody")
    monkeypatch.setattr("echoless.house.open_mind", lambda *_: pytest.fail("a model was loaded"))
    soundfile.write(tmp_path / "in.wav", [0.0] * 1600, 16_000)
    with pytest.raises(SettingsError, match="nobody is enrolled"):
        converse(load({"only_enrolled": True, "microphone": tmp_path / "in.wav"}))
    assert [each.name for each in tmp_path.iterdir()] == ["in.wav"]


def test_where_nothing_can_be_written_a_temporary_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert conversation._folder() == Path("out")
    (tmp_path / "out").rmdir()
    (tmp_path / "out").write_text("in the way")
    assert conversation._folder().is_dir()


@pytest.mark.slow
def test_with_nothing_at_all_a_person_in_a_room_talks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", Keyboard("", terminal=False))
    monkeypatch.setattr(demo, "SECONDS", 8.0)
    answering(monkeypatch, lambda text: "I am a voice on your own machine.")
    assert converse(load()) == 0
    events = [json.loads(line) for line in (tmp_path / "out" / "call" / "events.jsonl").read_text().splitlines()]
    assert {"user.said", "agent.started", "agent.said"} <= {event["event"] for event in events}
    assert (tmp_path / "out" / "conversation.png").stat().st_size > 10_000
    about = soundfile.info(tmp_path / "out" / "conversation.wav")
    assert about.channels == 2 and about.duration == pytest.approx(8, abs=0.1)
    assert "out/conversation.wav" in capsys.readouterr().out
