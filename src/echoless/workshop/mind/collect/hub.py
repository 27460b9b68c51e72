"""Data sets of the Hugging Face hub, and folders in that library's forms: `hf:OWNER/NAME[:CONFIG][:SPLIT]`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from echoless.workshop.mind.collect.shapes import dialogue
from echoless.workshop.mind.collect.source import Item, SourceError, Wish
from echoless.workshop.mind.text import need, one_line

KIND = "hf"
PREFIX = "hf:"


def parse(source: str) -> tuple[str, str | None, str]:
    """Name (or folder), configuration and split of `hf:...`. Raises SourceError."""
    parts = source.removeprefix(PREFIX).split(":")
    if not parts[0] or len(parts) > 3:
        raise SourceError(f"{source}: write hf:OWNER/NAME, hf:OWNER/NAME:SPLIT or hf:OWNER/NAME:CONFIG:SPLIT")
    return parts[0], parts[1] if len(parts) == 3 else None, parts[-1] if len(parts) > 1 else "train"


def read(source: str, wish: Wish) -> Iterator[Item]:
    """The dialogues of a data set, streamed. Raises SourceError where it, its configuration or its split is not there,
    or runs code of its own."""
    name, config, split = parse(source)
    rows = _rows(source, name, config, split)
    info = getattr(rows, "info", None)
    licence = wish.licence or str(getattr(info, "license", "") or "")
    told = Wish(wish.me, licence, wish.pause)
    try:
        for row in rows:
            yield dialogue(_plain(row), told, source, KIND)
    except (OSError, ValueError, RuntimeError) as error:
        raise SourceError(f"{source} breaks off: {one_line(str(error))}") from None


def _rows(source: str, name: str, config: str | None, split: str) -> Any:
    datasets = need("datasets")
    try:
        if (Path(name) / "dataset_dict.json").is_file() or (Path(name) / "state.json").is_file():
            found = datasets.load_from_disk(name)
            return found[split] if isinstance(found, datasets.DatasetDict) else found
        return datasets.load_dataset(name, config, split=split, streaming=True)
    except Exception as error:  # each loader raises what it likes
        raise SourceError(f"{source} cannot be loaded: {one_line(str(error)) or type(error).__name__}") from None


def _plain(row: Any) -> Any:
    """Lists of columns, as some data sets keep their turns, as lists of turns."""
    for name, value in row.items():
        if isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
            row = row | {name: [dict(zip(value, cells, strict=False)) for cells in zip(*value.values(), strict=False)]}
    return row
