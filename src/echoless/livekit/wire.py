"""What travels in a room beside sound, and under which names: LiveKit's own for its front ends, ours for our page.

On the topic `echoless` both ends exchange the same JSON messages as the page and its server do over their socket
(`serve.messages` and `serve.transcript`): the agent's to everybody, a person's to the agent alone. A message that
arrives before the agent has been told of its sender is nobody's and lost: a client pings (`{"type": "ping", "n": 1}`)
until it gets the `pong`, and sends what matters then.
"""

from __future__ import annotations

import json
from typing import Any

TOPIC = "echoless"
"""Data packets, reliable: one JSON object each."""
CHAT, TRANSCRIPTION = "lk.chat", "lk.transcription"
"""Text streams as LiveKit's front ends know them."""
STATE = "lk.agent.state"
"""The agent's attribute: initializing, listening, thinking or speaking."""
SEGMENT, FINAL, TRACK = "lk.segment_id", "lk.transcription_final", "lk.transcribed_track_id"
"""Attributes of a transcription."""
GENERATION = "echoless.generation"
"""The agent's attribute: the how manieth it is in this room. Where there are two, the later one stays."""
FULL = "echoless.full"
"""The agent's attribute: it has only come to say that there is no room for another conversation."""
LONGEST = 15_000
"""Bytes of one data packet."""


def packed(message: dict[str, Any]) -> bytes | None:
    """A message as it travels; None where it is too long to travel."""
    data = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    return data if len(data) <= LONGEST else None


def unpacked(data: bytes) -> dict[str, Any]:
    """A message of the agent's; empty where it is none."""
    try:
        message = json.loads(data) if len(data) <= LONGEST else {}
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}
