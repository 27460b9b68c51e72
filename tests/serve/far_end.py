"""A caller without an echo canceller, in a process of its own: a loudspeaker, a room, a microphone, real WebRTC.

    python -m tests.serve.far_end --delay 0.12 --gain 0.5

prints its offer as one line of JSON, reads the answer as one, and calls until its standard input closes; then it
prints what its loudspeaker did. Loudspeaker and microphone run on one sound card's clock, which never stalls: packets
that come late leave a gap in what is played, as with any player.
"""

from __future__ import annotations

import argparse
import asyncio
import fractions
import json
import sys
import time

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

RATE = 48_000
FRAME = 960
BUFFER = 0.06
"""Seconds that the player holds a packet back, against the network's unevenness."""
PATH = ((0.0, 1.0), (0.011, 0.4), (0.027, -0.25), (0.048, 0.15))
"""The room: (seconds after the direct sound, gain)."""


class Loudspeaker:
    """Plays packets by their time stamps on the sound card's clock, from `seconds` of memory."""

    def __init__(self, seconds: int = 20) -> None:
        self.sound = np.zeros(seconds * RATE, np.float32)
        self.begun = time.monotonic()
        self.late = 0
        self.loudest = 0.0
        self.packets = 0
        self._shift: int | None = None
        self._last_pts = 0

    def now(self) -> int:
        return int((time.monotonic() - self.begun) * RATE)

    def take(self, pts: int, samples: np.ndarray) -> None:
        """A packet has come. It is played when its time stamp says, or later where that is over already."""
        if self._shift is None:
            self._shift = self.now() + int(BUFFER * RATE) - pts
        at = pts + self._shift
        behind = self.now() - at
        if np.abs(samples).max(initial=0.0) < 0.001 and behind < -2 * BUFFER * RATE:  # catches up where nobody hears it
            self._shift += behind + int(BUFFER * RATE)
            at = pts + self._shift
            behind = self.now() - at
        if behind > 0:
            self.late += 1
            self._shift += behind + int(0.02 * RATE)
            at = pts + self._shift
        self.packets += 1
        self.loudest = max(self.loudest, float(np.abs(samples).max(initial=0.0)))
        places = np.arange(at, at + len(samples)) % len(self.sound)
        self.sound[places] = samples

    def read(self, start: int, count: int) -> np.ndarray:
        """What was played; each stretch is forgotten half the memory later."""
        places = np.arange(start, start + count) % len(self.sound)
        old = (places + len(self.sound) // 2) % len(self.sound)
        out = self.sound[places].copy()
        self.sound[old] = 0.0
        return out


class Microphone(MediaStreamTrack):
    """Hears the loudspeaker through the room, `delay` seconds later and `gain` as loud."""

    kind = "audio"

    def __init__(self, loudspeaker: Loudspeaker, delay: float, gain: float) -> None:
        super().__init__()
        self._loudspeaker, self._gain = loudspeaker, gain
        self._delay = round(delay * RATE)
        self._at = 0

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        ready = self._loudspeaker.begun + (self._at + FRAME) / RATE
        await asyncio.sleep(max(0.0, ready - time.monotonic()))
        reach = round(PATH[-1][0] * RATE)
        played = self._loudspeaker.read(self._at - self._delay - reach, FRAME + reach)
        heard = np.zeros(FRAME, np.float32)
        for later, gain in PATH:
            begin = reach - round(later * RATE)
            heard += self._gain * gain * played[begin : begin + FRAME]
        pcm = (np.clip(heard, -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._at, fractions.Fraction(1, RATE)
        self._at += FRAME
        return frame


async def listen(track: MediaStreamTrack, loudspeaker: Loudspeaker) -> None:
    try:
        while True:
            frame = await track.recv()
            samples = frame.to_ndarray().reshape(-1, 2).mean(axis=1).astype(np.float32) / 32768
            loudspeaker.take(frame.pts, samples)
    except MediaStreamError:
        return


async def main(delay: float, gain: float) -> None:
    loudspeaker = Loudspeaker()
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTrack(Microphone(loudspeaker, delay, gain))
    listening: list[asyncio.Task[None]] = []
    connection.on("track", lambda track: listening.append(asyncio.ensure_future(listen(track, loudspeaker))))
    await connection.setLocalDescription(await connection.createOffer())
    print(json.dumps({"sdp": connection.localDescription.sdp}), flush=True)
    answer = json.loads(await asyncio.to_thread(sys.stdin.readline))
    await connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
    await asyncio.to_thread(sys.stdin.read)
    await connection.close()
    for task in listening:
        task.cancel()
    told = {"packets": loudspeaker.packets, "late": loudspeaker.late, "loudest": round(loudspeaker.loudest, 3)}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay", type=float, default=0.12)
    parser.add_argument("--gain", type=float, default=0.5)
    options = parser.parse_args()
    asyncio.run(main(options.delay, options.gain))
