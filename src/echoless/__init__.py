"""Echoless: a real-time voice conversation on your own machine that never answers itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Agent", "Event", "__version__"]

if TYPE_CHECKING:
    from echoless.agent import Agent
    from echoless.frames import Event


def __getattr__(name: str) -> Any:
    """`Agent` and `Event`, imported when first asked for: the command line must not wait for numpy."""
    if name == "Agent":
        from echoless.agent import Agent

        return Agent
    if name == "Event":
        from echoless.frames import Event

        return Event
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
