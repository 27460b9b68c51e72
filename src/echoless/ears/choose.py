"""Opens a recogniser by name: one of ours, or one that another package registered as an entry point."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points

from echoless.ears.door import Recogniser, RecogniserError
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
DEFAULT = "moonshine"


def recognisers() -> dict[str, str]:
    """Names that `open_recogniser` knows, each with the module it comes from. Nothing is imported."""
    return {**{each.name: each.value for each in entry_points(group=GROUP)}, **OURS}


def open_recogniser(name: str = DEFAULT, language: str | None = None, model: str = "") -> Recogniser:
    """The recogniser `name`, ready to use, behind the checks of `Guarded`.

    `language` is an ISO 639-1 code, or None where the engine detects it; `model` is what the engine calls a model
    (a folder, a size), '' its default. Raises RecogniserError with one line saying what to do.
    """
    engine = _opener(name)(language, model)
    return Guarded(engine)


def _opener(name: str) -> Callable[[str | None, str], Recogniser]:
    if name in OURS:
        return import_module(OURS[name]).open_engine  # type: ignore[no-any-return]
    for each in entry_points(group=GROUP):
        if each.name == name:
            try:
                return each.load()  # type: ignore[no-any-return]
            except Exception as error:  # somebody else's package
                raise RecogniserError(f"The recogniser {name!r} ({each.value}) cannot be loaded: {error}") from error
    raise RecogniserError(f"There is no recogniser {name!r}. Known: {', '.join(sorted(recognisers()))}.")
