"""Which of llama.cpp's ways to cut text into words a tokenizer.json uses.

llama.cpp's converter knows published tokenizers by a fingerprint. One that was trained at home has none: it is known by
what it says of itself. `verify` then compares both on awkward strings.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_LLAMA = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPLITS = {_LLAMA: "llama-bpe", _LLAMA.replace(r"\p{N}{1,3}", r"\p{N}"): "qwen2"}
"""Splitting pattern → llama.cpp's name for it."""


def pretokens(model: Path) -> str | None:
    """llama.cpp's name (`gpt-2`, `llama-bpe`, `qwen2`, `smollm`) for the tokenizer in folder `model`; None: unknown."""
    path = model / "tokenizer.json"
    if not path.is_file():
        return None
    steps = json.loads(path.read_text("utf-8")).get("pre_tokenizer") or {}
    return _name(steps["pretokenizers"] if steps.get("type") == "Sequence" else [steps])


def _name(steps: list[dict[str, Any]]) -> str | None:
    sorts = [step.get("type") for step in steps]
    if sorts == ["ByteLevel"] and steps[0].get("use_regex", True) and not steps[0].get("add_prefix_space"):
        return "gpt-2"
    if sorts == ["Digits", "ByteLevel"] and steps[0].get("individual_digits"):
        return "smollm"
    if sorts == ["Split", "ByteLevel"] and not steps[1].get("use_regex", True) and steps[0]["behavior"] == "Isolated":
        return SPLITS.get(steps[0]["pattern"].get("Regex", ""))
    return None
