"""What whoever watches a call is told of it as it goes: bubbles, whose turn it is, how long answers take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from echoless.floor import State
from echoless.frames import BLOCK_SECONDS, Event
from echoless.serve.transcript import Transcript
from echoless.talk import Call

CAPTIONS = 0.1
"""Seconds between two looks at what was heard of the agent."""
_KEPT = 200
"""Latencies that are remembered."""


class Following:
    """Follows one call. `tell` gets every message, `latency` says how long sound takes to the far end's loudspeaker.

    `on_heard` is told the generation and what was heard of it so far, again and again; `on_turn` that the floor may
    have moved.
    """

    def __init__(
        self,
        tell: Callable[[dict[str, Any]], None],
        latency: Callable[[], float],
        *,
        on_heard: Callable[[int, str], None] = lambda generation, text: None,
        on_turn: Callable[[Call], None] = lambda call: None,
    ) -> None:
        self.transcript = Transcript()
        self.latencies: list[float] = []
        """Seconds from a user's last sound, or Enter, to the agent's first at the loudspeaker; the latest 200."""
        self._tell, self._latency, self._on_heard, self._on_turn = tell, latency, on_heard, on_turn
        self._stopped_at: float | None = None
        self._ended_at = 0.0

    def typed(self, call: Call) -> None:
        """Something is about to be typed into the call."""
        self._stopped_at = self._ended_at = call.seconds

    def event(self, call: Call, event: Event) -> None:
        """Tell what an event of the call changes."""
        for change in self.transcript.feed(event):
            self._tell(change)
        match event.event:
            case "user.stopped":
                self._stopped_at = event.t - call.ears.listener.tuning.hang * BLOCK_SECONDS
            case "user.said" if not event.data.get("typed"):
                self._ended_at = event.t
            case "agent.started" if self._stopped_at is not None:
                self._answered(self._stopped_at, event.t)
                self._stopped_at = None
        asyncio.get_running_loop().call_soon(self._turned, call)  # the floor moves after its event is told

    def _answered(self, stopped: float, began: float) -> None:
        """`turn`: until it counted as ended; `reply`: from there to the first sound; `way`: to the loudspeaker."""
        ended, way = max(stopped, self._ended_at), self._latency()
        parts = {"turn": ended - stopped, "reply": began - ended, "way": way}
        self.latencies = [*self.latencies[1 - _KEPT :], round(sum(parts.values()), 3)]
        rounded = {name: round(seconds, 3) for name, seconds in parts.items()}
        self._tell({"type": "latency", "seconds": self.latencies[-1], "parts": rounded})

    def _turned(self, call: Call) -> None:
        self._tell(whose_turn(call))
        self._on_turn(call)

    async def captions(self, call: Call) -> None:
        """Follow the agent's words as they leave the loudspeaker, for as long as the call lasts."""
        while True:
            await asyncio.sleep(CAPTIONS)
            if call.floor.state in (State.SPEAKING, State.DUCKED):
                heard = call.playback.text(round(self._latency() * call.playback.rate))
                for change in self.transcript.saying(heard.generation, heard.text, heard.unheard):
                    self._tell(change)
                self._on_heard(heard.generation, heard.text)


def whose_turn(call: Call) -> dict[str, Any]:
    """The message that says whose turn it is."""
    return {"type": "floor", "state": call.floor.state.value, "duplex": call.ears.breaker.duplex}
