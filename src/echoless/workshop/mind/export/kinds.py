"""Which numbers a GGUF can be written in; light, so that a wrong name is said at once."""

from __future__ import annotations

from collections.abc import Sequence

from echoless.workshop.mind.errors import MindError

STRAIGHT = ("f32", "f16", "bf16", "q8_0")
"""What llama.cpp's converter writes itself."""
PACKED = ("q6_k", "q5_k_m", "q5_k_s", "q5_0", "q4_k_m", "q4_k_s", "q4_0", "q3_k_m")
"""What goes through `quantise` afterwards."""


def check_kinds(kinds: Sequence[str]) -> None:
    """Raises MindError where a kind of numbers is not known."""
    known = (*STRAIGHT, *PACKED)
    for kind in kinds:
        if kind not in known:
            raise MindError(f"--type is one of {', '.join(known)}, not {kind!r}")
