"""Which voice speaks: what the user named, else the best that is at hand for the language."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

from echoless.voice.door import Voice, VoiceError

GROUP = "echoless.voices"
"""Entry points of this group are callables (rest of the name after the colon, language, speed) -> Voice."""
Find = Callable[[str], Path | None]
_DEFAULTS = {"en": "en-us", "zh": "cmn"}


def open_voice(name: str | None, language: str = "en", speed: float = 1.0, find: Find = lambda name: None) -> Voice:
    """The voice called `name`: `espeak`, `espeak:en-gb+f3`, `flite:slt`, `fake`, a Piper file, a pulled Piper voice,
    or `PLUGIN:...`; None picks one. `language` is an ISO 639-1 code or `auto`; `find` gives the file of a voice that
    was pulled by its name. Raises VoiceError.
    """
    language = "en" if language in ("auto", "") else language
    if not name:
        return _best(language, speed)
    kind, _, rest = name.partition(":")
    if kind == "espeak":
        from echoless.voice.espeak import Espeak

        return Espeak(rest or _DEFAULTS.get(language, language), speed)
    if kind == "flite":
        from echoless.voice.flite import Flite

        return Flite(rest or "slt", speed)
    if kind == "fake":
        from echoless.voice.fake import FakeVoice

        return FakeVoice(language=language, seconds_a_character=0.06 / speed)
    return _plugin(kind, rest, language, speed) or _piper(name, speed, find)


def _best(language: str, speed: float) -> Voice:
    """flite where it is installed (a recogniser understands it better than espeak), else espeak; both English, or
    espeak alone: Piper voices are fetched by the user and named."""
    if language == "en":
        from echoless.voice.flite import Flite, installed

        if installed():
            return Flite("slt", speed)
    return open_voice("espeak", language, speed)


def _plugin(kind: str, rest: str, language: str, speed: float) -> Voice | None:
    found = list(entry_points(group=GROUP, name=kind))
    if not found:
        return None
    try:
        voice = found[0].load()(rest, language, speed)
    except VoiceError:
        raise
    except Exception as error:
        raise VoiceError(
            f"the voice plug-in {kind} ({found[0].value}) failed: {type(error).__name__}: {error}"
        ) from None
    if not isinstance(voice, Voice):
        raise VoiceError(f"the voice plug-in {kind} ({found[0].value}) gave no voice: it needs traits, speak and close")
    return voice


def _piper(name: str, speed: float, find: Find) -> Voice:
    path = Path(name).expanduser()
    if not path.is_file():
        path = find(name.removesuffix(".onnx")) or path
    if not path.is_file() and path.suffix != ".onnx":
        raise VoiceError(
            f"no voice {name!r}: it is espeak, espeak:en-gb+f3, flite:slt, a Piper NAME.onnx, or one fetched with: "
            "echoless pull en_US-hfc_female-medium"
        )
    from echoless.voice.piper import Piper

    return Piper(path, speed)
