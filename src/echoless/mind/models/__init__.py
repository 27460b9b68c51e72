"""The models that ship with Echoless, and what is known of them and of others: NAME.gguf with NAME.json beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from echoless.mind.door import MindError

FOLDER = Path(__file__).parent
DEFAULT = "pocket-en"


def shipped(name: str = "pocket", language: str = "en") -> Path | None:
    """The file of a model that ships with us: `pocket-en`, `pocket-zh`, or `pocket` for that of the language, English
    where there is none. None for another name.

    Raises MindError where it should be here and is not.
    """
    if name != "pocket" and not name.startswith("pocket-"):
        return None
    path = FOLDER / f"{f'pocket-{language}' if name == 'pocket' else name}.gguf"
    if name == "pocket" and not path.is_file():
        path = FOLDER / f"{DEFAULT}.gguf"
    if not path.is_file():
        here = ", ".join(sorted(each.stem for each in FOLDER.glob("*.gguf"))) or "none"
        raise MindError(f"there is no model {path.stem} in this copy of echoless (here: {here}); install it again")
    return path


def about(path: Path) -> dict[str, Any]:
    """What the JSON beside a model says (`sampling`, `context`, ...); nothing where there is none."""
    try:
        found = json.loads(path.with_suffix(".json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
