"""Where a LiveKit server is and what opens it: address, API key and secret, and the tokens made of them."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from livekit import api  # type: ignore[attr-defined]  # of the extra

AGENT_NAME = "echoless"
"""The name under which a worker of ours is asked for."""
URL, KEY, SECRET = "LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"
"""The environment variables that LiveKit's own tools read."""
HOURS = 6.0


class LiveKitError(Exception):
    """LiveKit cannot be reached or will not have us. One line that says what to do."""


@dataclass(frozen=True, slots=True)
class Access:
    """A server (`ws://` or `wss://`) and an API key with its secret."""

    url: str
    key: str
    secret: str

    def token(
        self,
        room: str,
        identity: str,
        *,
        name: str | None = None,
        dispatch: str | None = None,
        attributes: Mapping[str, str] | None = None,
        agent: bool = False,
        hours: float = HOURS,
    ) -> str:
        """A token that opens one room for one participant.

        `dispatch` names an agent that is sent for when this token makes the room (it does nothing in a room that is
        there already). `agent`: the participant is shown as an agent, not as a person.
        """
        may = api.VideoGrants(room_join=True, room=room, can_update_own_metadata=True, agent=agent or None)
        made = api.AccessToken(self.key, self.secret).with_identity(identity).with_grants(may)
        made = made.with_ttl(datetime.timedelta(hours=hours))
        if name:
            made = made.with_name(name)
        if attributes:
            made = made.with_attributes(dict(attributes))
        if agent:
            made = made.with_kind("agent")
        if dispatch:
            wanted = [api.RoomAgentDispatch(agent_name=dispatch)]
            made = made.with_room_config(api.RoomConfiguration(agents=wanted))
        return made.to_jwt()

    def admin(self) -> api.LiveKitAPI:
        """The server's own API (rooms, dispatch); close it with `aclose`."""
        return api.LiveKitAPI(self.url, self.key, self.secret)

    def environment(self) -> dict[str, str]:
        """As LiveKit's own tools want it."""
        return {URL: self.url, KEY: self.key, SECRET: self.secret}


def access(url: str | None = None, key: str | None = None, secret: str | None = None) -> Access:
    """What was given, else what the environment says. Raises LiveKitError where something is missing or wrong."""
    url, key, secret = (
        given or os.environ.get(name) for given, name in zip((url, key, secret), (URL, KEY, SECRET), strict=True)
    )
    if not (url and key and secret):
        gone = [
            name for name, value in zip(("--url", "--key", "--secret"), (url, key, secret), strict=True) if not value
        ]
        raise LiveKitError(
            f"{' and '.join(gone)} missing: give them, or set {URL}, {KEY} and {SECRET}"
            " ('make livekit-server' starts a server of your own and writes them into .livekit/env)."
        )
    return Access(checked_url(url), key, secret)


def checked_url(url: str) -> str:
    """An address as the client wants it, `http` taken for `ws`. Raises LiveKitError."""
    for wrong, right in (("http://", "ws://"), ("https://", "wss://")):
        if url.startswith(wrong):
            url = right + url.removeprefix(wrong)
    try:
        parts = urlsplit(url)
        ok = parts.scheme in ("ws", "wss") and parts.hostname and (parts.port or True)
    except ValueError:
        ok = False
    if not ok:
        raise LiveKitError(f"{url!r} is no address of a LiveKit server: ws://127.0.0.1:7880 is one.")
    return url
