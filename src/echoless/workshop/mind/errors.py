"""What goes wrong in the mind workshop."""

from __future__ import annotations


class MindError(Exception):
    """Text cannot be gathered or cleaned, a mind not trained, judged or exported. One line that says what to do."""
