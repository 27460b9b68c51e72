"""Workers that watch each other: which of them has died, and who sends for new agents. Pure: it is told the time.

LiveKit does not dispatch again by itself when an agent's process is gone, and the server takes the dead participant
for a lost network for some 15 s. So workers say every `BEAT`, in a room of their own, which rooms they serve; one
that falls silent is dead, and for each of its rooms exactly one of the living, the same for all who look, acts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

BEAT = 0.3
"""Seconds between two signs of life."""
LOOK = 0.1
"""Seconds between two looks for those who have fallen silent."""
DEAD = 1.2
"""Seconds of silence after which a worker counts as dead: three beats lost, and some."""
_LATE = 0.3
"""Seconds that our own look may come late before it is our machine that stalled, not theirs."""
MOST_ROOMS = 500
"""Rooms that are believed of one worker."""


@dataclass(frozen=True, slots=True)
class Served:
    """A room with its agent: the participant's identity, and the how manieth agent it is there."""

    identity: str
    generation: int


@dataclass(slots=True)
class _Peer:
    heard_at: float
    rooms: dict[str, Served] = field(default_factory=dict)
    full: bool = False


class Watch:
    """What one worker knows of the others. `me` is its own name among them."""

    def __init__(self, me: str) -> None:
        self.me = me
        self._peers: dict[str, _Peer] = {}
        self._looked_at: float | None = None

    @property
    def living(self) -> list[str]:
        """Everybody who counts as alive, oneself included."""
        return sorted({self.me, *self._peers})

    def hear(self, peer: str, rooms: Mapping[str, Served], now: float, full: bool = False) -> None:
        """A sign of life, with the rooms that it serves, and whether it takes no more."""
        if peer != self.me:
            self._peers[peer] = _Peer(now, dict(list(rooms.items())[:MOST_ROOMS]), full)

    @property
    def others_have_room(self) -> bool:
        """Whether some other worker takes conversations."""
        return any(not peer.full for peer in self._peers.values())

    def farewell(self, peer: str) -> None:
        """A worker ended in order: its rooms need nobody."""
        self._peers.pop(peer, None)

    def look(self, now: float) -> dict[str, Served]:
        """The rooms that have lost their agent and are ours to care for. To be asked every `LOOK`."""
        before, self._looked_at = self._looked_at, now
        if before is not None and now - before > LOOK + _LATE:
            for peer in self._peers.values():  # we slept: what was said meanwhile is still to be heard
                peer.heard_at = max(peer.heard_at, now - DEAD / 2)
        dead = [name for name, peer in self._peers.items() if now - peer.heard_at > DEAD]
        lost: dict[str, Served] = {}
        for name in dead:
            lost.update(self._peers.pop(name).rooms)
        return {room: served for room, served in lost.items() if self.responsible(room) == self.me}

    def responsible(self, room: str) -> str:
        """Who of the living cares for a room (rendezvous hashing: all who know the same peers agree)."""
        return max(self.living, key=lambda who: hashlib.sha256(f"{who}\0{room}".encode()).digest())
