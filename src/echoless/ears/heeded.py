"""What the ears tell a call, and what they need to know from it. Pure data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Evidence = Mapping[str, Any]
Played = Sequence[tuple[str, float, float]]
"""Words of the agent with the audio seconds at which each began and ended at the loudspeaker."""


def nothing_played(since: float, until: float) -> Played:
    """For a call whose agent never spoke."""
    return ()


@dataclass(frozen=True, slots=True)
class Agent:
    """What the ears may know of the other side: whether the agent holds the floor, and what it said when."""

    holds: bool = False
    heard: bool = True
    """False between the end of a user's turn and the first audible sample of its reply."""
    played: Callable[[float, float], Played] = nothing_played
    latency: float = 0.0
    """Seconds that its sound takes to the loudspeaker, as far as the line knows."""
    sounds: bool = False
    """Whether any of it, over -50 dBFS, is in this block."""


@dataclass(frozen=True, slots=True)
class Started:
    """Near-end speech began."""

    evidence: Evidence = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Paused:
    """Near-end speech stopped for now."""

    evidence: Evidence = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Partial:
    """Words so far in an unfinished turn."""

    text: str


@dataclass(frozen=True, slots=True)
class LikelyEnd:
    """A good moment to begin a revocable reply."""

    text: str


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The user's turn, whole. `who` said it, where voices are known."""

    text: str
    evidence: Evidence = field(default_factory=dict)
    who: str | None = None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The user is cutting in."""

    evidence: Evidence = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dismissed:
    """It was nobody's turn. `reason`: `echo`, `backchannel`, `noise`, `stranger`."""

    reason: str
    text: str = ""
    evidence: Evidence = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModeChanged:
    """`duplex` is `full`, `guarded` or `half`."""

    duplex: str
    why: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """A part of the ears failed; the call goes on."""

    part: str
    what: str
    action: str


Heeded = Started | Paused | Partial | LikelyEnd | TurnEnded | Confirmed | Dismissed | ModeChanged | Trouble
