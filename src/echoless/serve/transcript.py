"""The conversation as the page shows it: the call's events in, bubbles out. Pure.

It lives beside the call, not in the page, so that a page that was reloaded gets all of it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from echoless.frames import Event

LONGEST = 400
"""Bubbles that are kept."""


@dataclass(slots=True)
class Bubble:
    """One contribution. `text` is settled: said by the user, heard from the agent. `rest` may still change; in a
    bubble that is `done` it is what was cut off. A note has a `kind` that the page puts into its own language."""

    id: int
    who: str
    text: str = ""
    rest: str = ""
    done: bool = False
    typed: bool = False
    kind: str = ""
    key: int = 0
    name: str = ""
    """Who said it, where that is known: of several people in a room, or of those who enrolled."""


Change = dict[str, Any]
"""A message to the page: a bubble that is new or changed, or one that is gone."""


class Transcript:
    """Bubbles in their order. `feed` and `saying` return what changed."""

    def __init__(self) -> None:
        self.speaker = ""
        """Who speaks or writes now, where that is known: the user's next bubble is theirs."""
        self.bubbles: list[Bubble] = []
        self._next = 0
        self._half = False
        self._finished = -1
        """The generation of the agent's last finished bubble: what comes late of it is known already."""

    def all(self) -> list[Change]:
        """Everything, for a page that has nothing yet."""
        return [shown(bubble) for bubble in self.bubbles]

    def feed(self, event: Event) -> list[Change]:
        """Take one event of the call. Unknown ones are ignored."""
        handler = getattr(self, "_" + event.event.replace(".", "_"), None)
        return handler(event.data) if handler else []

    def saying(self, generation: int, heard: str, ahead: str) -> list[Change]:
        """The agent is speaking: what was heard of it so far and what is still to come."""
        if generation <= self._finished or not (heard or ahead):
            return []
        bubble = self._open("agent", generation)
        if (bubble.text, bubble.rest) == (heard, ahead):
            return []
        bubble.text, bubble.rest = heard, ahead
        return [shown(bubble)]

    # --- the events, by name ---

    def _user_partial(self, data: Mapping[str, Any]) -> list[Change]:
        bubble = self._same_turn(_number(data, "turn"))
        bubble.text, bubble.rest, bubble.done = "", str(data.get("text", "")), False
        return [shown(bubble)]

    def _user_said(self, data: Mapping[str, Any]) -> list[Change]:
        typed = bool(data.get("typed"))
        turn = _number(data, "turn")
        gone = self._drop(lambda b: b.who == "user" and not b.done) if typed else []
        bubble = self._open("user", turn) if typed else self._same_turn(turn)
        bubble.text, bubble.rest, bubble.done, bubble.typed = str(data.get("text", "")), "", True, typed
        bubble.name = str(data.get("who") or bubble.name)
        return [*gone, shown(bubble)]

    def _user_rejected(self, data: Mapping[str, Any]) -> list[Change]:
        gone = self._drop(lambda b: b.who == "user" and not b.done)
        return (
            [*gone, *self._note(f"rejected.{data.get('reason', '')}", data.get("text"))] if data.get("text") else gone
        )

    def _agent_stopped(self, data: Mapping[str, Any]) -> list[Change]:
        if data.get("reason") != "revoked":
            return []
        generation = _number(data, "generation")
        return self._drop(lambda b: b.who == "agent" and b.key == generation and not b.done)

    def _agent_said(self, data: Mapping[str, Any]) -> list[Change]:
        self._finished = _number(data, "generation")
        text, unheard = str(data.get("text", "")), str(data.get("unheard", ""))
        if not text and not unheard:
            return self._drop(lambda b: b.who == "agent" and not b.done)
        bubble = self._open("agent", self._finished)
        bubble.text, bubble.rest, bubble.done = text, unheard, True
        return [shown(bubble)]

    def _mode(self, data: Mapping[str, Any]) -> list[Change]:
        """Only what the user notices: cutting in does not work for a while, and works again."""
        half, self._half = self._half, data.get("duplex") == "half"
        return self._note(f"mode.{'half' if self._half else 'full'}", "") if half != self._half else []

    def _failure(self, data: Mapping[str, Any]) -> list[Change]:
        return self._note("failure", f"{data.get('part', '')}: {data.get('what', '')} ({data.get('action', '')})")

    # --- bubbles ---

    def _note(self, kind: str, text: object) -> list[Change]:
        return [shown(self._new("note", text=" ".join(str(text or "").split()), done=True, kind=kind))]

    def _same_turn(self, turn: int) -> Bubble:
        """The user's open bubble; the last one again where the turn went on after it had seemed to end."""
        spoken = [bubble for bubble in self.bubbles if bubble.who != "note"]
        last = spoken[-1] if spoken else None
        if last and last.who == "user" and last.key == turn and last.done and not last.typed:
            return last
        return self._open("user", turn)

    def _open(self, who: str, key: int) -> Bubble:
        for bubble in reversed(self.bubbles[-12:]):
            if bubble.who == who and bubble.key == key and not bubble.done:
                return bubble
        return self._new(who, key=key, name=self.speaker if who == "user" else "")

    def _new(self, who: str, **more: Any) -> Bubble:
        self._next += 1
        self.bubbles.append(Bubble(self._next, who, **more))
        del self.bubbles[:-LONGEST]
        return self.bubbles[-1]

    def _drop(self, which: Any) -> list[Change]:
        gone = [bubble for bubble in self.bubbles if which(bubble)]
        self.bubbles = [bubble for bubble in self.bubbles if not which(bubble)]
        return [{"type": "gone", "id": bubble.id} for bubble in gone]


def shown(bubble: Bubble) -> Change:
    """The message that shows a bubble."""
    message = asdict(bubble)
    del message["key"]
    if not bubble.name:
        del message["name"]
    return {"type": "bubble", **message}


def _number(data: Mapping[str, Any], key: str) -> int:
    value = data.get(key, 0)
    return value if isinstance(value, int) else 0
