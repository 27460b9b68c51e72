"""Opens a recogniser by name: one of ours, or one that another package registered; and the best turn end there is."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from echoless.ears.door import Recogniser, RecogniserError, TurnEnd
from echoless.ears.recognisers.guard import Guarded

GROUP = "echoless.recognisers"
"""Entry points of this group are functions (language: str | None, model: str) -> Recogniser."""
OURS = {
    "moonshine": "echoless.ears.recognisers.moonshine",
    "whisper": "echoless.ears.recognisers.faster_whisper",
    "realtimestt": "echoless.ears.recognisers.realtimestt",
    "sherpa": "echoless.ears.recognisers.sherpa",
    "fake": "echoless.ears.recognisers.fake",
}
DEFAULT = "auto"
"""moonshine for English; for other languages, and to tell them apart, what of the rest has a model here."""
PULLED = {"sherpa": ("sense-voice", "paraformer-zh"), "whisper": ("whisper-small", "whisper-base")}
"""Names under which `echoless pull` fetches models of these engines, the better ones first."""
Find = Callable[[str], Path | None]
"""Gives the folder of a model that was pulled by its name."""


def nothing_pulled(name: str) -> Path | None:
    """For whoever knows of no pulled models."""
    return None


def recognisers() -> dict[str, str]:
    """Names that `open_recogniser` knows, each with the module it comes from. Nothing is imported."""
    return {**{each.name: each.value for each in entry_points(group=GROUP)}, **OURS}


def open_recogniser(
    name: str = DEFAULT, language: str | None = None, model: str = "", find: Find = nothing_pulled
) -> Recogniser:
    """The recogniser `name`, ready to use, behind the checks of `Guarded`.

    `language` is an ISO 639-1 code, or None where the engine detects it; `model` is what the engine calls a model
    (a folder, a size) or a name that `find` knows, '' the best that is here. Raises RecogniserError with one line
    saying what to do.
    """
    if name == "auto":
        name, model = _best(language, model, find)
    engine = _opener(name)(language, _model(name, language, model, find))
    return Guarded(engine)


def _best(language: str | None, model: str, find: Find) -> tuple[str, str]:
    """Engine and model for a language. Raises RecogniserError where nothing here understands it."""
    for engine, package in (("sherpa", "sherpa_onnx"), ("whisper", "faster_whisper")):
        if language != "en" and find_spec(package) and (found := _model(engine, language, "", find)):
            return engine, model or found
    if language in (None, "en"):
        return "moonshine", model
    raise RecogniserError(
        f"Nothing here understands {language!r} yet: pip install 'echoless[sherpa]' && echoless pull sense-voice "
        "(zh, en, ja, ko, yue), or pip install 'echoless[whisper]' && echoless pull whisper-small (99 languages)."
    )


def _model(engine: str, language: str | None, model: str, find: Find) -> str:
    """The folder of a pulled model: the named one, or the best of that engine; else `model` as it is."""
    if model:
        return str(find(model) or model)
    names = [each for each in PULLED.get(engine, ()) if each != "paraformer-zh" or language in ("zh", "en")]
    return next((str(path) for each in names if (path := find(each))), "")


def _opener(name: str) -> Callable[[str | None, str], Recogniser]:
    if name in OURS:
        return import_module(OURS[name]).open_engine  # type: ignore[no-any-return]
    for each in entry_points(group=GROUP):
        if each.name == name:
            try:
                return each.load()  # type: ignore[no-any-return]
            except Exception as error:  # somebody else's package
                raise RecogniserError(f"The recogniser {name!r} ({each.value}) cannot be loaded: {error}") from error
    raise RecogniserError(f"There is no recogniser {name!r}. Known: auto, {', '.join(sorted(recognisers()))}.")


def open_turn_end() -> TurnEnd:
    """The best `TurnEnd` that is installed: Smart Turn with words, or words alone. Needs no network, never fails."""
    from echoless.ears.smart_turn import SmartTurn, SmartTurnError
    from echoless.ears.turn_end import WordsOnly

    try:
        return SmartTurn()
    except SmartTurnError:
        return WordsOnly()
