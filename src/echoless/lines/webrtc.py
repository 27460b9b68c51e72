"""A call with a web page over WebRTC: the page's microphone in, the agent's voice out.

What paces the call is the page's microphone while it sends one, else a clock of our own (a page whose user only
types), and nothing while nobody is there: audio time stands still and goes on when the page is back. Pages come and
go (a reload, a lost network), the line and its call stay.

The reference is what was sent, as `align` matches it to what came in: earlier than its echo by the way there and
back, which the guard finds. What counts as heard is what the page says has left its buffers.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

import numpy as np

from echoless.frames import BLOCK_SECONDS, RATE, Block, Samples
from echoless.lines.align import ReferenceReader
from echoless.lines.door import LineError, LineTraits, checked
from echoless.lines.resample import to_ears
from echoless.lines.rings import Capture, Playback
from echoless.lines.webclock import ArrivalLine
from echoless.lines.webpeer import FRAME, Peer
from echoless.lines.webpeer import RATE as WEB_RATE

LOOPBACK = ("127.0.0.1",)
QUEUE = 0.032
"""Seconds of the agent's speech that wait here, against the call's own unevenness."""
USUAL_WAY = 0.12
"""Seconds from sending to the loudspeaker until the page has said better."""
_WAY_OUT, _WAY_IN = 0.04, 0.04
"""Seconds that sound takes to the loudspeaker, and from the microphone, at the very least (framing and buffers)."""
_HICCUP = 0.25
"""Seconds without the microphone that are waited for in any case."""
_SILENT = 1.0
"""Seconds without an expected microphone after which, the page being there, the call goes on without it."""
_ALIVE = 2.5
"""Seconds for which a sign of life counts."""
_GAP = 0.5
"""Seconds of lost packets that are filled with silence; after more the microphone begins anew."""


class Pace(StrEnum):
    """What moves the call on."""

    MICROPHONE = "microphone"
    CLOCK = "clock"
    NOTHING = "nothing"


class WebLine:
    """The line to one page at a time.

    `addresses`: where media may flow (loopback as a rule; None: every address of this machine). `patience`: seconds
    without a page after which the far end is gone for good. `on_hush` is told, in seconds, for how long the page is to
    mute what it has buffered: the agent was cut off. `cancels_echo` is what the page says of its microphone.
    """

    def __init__(
        self,
        *,
        addresses: tuple[str, ...] | None = LOOPBACK,
        patience: float = 300.0,
        on_hush: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._base = LineTraits("web page", rate=WEB_RATE)
        self.cancels_echo = True
        self._addresses, self._patience = addresses, patience
        self.on_hush = on_hush
        self._playback = Playback(WEB_RATE, self._base.block, round(QUEUE * WEB_RATE))
        self._peer: Peer | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._came = asyncio.Event()
        self._sent = asyncio.Event()
        self._closed = True
        self._begun = False
        self._way = USUAL_WAY
        self._index = 0
        self._heard_at = self._alive_at = self._sounded_at = float("-inf")
        self._due = 0.0
        self._fresh_microphone()
        self._played_to_ears = to_ears(WEB_RATE)

    def _fresh_microphone(self) -> None:
        self._capture = Capture(WEB_RATE)
        self._playback.mark = None
        self._pulled_until: float | None = None
        self._fresh_alignment()
        self._filters = to_ears(WEB_RATE), to_ears(WEB_RATE)  # alike: their latency is the same
        self._expected: int | None = None

    def _fresh_alignment(self) -> None:
        self._reader = ReferenceReader(WEB_RATE)
        self._reader.heard = ArrivalLine(WEB_RATE)

    # --- for whoever holds the page's socket ----------------------------------------------------------------

    @property
    def traits(self) -> LineTraits:
        return replace(self._base, cancels_echo=self.cancels_echo, latency=self.latency)

    @property
    def latency(self) -> float:
        """Seconds from `exchange` to the page's loudspeaker now; none while the page gets no sound."""
        if not self._sounding:
            return 0.0
        return self._playback.waiting / WEB_RATE + FRAME / WEB_RATE + self._way

    @property
    def pace(self) -> Pace:
        """What moves the call on at this moment."""
        now = time.monotonic()
        if not self._begun:
            return Pace.NOTHING
        silent = now - self._heard_at
        if silent < _HICCUP:
            return Pace.MICROPHONE
        expected = self._peer is not None and self._peer.sends_sound and self._peer.connected
        there = now - self._alive_at < _ALIVE
        return Pace.CLOCK if there and (silent > _SILENT or not expected) else Pace.NOTHING

    def begin(self) -> None:
        """The user wants to talk: from now on the call runs."""
        self._begun = True
        self.alive()

    def alive(self) -> None:
        """A sign of life from the page."""
        self._alive_at = time.monotonic()
        self._came.set()

    def away(self) -> None:
        """The page's socket has gone, for now. Its sound may still come through."""
        self._alive_at = float("-inf")

    def hang_up(self) -> None:
        """The page gives up its sound; the call goes on in writing."""
        self._drop_peer()

    def playout(self, seconds: float) -> None:
        """The page says how long what we send now takes to its loudspeaker."""
        self._way += 0.5 * (min(max(seconds, 0.0), 2.0) - self._way)

    async def answer(self, offer: str) -> str:
        """Connect a page by its offer; the answer (SDP). It takes the place of the one before. Raises LineError."""
        if self._closed:
            raise LineError("The call has ended.")
        peer = Peer(self._pull, self._put, lambda: self._lost(peer), self._addresses)
        try:
            answer = await peer.answer(offer)
        except BaseException:
            await peer.aclose()
            raise
        self._drop_peer()
        self._fresh_microphone()
        self._peer, self._way = peer, USUAL_WAY
        return answer

    # --- the line -------------------------------------------------------------------------------------------

    async def open(self) -> None:
        self._closed = False

    async def exchange(self, loudspeaker: Samples) -> Block | None:
        out = checked(loudspeaker, self._base)
        if not await self._time_for_one():
            return None
        if self._sounding:
            self._playback.push(out, max(0, self._capture.ready - len(out)))
        played = self._played_to_ears(out)
        if self._capture.ready < self._base.block:
            return self._block(np.zeros_like(played), played, 0)
        await self._until_sent()
        start, heard, lost = self._capture.take(self._base.block)
        if self._playback.mark is not None:
            self._reader.played.observe(self._playback.mark)
        reference = self._reader.read(self._playback.history, start, self._base.block)
        return self._block(self._filters[0](heard), self._filters[1](reference), -(-lost * RATE // WEB_RATE))

    async def _until_sent(self) -> None:
        """Where this process was held up, the page's microphone is read before what it heard has been noted as sent."""
        before = self._reader.position
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * FRAME / WEB_RATE):
                while before is not None and self._sounding:
                    if before + self._base.block + 8 < self._playback.history.written:
                        break
                    self._sent.clear()
                    await self._sent.wait()

    def _block(self, microphone: Samples, reference: Samples, lost: int) -> Block:
        block = Block(self._index, microphone, reference, lost)
        self._index += 1
        return block

    async def _time_for_one(self) -> bool:
        """Until the next block is due; False when the far end is gone for good."""
        since = time.monotonic()
        while not self._closed:
            now, pace = time.monotonic(), self.pace
            if pace is Pace.MICROPHONE and self._capture.ready >= self._base.block:
                self._due = now
                return True
            if pace is Pace.CLOCK:
                self._capture.taken = self._capture.ring.written  # what a sleeping page left is old
                self._due = self._due if now - self._due < 0.1 else now
                if self._due > now:
                    await asyncio.sleep(self._due - now)
                self._due += BLOCK_SECONDS
                return not self._closed
            if now - max(since, self._alive_at) > self._patience:
                return False
            self._came.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._came.wait(), _HICCUP)
        return False

    def flush(self) -> int:
        dropped = self._playback.flush()
        if self._sounding and time.monotonic() - self._sounded_at < self._way + 0.1:
            self.on_hush(self._way + FRAME / WEB_RATE)
        return dropped

    async def aclose(self) -> None:
        self._closed = True
        self._came.set()
        self._drop_peer()
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=5)

    # --- the peer's side ------------------------------------------------------------------------------------

    @property
    def _sounding(self) -> bool:
        return self._peer is not None and self._peer.connected

    def _pull(self, count: int, due: float) -> Samples:
        if self._pulled_until is not None and due > self._pulled_until:  # what could not be sent in time
            missed = round((due - self._pulled_until) * WEB_RATE)
            self._playback.history.write(np.zeros(min(missed, self._playback.history.size), np.float32))
        self._pulled_until = due + count / WEB_RATE
        samples = self._playback.pull(count, due + _WAY_OUT)
        if samples.any():
            self._sounded_at = due
        self._sent.set()
        return samples

    def _put(self, samples: Samples, position: int, now: float) -> None:
        gap = 0 if self._expected is None else position - self._expected
        self._expected = position + len(samples)
        begun = now - len(samples) / WEB_RATE - _WAY_IN
        if 0 < gap <= _GAP * WEB_RATE:
            samples = np.concatenate((np.zeros(gap, np.float32), samples))
            begun -= gap / WEB_RATE
        elif gap > 0:
            self._fresh_alignment()
        if now - self._heard_at > _GAP:
            self._capture.taken = self._capture.ring.written
        self._capture.put(samples, begun, False)
        if self._capture.mark is not None:
            self._reader.heard.observe(self._capture.mark)
        self._heard_at = self._alive_at = now
        self._came.set()

    def _lost(self, peer: Peer) -> None:
        if self._peer is peer:
            self._drop_peer()

    def _drop_peer(self) -> None:
        peer, self._peer = self._peer, None
        if peer is not None:
            task = asyncio.ensure_future(peer.aclose())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
