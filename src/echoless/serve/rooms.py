"""Tokens that our server makes for pages that meet the agent in LiveKit rooms."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from livekit import api  # type: ignore[attr-defined]  # of the extra

from echoless.livekit import wire
from echoless.livekit.access import AGENT_NAME, Access, LiveKitError
from echoless.serve.messages import BadMessage

LONGEST_NAME = 40
_ROOM = re.compile(r"[\w-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rooms:
    """Lets pages into rooms. `dispatch` names the agent that is sent for when a room is new."""

    access: Access
    dispatch: str = AGENT_NAME

    def join(self, wish: Mapping[str, Any]) -> dict[str, str]:
        """What a page needs to join: `url`, `token`, `room`, and the `session` by which it stays who it was.

        `wish`: `session` of before or none, `room` or "" for a new one, `name` for others. Raises BadMessage.
        """
        name, wanted = (_text(wish, key) for key in ("name", "room"))
        before = self._before(_text(wish, "session"))
        if wanted and not _ROOM.fullmatch(wanted):
            raise BadMessage("a room's name has letters, digits and hyphens, 64 at most")
        if before and wanted in ("", before[0]):
            room, identity = before
        else:
            room, identity = wanted or f"echoless-{secrets.token_hex(5)}", f"person-{secrets.token_hex(4)}"
        token = self.access.token(room, identity, name=name[:LONGEST_NAME] or None, dispatch=self.dispatch, hours=12)
        session = f"{room}.{identity}.{self._seal(room, identity)}"
        return {"url": self.access.url, "token": token, "room": room, "session": session}

    async def summon(self, wish: Mapping[str, Any]) -> bool:
        """Send for an agent to the room of a `session`, if none is there; whether one was sent for. LiveKit sends one
        by itself only when a room is made. Raises BadMessage or LiveKitError."""
        before = self._before(_text(wish, "session"))
        if before is None:
            raise BadMessage("no session of this server's")
        try:
            async with self.access.admin() as admin:
                there = await admin.room.list_participants(api.ListParticipantsRequest(room=before[0]))
                agents = [each for each in there.participants if each.kind == api.ParticipantInfo.Kind.AGENT]
                if any(each.attributes.get(wire.FULL) != "true" for each in agents):
                    return False
                wanted = api.CreateAgentDispatchRequest(agent_name=self.dispatch, room=before[0])
                await admin.agent_dispatch.create_dispatch(wanted)
        except (api.TwirpError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise LiveKitError(f"the LiveKit server did not take it: {' '.join(str(error).split())[:200]}") from None
        return True

    def sources(self) -> str:
        """What a page in a room may connect to, as a Content-Security-Policy names it."""
        parts = urlsplit(self.access.url)
        secure = parts.scheme == "wss"
        return f"{'wss' if secure else 'ws'}://{parts.netloc} {'https' if secure else 'http'}://{parts.netloc}"

    def _before(self, session: str) -> tuple[str, str] | None:
        """Room and identity of a session that was ours to give: nobody becomes somebody else by saying so."""
        room, _, rest = session.partition(".")
        identity, _, seal = rest.partition(".")
        return (room, identity) if hmac.compare_digest(seal.encode(), self._seal(room, identity).encode()) else None

    def _seal(self, room: str, identity: str) -> str:
        said = f"echoless session {room} {identity}".encode("utf-8", "surrogatepass")
        return hmac.new(self.access.secret.encode(), said, hashlib.sha256).hexdigest()


def _text(wish: Mapping[str, Any], key: str) -> str:
    value = wish.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 256:
        raise BadMessage(f"{key!r} is to be text of 256 characters at most")
    return value
