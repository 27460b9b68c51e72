"""The small libraries of the extra `echoless[text]`: brought when they are needed, and named when they are missing."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

from echoless.workshop.mind.errors import MindError

PACKAGES = {"charset_normalizer": "charset-normalizer", "ftfy": "ftfy", "opencc": "OpenCC"}
PACKAGES |= {"py3langid": "py3langid", "datasets": "datasets"}


def need(module: str) -> Any:
    """Import a library. Raises MindError that says how to get it."""
    try:
        return import_module(module)
    except ImportError:
        extra, checkout = ("mind", "make mind-setup") if module == "datasets" else ("text", "bash scripts/setup.sh dev")
        raise MindError(
            f"this needs {PACKAGES[module]}: pip install 'echoless[{extra}]', or in a checkout: {checkout}"
        ) from None


def one_line(text: str, most: int = 120) -> str:
    """For a message or a report: one line, cut where it is long."""
    flat = re.sub(r"\s+", " ", text).strip()
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"
