"""How a model is best sampled, handed on from a base to what is trained on it: a pocket model talks cold or badly."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from echoless.mind.models import about

ADVICE = "sampling.json"
"""In a run: what goes into a request to its model."""


def advised(base: Path) -> dict[str, Any]:
    """What a base advises: a GGUF by the JSON beside it, a run by its own note, a pocket run by its recipe. Nothing for
    other models."""
    if base.suffix == ".gguf":
        found = about(base).get("sampling")
    elif (base / ADVICE).is_file():
        found = json.loads((base / ADVICE).read_text("utf-8"))
    elif (base / "recipe.json").is_file():
        found = json.loads((base / "recipe.json").read_text("utf-8")).get("sampling")
    else:
        found = None
    return found if isinstance(found, dict) else {}


def note(base: Path, run: Path) -> None:
    """Hand the base's advice on to a run."""
    if sampling := advised(base):
        (run / ADVICE).write_text(json.dumps(sampling) + "\n", encoding="utf-8")


def hand_on(run: Path, files: Iterable[Path]) -> None:
    """Write a run's advice beside its GGUF files, where a talk looks for it: FILE.json."""
    if sampling := advised(run):
        for file in files:
            told = {"name": file.stem, "file": file.name, "sampling": sampling}
            file.with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
