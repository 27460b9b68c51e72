"""Runs a recorded call through today's ears: where would they decide otherwise?

What the microphone heard and what the loudspeaker played are taken from the record, and so is when the agent held
the floor. That is right up to the first other decision and fiction after it, so the comparison ends there.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from echoless.ears import heeded as h
from echoless.ears.ears import Ears
from echoless.frames import BLOCK, BLOCK_SECONDS, RATE, Block, Samples
from echoless.meter import Meter
from echoless.plain import plain
from echoless.recall import Recalled, RecordError, recall
from echoless.settings import Settings

LATE = 1.5
"""Seconds by which the same decision may come earlier or later and still be the same."""
CHUNK = 64
"""Seconds of the record that are read at once: a whole number of blocks."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Something that the ears decided, at `t` seconds: `said`, `rejected` or `interrupted`; its words or its reason."""

    t: float
    kind: str
    what: str = ""

    def same(self, other: Decision) -> bool:
        return self.kind == other.kind and self.what == other.what and abs(self.t - other.t) <= LATE

    def __str__(self) -> str:
        return f"{self.t:7.2f} s  {self.kind}" + (f": {plain(self.what)}" if self.what else "")


@dataclass(frozen=True, slots=True)
class Replay:
    """Decisions that agree, and the first pair that does not; None on the side that has no more."""

    agreed: tuple[Decision, ...]
    then: Decision | None = None
    now: Decision | None = None

    @property
    def same(self) -> bool:
        return self.then is None and self.now is None


def replay(folder: Path, settings: Settings, as_json: bool = False) -> int:
    """Replay the record in `folder` and print what came of it; 0 where all decisions agree, else 1.

    Raises RecordError, RecogniserError.
    """
    from echoless.house import open_ears
    from echoless.lines.fake import ScriptedLine

    call = recall(folder)
    found = run(call, lambda meter: open_ears(settings, meter, ScriptedLine()))
    if as_json:
        value = {"same": found.same, "agreed": len(found.agreed), "then": found.then, "now": found.now}
        print(json.dumps(value, default=asdict, indent=1, ensure_ascii=False))
        return 0 if found.same else 1
    for decision in found.agreed:
        print(f"  same   {decision}")
    if found.same:
        print(f"all {len(found.agreed)} decisions are the same")
    else:
        print(f"  then   {found.then or 'nothing more'}")
        print(f"  now    {found.now or 'nothing more'}")
    return 0 if found.same else 1


def run(call: Recalled, make: Callable[[Meter], Ears]) -> Replay:
    """Replay a call with the ears that `make` gives. Raises RecordError where it cannot be replayed."""
    from echoless.rooms.virtual import VirtualMeter, run_virtual

    if not {"mic", "speaker"} <= set(call.tracks):
        raise RecordError(f"{call.folder} cannot be replayed: it needs mic.wav and speaker.wav")
    if call.rate != RATE:
        raise RecordError(f"{call.folder} cannot be replayed: it is at {call.rate} Hz, not {RATE}")
    meter = VirtualMeter("fixed")
    ears = make(meter)
    try:
        now = run_virtual(_hear(call, ears))
    finally:
        ears.close()
    return compare(_then(call), now)


def compare(then: Sequence[Decision], now: Sequence[Decision]) -> Replay:
    """Pair by pair up to the first that differs."""
    agreed: list[Decision] = []
    for old, new in zip(then, now, strict=False):
        if not old.same(new):
            return Replay(tuple(agreed), old, new)
        agreed.append(new)
    rest_then, rest_now = then[len(agreed) :], now[len(agreed) :]
    return Replay(tuple(agreed), next(iter(rest_then), None), next(iter(rest_now), None))


async def _hear(call: Recalled, ears: Ears) -> list[Decision]:
    """Today's decisions."""
    agent = _Agent(call)
    decisions: list[Decision] = []
    working = asyncio.ensure_future(ears.work())
    try:
        for block in _blocks(call):
            await asyncio.sleep(BLOCK_SECONDS)
            t = (block.index + 1) * BLOCK_SECONDS
            _, heard = ears.hear(block, agent.at(t))
            decisions += [made for what in heard if (made := _decision(t, what))]
            if any(isinstance(what, h.Confirmed) for what in heard):
                agent.interrupted()
    finally:
        working.cancel()
    return decisions


def _blocks(call: Recalled) -> Iterator[Block]:
    """The recorded sound, a minute in memory at a time."""
    index = 0
    for begin in range(0, math.ceil(call.seconds), CHUNK):
        mic, speaker = (_whole(call.samples(track, begin, begin + CHUNK)) for track in ("mic", "speaker"))
        for at in range(0, min(len(mic), len(speaker)), BLOCK):
            yield Block(index, mic[at : at + BLOCK], speaker[at : at + BLOCK])
            index += 1


def _whole(samples: Samples) -> Samples:
    return np.pad(samples, (0, -len(samples) % BLOCK))


def _decision(t: float, what: h.Heeded) -> Decision | None:
    match what:
        case h.TurnEnded(text):
            return Decision(t, "said", text)
        case h.Dismissed(reason):
            return Decision(t, "rejected", reason)
        case h.Confirmed():
            return Decision(t, "interrupted")
    return None


def _then(call: Recalled) -> list[Decision]:
    """The recorded decisions."""
    decisions = []
    for event in call.of("user.said", "user.rejected", "agent.stopped"):
        if event.event == "user.said" and not event.data.get("typed"):
            decisions.append(Decision(event.t, "said", str(event.data.get("text", ""))))
        elif event.event == "user.rejected":
            decisions.append(Decision(event.t, "rejected", str(event.data.get("reason", ""))))
        elif event.event == "agent.stopped" and event.data.get("reason") == "interrupted":
            decisions.append(Decision(event.t, "interrupted"))
    return decisions


class _Agent:
    """What the recorded agent was doing at each moment.

    Where it was interrupted it goes on holding the floor for a while: its silence must not give the decision away.
    """

    def __init__(self, call: Recalled) -> None:
        self._changes = list(call.of("user.said", "agent.started", "agent.stopped"))
        self._next, self._holds, self._heard = 0, False, True
        self._until: float | None = None
        self._words = [word for event in call.of("agent.sentence") for word in _words(event.data)]

    def at(self, t: float) -> h.Agent:
        while self._next < len(self._changes) and self._changes[self._next].t < t:
            event = self._changes[self._next]
            self._next += 1
            self._heard = event.event != "user.said"
            if event.data.get("reason") == "interrupted":
                self._until = event.t + LATE if self._holds else None
            else:
                self._holds, self._until = event.event == "agent.started", None
        if self._until is not None and t > self._until:
            self.interrupted()
        return h.Agent(self._holds, self._heard, self._played)

    def interrupted(self) -> None:
        """Today's ears have decided."""
        self._holds, self._until = False, None

    def _played(self, since: float, until: float) -> h.Played:
        return [word for word in self._words if word[2] > since and word[1] <= until]


def _words(data: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Words of an `agent.sentence` with the seconds at which they began and ended."""
    text = str(data.get("text", ""))
    try:
        pairs = [(int(character), int(sample) / RATE) for character, sample in data.get("marks") or []]
    except (TypeError, ValueError):
        return []
    ends = [*pairs[1:], (len(text), pairs[-1][1] + 0.4 if pairs else 0.0)]
    found = zip(pairs, ends, strict=True)
    words = [(text[a:b].strip(), begin, min(end, begin + 1.5)) for (a, begin), (b, end) in found]
    return [word for word in words if word[0]]
