"""What all tests share."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `card` drive a virtual sound card against the wall clock: they are run apart, on a quiet machine."""
    if os.environ.get("ECHOLESS_CARD_TESTS"):
        return
    skip = pytest.mark.skip(reason="times a virtual sound card: make test-card, on a quiet machine")
    for item in items:
        if item.get_closest_marker("card"):
            item.add_marker(skip)
