"""A page without a browser: the other end of a real WebRTC connection, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import time

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

RATE = 48_000


class Tape(MediaStreamTrack):
    """Sends float32 sound at 48 kHz in 20 ms frames, then silence. `gap` skips packets that are 'lost'."""

    kind = "audio"

    def __init__(self, sound: np.ndarray | None = None) -> None:
        super().__init__()
        self.sound = np.zeros(0, np.float32) if sound is None else sound
        self.at = 0
        self._start = time.monotonic()

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(max(0.0, self._start + self.at / RATE - time.monotonic()))
        piece = self.sound[self.at : self.at + 960]
        piece = np.pad(piece, (0, 960 - len(piece)))
        frame = av.AudioFrame.from_ndarray((piece * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self.at, fractions.Fraction(1, RATE)
        self.at += 960
        return frame


class Page:
    """Offers, takes the answer, keeps what it hears (`heard`, float32 mono at 48 kHz)."""

    def __init__(self, tape: Tape | None) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.tape = tape
        self._pieces: list[np.ndarray] = []
        self._task: asyncio.Task[None] | None = None
        if tape:
            self.connection.addTrack(tape)
        else:
            self.connection.addTransceiver("audio", direction="recvonly")
        self.connection.on("track", self._listen)

    @property
    def heard(self) -> np.ndarray:
        return np.concatenate(self._pieces) if self._pieces else np.zeros(0, np.float32)

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def take(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    def _listen(self, track: MediaStreamTrack) -> None:
        self._task = asyncio.ensure_future(self._hear(track))

    async def _hear(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                pcm = frame.to_ndarray().reshape(-1, 2).mean(axis=1) / 32768
                self._pieces.append(pcm.astype(np.float32))

    async def aclose(self) -> None:
        await self.connection.close()
        if self._task:
            self._task.cancel()


async def until(true, seconds: float = 15.0) -> None:
    """Wait for something to become true. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)
