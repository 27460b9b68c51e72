"""Which voice speaks: by name, by language, by plug-in, and one line where there is none."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints

import pytest
from tests.voice.tiny_piper import make

from echoless.catalogue import pulled
from echoless.voice import choose
from echoless.voice.choose import open_voice
from echoless.voice.door import VoiceError
from echoless.voice.fake import FakeVoice
from echoless.voice.flite import installed


def plug_in(rest: str, language: str, speed: float) -> FakeVoice:
    if rest == "bad":
        raise RuntimeError("no such thing")
    return FakeVoice(rate=8000, language=language)


def no_voice(rest: str, language: str, speed: float) -> object:
    return object()


@pytest.fixture
def plugged(monkeypatch):
    def found(group: str, name: str) -> EntryPoints:
        value = {"mine": "plug_in", "none": "no_voice"}.get(name)
        known = [EntryPoint(name, f"{__name__}:{value}", group)] if value else []
        return EntryPoints(known)

    monkeypatch.setattr(choose, "entry_points", found)


@pytest.mark.parametrize(
    ("name", "language", "found", "speaks"),
    [
        ("espeak", "en", "espeak:en-us", "en"),
        ("espeak", "auto", "espeak:en-us", "en"),
        ("espeak", "zh", "espeak:cmn", "zh"),
        ("espeak", "de", "espeak:de", "de"),
        ("espeak:en-gb+f3", "zh", "espeak:en-gb+f3", "en"),
        ("fake", "zh", "fake", "zh"),
        (None, "zh", "espeak:cmn", "zh"),
        (None, "fr", "espeak:fr", "fr"),
    ],
)
def test_a_voice_by_name_or_by_language(name, language, found, speaks):
    traits = open_voice(name, language).traits
    assert (traits.name, traits.language) == (found, speaks)


def test_english_without_a_name_takes_the_clearer_voice_that_is_here():
    assert open_voice(None, "en").traits.name == ("flite:slt" if installed() else "espeak:en-us")


def test_without_flite_it_is_espeak(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert open_voice(None, "en").traits.name == "espeak:en-us"
    with pytest.raises(VoiceError, match="not installed"):
        open_voice("flite:slt")


def test_a_piper_voice_by_its_file_and_by_the_name_it_was_pulled_by(tmp_path, monkeypatch):
    path = make(tmp_path, "en_US-tiny_one-low")
    assert open_voice(str(path)).traits.name == "piper:en_US-tiny_one-low"
    monkeypatch.setenv("ECHOLESS_MODELS", str(tmp_path))
    monkeypatch.chdir("/")
    for name in ("en_US-tiny_one-low", "en_US-tiny_one-low.onnx"):
        assert open_voice(name, find=pulled).traits.name == "piper:en_US-tiny_one-low"


@pytest.mark.parametrize("name", ["nobody", "missing.onnx", "espeak:xx", "flite:xx", "nobody:x", "/"])
def test_a_name_that_leads_nowhere_is_one_clear_line(name, tmp_path, monkeypatch):
    monkeypatch.setenv("ECHOLESS_MODELS", str(tmp_path))
    with pytest.raises(VoiceError) as raised:
        open_voice(name)
    assert "\n" not in str(raised.value)


def test_a_plug_in_is_found_by_its_name(plugged):
    assert open_voice("mine", "de").traits.rate == 8000
    for name, says in (("mine:bad", "no such thing"), ("none", "gave no voice")):
        with pytest.raises(VoiceError, match=says):
            open_voice(name)
