"""A call in a LiveKit room: the people's microphones in, the agent's voice out.

Each person's track is a stream of its own, with its own reference: what was sent, as `align` matches it to what came
in from there, earlier than its echo by the way there and back, which the guard finds. `heard` tells them apart; the
block that the call gets has them mixed.

What paces the call are the tracks while sound comes in, else a clock of our own (people who only write), and nothing
while nobody is there. What counts as heard is what the far end says has left its buffers (`playout`), else what the
round trip to the server suggests.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from livekit import rtc

from echoless.frames import BLOCK_SECONDS, RATE, Block, Samples
from echoless.lines.align import ReferenceReader
from echoless.lines.door import LineError, LineTraits, checked
from echoless.lines.livekitpeer import FRAME, LATE, Ear, Mouth
from echoless.lines.livekitpeer import RATE as ROOM_RATE
from echoless.lines.resample import to_ears
from echoless.lines.rings import Capture, Playback
from echoless.lines.webclock import ArrivalLine

QUEUE = 0.032
"""Seconds of the agent's speech that wait here, against the call's own unevenness."""
USUAL_WAY = 0.12
"""Seconds from sending to the loudspeaker while nobody has said better."""
BUFFERS = 0.06
"""Seconds of jitter buffer and output device at the far end that are reckoned with beside the round trip."""
CANCELS = "echoless.cancels_echo"
"""The attribute by which a participant says that it has an echo canceller of its own ("true")."""
_WAY_OUT, _WAY_IN = 0.04, 0.04
"""Seconds that sound takes to the loudspeaker, and from the microphone, at the very least (framing and buffers)."""
_HICCUP = 0.25
"""Seconds without any sound that are waited for in any case."""
_LAGS = 0.06
"""Seconds after which a track that sends nothing does not hold the others up."""
STRAIN = 8.0
"""Seconds for which a line that could not keep time counts as strained: jitter buffers shrink slowly again."""
_REPORTS = 2.0
"""Seconds between two looks at the round trip."""


@dataclass(frozen=True, slots=True)
class Voice:
    """16 ms of one person: `microphone` and `reference` as in `Block`, float32 (256,) at 16 kHz."""

    who: str
    microphone: Samples
    reference: Samples
    cancels_echo: bool


class _Person:
    """One track that is heard."""

    def __init__(self, cancels_echo: bool) -> None:
        self.cancels_echo = cancels_echo
        self.capture = Capture(ROOM_RATE)
        self.reader = ReferenceReader(ROOM_RATE)
        self.reader.heard = ArrivalLine(ROOM_RATE)
        self.filters = to_ears(ROOM_RATE), to_ears(ROOM_RATE)  # alike: their latency is the same
        self.heard_at = self.late_at = float("-inf")
        self.ear: Ear | None = None
        self.way: float | None = None

    def take(self, history: Playback, count: int) -> tuple[Samples, Samples, int]:
        """The next `count` samples at the room's rate with their reference, at 16 kHz, and how many were lost."""
        start, heard, lost = self.capture.take(count)
        if history.mark is not None:
            self.reader.played.observe(history.mark)
        reference = self.reader.read(history.history, start, count)
        return self.filters[0](heard), self.filters[1](reference), -(-lost * RATE // ROOM_RATE)


class LiveKitLine:
    """The line to a room that is connected already; the room stays its owner's.

    `patience`: seconds with nobody there after which the far end is gone for good. `on_hush` is told, in seconds, for
    how long the far ends are to mute what they have buffered: the agent was cut off.
    """

    def __init__(
        self,
        room: rtc.Room,
        *,
        patience: float = 20.0,
        on_hush: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self.room = room
        self.on_hush = on_hush
        self.heard: list[Voice] = []
        """Who was heard in the last block, each by themselves."""
        self._base = LineTraits("LiveKit room", rate=ROOM_RATE)
        self._patience = patience
        self._playback = Playback(ROOM_RATE, self._base.block, round(QUEUE * ROOM_RATE))
        self._mouth = Mouth(room, self._pull)
        self._people: dict[str, _Person] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._reporting: asyncio.Task[None] | None = None
        self._came, self._sent = asyncio.Event(), asyncio.Event()
        self._closed = True
        self._round_trip: float | None = None
        self._index = 0
        self._sounded_at = self._seen_at = float("-inf")
        self._due = 0.0
        self._played_to_ears = to_ears(ROOM_RATE)
        self._handlers = {
            "track_subscribed": self._on_track,
            "track_unsubscribed": self._on_track_gone,
            "participant_connected": lambda who: self._came.set(),
            "participant_disconnected": self._on_left,
            "disconnected": self._on_disconnected,
        }

    # --- for whoever holds the room ---------------------------------------------------------------------------

    @property
    def traits(self) -> LineTraits:
        return replace(self._base, latency=self.latency)

    @property
    def latency(self) -> float:
        """Seconds from `exchange` to the loudspeaker that is farthest away; none while nobody is there."""
        if not self.people:
            return 0.0
        return (self._playback.waiting + FRAME) / ROOM_RATE + self._way

    @property
    def people(self) -> list[str]:
        """Identities of the people in the room; agents are none."""
        agent = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        return [each.identity for each in self.room.remote_participants.values() if each.kind != agent]

    @property
    def lag(self) -> float:
        """Seconds of microphone that wait to be heard: how far behind real time the call is."""
        waiting = (each.capture.ready for each in self._live().values())
        return max(0, max(waiting, default=0) - self._base.block) / ROOM_RATE

    @property
    def strained(self) -> bool:
        """Whether sound came or went so unevenly, lately, that jitter buffers have grown: the delay of an echo jumps
        then, beyond what a guard can follow, and what comes back is stretched."""
        late = max((each.late_at for each in self._people.values()), default=float("-inf"))
        return time.monotonic() - max(late, self._mouth.late_at) < STRAIN

    @property
    def silent_for(self) -> float:
        """Seconds since the agent's last sound was sent."""
        return time.monotonic() - self._sounded_at

    @property
    def track(self) -> str:
        """The identifier of the agent's track."""
        return self._mouth.sid

    def playout(self, who: str, seconds: float) -> None:
        """A participant says how long what we send now takes to its loudspeaker."""
        person = self._people.get(who)
        if person:
            before = USUAL_WAY if person.way is None else person.way
            person.way = before + 0.5 * (min(max(seconds, 0.0), 2.0) - before)

    @property
    def _way(self) -> float:
        """Seconds from sending to the farthest loudspeaker."""
        guess = USUAL_WAY if self._round_trip is None else self._round_trip + BUFFERS
        return max((guess if each.way is None else each.way for each in self._people.values()), default=guess)

    # --- the line ---------------------------------------------------------------------------------------------

    async def open(self) -> None:
        if not self.room.isconnected():
            raise LineError("The LiveKit room is not connected.")
        for name, handler in self._handlers.items():
            self.room.on(name, handler)  # type: ignore[arg-type]
        for participant in self.room.remote_participants.values():
            for publication in participant.track_publications.values():
                if publication.track is not None:
                    self._on_track(publication.track, publication, participant)
        self._closed = False
        try:
            await self._mouth.open()
        except BaseException:
            await self.aclose()
            raise
        self._reporting = asyncio.ensure_future(self._report())

    async def exchange(self, loudspeaker: Samples) -> Block | None:
        """As any line's. Raises LineError where the room takes no more sound."""
        out = checked(loudspeaker, self._base)
        if not await self._time_for_one():
            return None
        if trouble := self._mouth.trouble:
            raise LineError(trouble)
        await self._until_sent()
        live = self._live()
        backlog = max((each.capture.ready - len(out) for each in live.values()), default=0)
        self._playback.push(out, max(0, backlog))
        self.heard, dropped = [], 0
        for who, person in live.items():
            microphone, reference, lost = person.take(self._playback, self._base.block)
            self.heard.append(Voice(who, microphone, reference, person.cancels_echo))
            dropped = max(dropped, lost)
        return self._block(out, dropped)

    async def _until_sent(self) -> None:
        """Where this process was held up, microphones are read before what they heard has been noted as sent."""
        if not any(self._ahead(each) for each in self._live().values()):
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(4 * FRAME / ROOM_RATE):
                while not self._closed and any(self._ahead(each) for each in self._live().values()):
                    self._sent.clear()
                    await self._sent.wait()

    def _ahead(self, person: _Person) -> bool:
        at = person.reader.position
        return at is not None and at + self._base.block + 8 >= self._playback.history.written

    def _block(self, out: Samples, lost: int) -> Block:
        if self.heard:
            mixed = np.clip(np.sum([each.microphone for each in self.heard], axis=0, dtype=np.float32), -1.5, 1.5)
            block = Block(self._index, mixed, self.heard[0].reference, lost)
        else:
            played = self._played_to_ears(out)
            block = Block(self._index, np.zeros_like(played), played, lost)
        self._index += 1
        return block

    def _live(self) -> dict[str, _Person]:
        """Who sends sound at present."""
        now = time.monotonic()
        return {who: each for who, each in self._people.items() if now - each.heard_at < _LAGS}

    async def _time_for_one(self) -> bool:
        """Until the next block is due; False when the far end is gone for good."""
        since = time.monotonic()
        while not self._closed:
            now = time.monotonic()
            live = self._live()
            if live:
                if all(each.capture.ready >= self._base.block for each in live.values()):
                    self._due = now
                    return True
            elif self.people and now - max((p.heard_at for p in self._people.values()), default=0.0) > _HICCUP:
                return await self._by_the_clock()
            if self.people:
                self._seen_at = now
            if now - max(since, self._seen_at) > self._patience:
                return False
            self._came.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAGS if self._people else _HICCUP):
                    await self._came.wait()
        return False

    async def _by_the_clock(self) -> bool:
        now = time.monotonic()
        self._seen_at = now
        self._due = self._due if now - self._due < 0.1 else now
        if self._due > now:
            await asyncio.sleep(self._due - now)
        self._due += BLOCK_SECONDS
        return not self._closed

    def flush(self) -> int:
        dropped = self._playback.flush()
        if time.monotonic() - self._sounded_at < self._way + 0.1:
            self.on_hush(self._way + FRAME / ROOM_RATE)
        return dropped

    def hang_up(self) -> None:
        """End the line: `exchange` waits for nobody any more."""
        self._closed = True
        self._came.set()

    async def aclose(self) -> None:
        self.hang_up()
        for name, handler in self._handlers.items():
            self.room.off(name, handler)  # type: ignore[arg-type]
        for who in list(self._people):
            self._drop(who)
        if self._reporting:
            self._reporting.cancel()
            self._leaving.add(self._reporting)
            self._reporting = None
        await self._mouth.aclose()
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=5)
            self._leaving.clear()

    # --- the room's side --------------------------------------------------------------------------------------

    def _pull(self, count: int, now: float) -> Samples:
        samples = self._playback.pull(count, now + _WAY_OUT)
        if samples.any():
            self._sounded_at = now
        self._sent.set()
        return samples

    def _on_track(self, track: rtc.Track, publication: object, participant: rtc.RemoteParticipant) -> None:
        agent = participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        if track.kind != rtc.TrackKind.KIND_AUDIO or agent:
            return
        self._drop(participant.identity)
        person = _Person(participant.attributes.get(CANCELS) == "true")
        person.ear = Ear(track, lambda samples, now: self._put(person, samples, now))
        self._people[participant.identity] = person

    def _put(self, person: _Person, samples: Samples, now: float) -> None:
        if LATE < now - person.heard_at < 1.0:
            person.late_at = now
        if now - person.heard_at > _LAGS:  # it was left out meanwhile: what was not taken is old
            person.capture.taken = person.capture.ring.written
        person.capture.put(samples, now - len(samples) / ROOM_RATE - _WAY_IN, False)
        if person.capture.mark is not None:
            person.reader.heard.observe(person.capture.mark)
        person.heard_at = now
        self._came.set()

    def _on_track_gone(self, track: rtc.Track, publication: object, participant: rtc.RemoteParticipant) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._drop(participant.identity)

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        self._drop(participant.identity)

    def _on_disconnected(self, *_: object) -> None:
        self.hang_up()

    def _drop(self, who: str) -> None:
        person = self._people.pop(who, None)
        self._came.set()
        if person and person.ear:
            task = asyncio.ensure_future(person.ear.aclose())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _report(self) -> None:
        """Follow the round trip to the server by the RTP reports on what we send."""
        while True:
            await asyncio.sleep(_REPORTS)
            with contextlib.suppress(Exception):  # a room that is just reconnecting has none
                self._round_trip = _round_trip(await self.room.get_rtc_stats()) or self._round_trip


def _round_trip(stats: rtc.RtcStats) -> float | None:
    """Seconds there and back, of the receiver's reports on our sound."""
    for each in stats.publisher_stats:
        if each.WhichOneof("stats") == "remote_inbound_rtp":
            measured = each.remote_inbound_rtp.remote_inbound.round_trip_time
            if measured > 0:
                return float(measured)
    return None
