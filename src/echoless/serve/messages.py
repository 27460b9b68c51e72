"""What a page may say over its socket. Everything else is refused: it is a stranger's."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

LONGEST = 49_152
"""Bytes of one message; the longest is an offer."""
LONGEST_TEXT = 4_000
"""Characters of a typed turn."""


class BadMessage(Exception):
    """A message that no page of ours sends. One line."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message: whether the page knows a conversation to go on with."""

    session: str | None


@dataclass(frozen=True, slots=True)
class Offer:
    """Connect the sound (SDP). `cancels_echo`: whether the microphone comes through a canceller at the far end."""

    sdp: str
    cancels_echo: bool = False


@dataclass(frozen=True, slots=True)
class Typed:
    """A turn in writing."""

    text: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Be silent."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """The page gives up its sound; the conversation goes on in writing."""


@dataclass(frozen=True, slots=True)
class Mute:
    """Do not listen, or listen again."""

    on: bool


@dataclass(frozen=True, slots=True)
class Playout:
    """How many seconds what is sent now takes to the page's loudspeaker."""

    seconds: float


@dataclass(frozen=True, slots=True)
class End:
    """The conversation is over; forget it."""


Message = Hello | Offer | Typed | Stop | Quiet | Mute | Playout | End


def parse(raw: str) -> Message:
    """A message from its JSON. Raises BadMessage."""
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadMessage("a message that is no JSON") from None
    if not isinstance(data, dict):
        raise BadMessage("a message that is no object")
    match data.get("type"):
        case "hello":
            session = data.get("session")
            return Hello(None if session is None else _text(data, "session", 128))
        case "offer":
            return Offer(_text(data, "sdp", LONGEST), data.get("cancels_echo") is True)
        case "type":
            return Typed(_text(data, "text", LONGEST_TEXT))
        case "stop":
            return Stop()
        case "quiet":
            return Quiet()
        case "mute":
            if not isinstance(data.get("on"), bool):
                raise BadMessage("'on' is to be true or false")
            return Mute(data["on"])
        case "playout":
            return Playout(_number(data, "seconds"))
        case "end":
            return End()
    raise BadMessage("a message of an unknown type")


def _text(data: dict[str, Any], key: str, longest: int) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        raise BadMessage(f"{key!r} is to be text")
    if len(value) > longest:
        raise BadMessage(f"{key!r} is longer than {longest} characters")
    return value


def _number(data: dict[str, Any], key: str) -> float:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadMessage(f"{key!r} is to be a number")
    return float(value)
