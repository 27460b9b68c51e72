"""The conversation so far, kept in the room's metadata: whichever agent comes next goes on from there.

Only the server's API may write a room's metadata, so no caller can put words into anybody's mouth; everybody in the
room may read it, also who came later. It goes with the room.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence

from livekit import api  # type: ignore[attr-defined]  # of the extra

from echoless.frames import Turn

KEY = "echoless"
LONGEST = 16_000
"""Bytes of turns that travel; the oldest stay behind."""
AT_THE_END = 2.0
"""Seconds that the last write may take when the conversation is over."""


class Memory:
    """Keeps a room's turns, the latest state only. With `async with`; what is kept last is written before it ends."""

    def __init__(self, admin: api.LiveKitAPI, room: str, metadata: str = "") -> None:
        self._admin, self._room = admin, room
        self._others = _object(metadata)
        self._turns: Sequence[Turn] = ()
        self._unwritten = False
        self._wanted = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Memory:
        self._writing = asyncio.ensure_future(self._keep_writing())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._writing:
            self._writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writing
        if self._unwritten:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._write(), AT_THE_END)

    async def keep(self, turns: Sequence[Turn]) -> None:
        """Have these turns kept, soon."""
        self._turns, self._unwritten = turns, True
        self._wanted.set()

    async def _keep_writing(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self._write()

    async def _write(self) -> None:
        turns = self._turns
        request = api.UpdateRoomMetadataRequest(room=self._room, metadata=packed(turns, self._others))
        with contextlib.suppress(api.TwirpError, OSError, TimeoutError):  # the next turn is another try
            await self._admin.room.update_room_metadata(request)
            self._unwritten = self._turns is not turns


def packed(turns: Sequence[Turn], others: dict[str, object] | None = None) -> str:
    """Metadata that hold these turns, beside whatever else they held."""
    rows = [{"role": turn.role, "text": turn.text} for turn in turns]
    while rows and len(json.dumps(rows, ensure_ascii=False).encode()) > LONGEST:
        rows = rows[max(1, len(rows) // 8) :]
    return json.dumps({**(others or {}), KEY: {"turns": rows}}, ensure_ascii=False)


def unpacked(metadata: str) -> list[Turn]:
    """The turns in a room's metadata; none where there are none, or nonsense."""
    kept = _object(metadata).get(KEY)
    rows = kept.get("turns") if isinstance(kept, dict) else None
    return [Turn(row["role"], row["text"][:LONGEST]) for row in rows if _is_turn(row)] if isinstance(rows, list) else []


def _is_turn(row: object) -> bool:
    return isinstance(row, dict) and row.get("role") in ("user", "agent") and isinstance(row.get("text"), str)


def generation_of(metadata: str) -> int:
    """The how manieth agent a dispatch asks for; 1 where it does not say."""
    with contextlib.suppress(ValueError, RecursionError):
        wanted = json.loads(metadata) if metadata else {}
        generation = wanted.get("generation") if isinstance(wanted, dict) else None
        if isinstance(generation, int) and 0 < generation < 10**6:
            return generation
    return 1


def _object(metadata: str) -> dict[str, object]:
    try:
        value = json.loads(metadata) if metadata else {}
    except (ValueError, RecursionError):
        return {"metadata": metadata}  # somebody's own words: they stay
    return value if isinstance(value, dict) else {"metadata": metadata}
