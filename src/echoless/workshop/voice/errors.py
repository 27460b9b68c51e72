"""What goes wrong in the voice workshop."""

from __future__ import annotations


class WorkshopError(Exception):
    """A voice cannot be recorded, checked, recoloured, trained or exported. One line that says what to do."""
