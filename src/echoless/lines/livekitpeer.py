"""Sound to and from a LiveKit room: one published track, paced, and one stream a participant.

Frames of 10 ms leave on a wall clock for a source that has no queue: 40 ms one way were measured so, against a second
where sound is pushed ahead into the source's queue, out of which an interruption would have to take it back.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

import numpy as np
from livekit import rtc
from livekit.rtc.participant import PublishTrackError

from echoless.frames import Samples
from echoless.lines.door import LineError

RATE = 24_000
"""Samples a second both ways: the agent's voices have at most 22,050, and half of Opus's 48,000 costs half."""
FRAME = RATE // 100
"""Samples of one frame (10 ms): what a source without a queue takes."""
LATE = 0.08
"""Seconds after which a frame makes the far end's jitter buffer grow by more than an echo's delay may jump."""
_STALL = 1.0
"""Seconds behind the clock up to which what is missing is sent at once. A source counts its samples: each frame that is
left out would make all later ones late at the far end, by so much for good, and the echo with them."""

Pull = Callable[[int, float], Samples]
"""(samples, when they are due on time.monotonic()) → float32 of that many samples: what is sent."""
Put = Callable[[Samples, float], None]
"""(float32 samples at `RATE`, time of arrival): what came in."""


class Mouth:
    """A track of ours in the room. `open` publishes it; then `pull` is asked for 10 ms at a time."""

    def __init__(self, room: rtc.Room, pull: Pull, name: str = "agent", pauses: bool = True) -> None:
        """`pauses`: silence may be left out (DTX); of a microphone it hides when an echo is over."""
        self._room, self._pull, self._name, self._pauses = room, pull, name, pauses
        self._source: rtc.AudioSource | None = None
        self._pacing: asyncio.Task[None] | None = None
        self.sid = ""
        """The track's, once it is published."""
        self.late = 0
        """Frames that left over `LATE` late: the machine could not keep up."""
        self.late_at = float("-inf")
        """When the last of them left, on time.monotonic()."""

    async def open(self) -> None:
        """Raises LineError."""
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=0)
        track = rtc.LocalAudioTrack.create_audio_track(self._name, self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=self._pauses)
        try:
            publication = await self._room.local_participant.publish_track(track, options)
        except PublishTrackError as error:
            raise LineError(f"The room takes no sound of ours: {error.message}") from None
        self.sid = publication.sid
        self._pacing = asyncio.ensure_future(self._pace(self._source))

    @property
    def trouble(self) -> str | None:
        """Why nothing is sent any more, in one line; None where all is well."""
        if self._pacing is None or not self._pacing.done() or self._pacing.cancelled():
            return None
        error = self._pacing.exception()
        return f"The room takes no more sound of ours: {' '.join(str(error or 'no reason given').split())[:200]}"

    async def _pace(self, source: rtc.AudioSource) -> None:
        due = time.monotonic()
        while True:
            now = time.monotonic()
            if now - due > _STALL:
                due = now
            if now - due > LATE:
                self.late, self.late_at = self.late + 1, now
            if due > now:
                await asyncio.sleep(due - now)
            samples = self._pull(FRAME, due)
            due += FRAME / RATE
            await source.capture_frame(rtc.AudioFrame(pcm(samples), RATE, 1, FRAME))

    async def aclose(self) -> None:
        """Fall silent. The track goes with the room."""
        if self._pacing:
            self._pacing.cancel()
            await asyncio.gather(self._pacing, return_exceptions=True)
        if self._source:
            await self._source.aclose()
        self._pacing = self._source = None


class Ear:
    """One remote track, from now until `aclose`: it does not end by itself when who sends it leaves."""

    def __init__(self, track: rtc.Track, put: Put) -> None:
        self._stream = rtc.AudioStream.from_track(track=track, sample_rate=RATE, num_channels=1)
        self._hearing = asyncio.ensure_future(self._hear(put))

    async def _hear(self, put: Put) -> None:
        async for event in self._stream:
            put(np.frombuffer(event.frame.data, np.int16).astype(np.float32) / np.float32(32768), time.monotonic())

    async def aclose(self) -> None:
        """Stop listening."""
        self._hearing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._hearing
        await self._stream.aclose()


def pcm(samples: Samples) -> bytes:
    """float32 in -1..1 to 16-bit little-endian."""
    return np.round(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()
