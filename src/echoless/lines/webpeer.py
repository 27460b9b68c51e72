"""One WebRTC connection to a page: audio both ways, Opus only, candidates where one allows them.

The page offers, we answer, once; there is no trickling and no STUN or TURN server. What the offer says is a
stranger's: its size, its media sections and the addresses that it sends us to are checked before anything is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import ipaddress
import time
from collections.abc import Callable, Iterable
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket

from echoless.frames import Samples
from echoless.lines.door import LineError

RATE = 48_000
"""Opus's own clock: what is sent and received, in samples a second."""
FRAME = RATE // 50
"""Samples of one packet (20 ms)."""
LONGEST_OFFER = 32_768
"""Characters; a browser's offer of one audio section has 2-5 thousand."""
MOST_CANDIDATES = 24
_STALL = 0.1
"""Seconds of what could not be sent in time that are sent late."""
_SECTION = "m="
_TIME_BASE = fractions.Fraction(1, RATE)

Pull = Callable[[int, float], Samples]
"""(samples, when they are due on time.monotonic()) → float32 of that many samples: what is sent then."""
Put = Callable[[Samples, int, float], None]
"""(float32 samples at 48 kHz, position of the first on the sender's clock, time of arrival): what came in."""


class Mouth(MediaStreamTrack):
    """What the page hears, 20 ms at a time on a schedule: what is sent and when stays in step, to the sample.

    After a stall of up to 0.1 s the missed packets go out at once. After a longer one they are left out, and the
    time stamps say so.
    """

    kind = "audio"

    def __init__(self, pull: Pull) -> None:
        super().__init__()
        self._pull = pull
        self._sent = 0
        self._due: float | None = None

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        due = self._next_due(time.monotonic())
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        samples = self._pull(FRAME, due)
        pcm = np.round(np.clip(samples, -1.0, 1.0) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._sent, _TIME_BASE
        self._sent += FRAME
        self._due = due + FRAME / RATE
        return frame

    def _next_due(self, now: float) -> float:
        due = now if self._due is None else self._due
        if now - due <= _STALL:
            return due
        missed = int((now - due) * RATE) // FRAME
        self._sent += missed * FRAME
        return due + missed * FRAME / RATE


class Straight:
    """Hands packets on as they come, in place of aiortc's jitter buffer; one that was overtaken is left out.

    aiortc's holds each packet until the next has come, and after a lost one it waits for 16 packets (320 ms) and
    stays that late for the rest of the call. Gaps are filled by whoever reads the time stamps.
    """

    capacity = 16

    def __init__(self) -> None:
        self._newest: int | None = None

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """As aiortc's: (whether a key frame is wanted, what can be decoded now)."""
        ahead = 1 if self._newest is None else (packet.sequence_number - self._newest) % 65_536
        if not 0 < ahead < 32_768:
            return False, None
        self._newest = packet.sequence_number
        return False, JitterFrame(packet._data, packet.timestamp)  # type: ignore[attr-defined]


class Peer:
    """The server's end of one connection. `on_end` is called once, when it has failed or was closed by the page.

    With `addresses` media is sent and received there only (loopback: `("127.0.0.1",)`); None means every address
    of this machine.
    """

    def __init__(self, pull: Pull, put: Put, on_end: Callable[[], None], addresses: tuple[str, ...] | None) -> None:
        self._mouth = Mouth(pull)
        self._put = put
        self._on_end = on_end
        self._addresses = addresses
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._hearing: asyncio.Task[None] | None = None
        self._closed = False
        self.sends_sound = False
        """Whether the page said that it sends a microphone."""

    @property
    def connected(self) -> bool:
        """Whether sound can flow now."""
        return self._connection.connectionState == "connected"

    async def answer(self, offer: str) -> str:
        """The answer to a page's offer (both SDP). Raises LineError where the offer cannot be taken."""
        offer = checked_offer(offer, local=_local(self._addresses))
        connection = self._connection
        connection.on("track", self._on_track)
        connection.on("connectionstatechange", self._on_change)
        try:
            transceiver = connection.addTransceiver(self._mouth)
            codecs = RTCRtpSender.getCapabilities("audio").codecs
            transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType == "audio/opus"])
            self._bind(transceiver)
            await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            await connection.setLocalDescription(await connection.createAnswer())
        except LineError:
            raise
        except Exception as error:  # whatever a strange offer makes the parser stumble over
            raise LineError(f"The page's offer of sound cannot be used ({type(error).__name__}).") from error
        return connection.localDescription.sdp

    def _bind(self, transceiver: Any) -> None:
        """Have the media sockets opened on `addresses` alone, and packets handed on as they come."""
        # aiortc has no setting for either, and its ICE leaves loopback out.
        transceiver.receiver._RTCRtpReceiver__jitter_buffer = Straight()
        if self._addresses is None:
            return
        ice = transceiver.receiver.transport.transport.iceGatherer._connection
        gather = ice.get_component_candidates
        here = list(self._addresses)

        async def get_component_candidates(component: int, addresses: list[str], **more: Any) -> Any:
            return await gather(component=component, addresses=here, **more)

        ice.get_component_candidates = get_component_candidates

    def _on_track(self, track: Any) -> None:
        if self._hearing is None:
            self.sends_sound = True
            self._hearing = asyncio.ensure_future(self._hear(track))

    async def _hear(self, track: Any) -> None:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                position = round(frame.pts * frame.time_base * RATE)
                now = time.monotonic()
                for piece in resampler.resample(frame):
                    samples = piece.to_ndarray().reshape(-1).astype(np.float32, copy=False)
                    self._put(samples, position, now)
                    position += len(samples)
        self.sends_sound = False

    def _on_change(self) -> None:
        if self._connection.connectionState in ("failed", "closed") and not self._closed:
            self._on_end()

    async def aclose(self) -> None:
        """Hang up."""
        if self._closed:
            return
        self._closed = True
        self._mouth.stop()
        await self._connection.close()
        if self._hearing:
            self._hearing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._hearing


def checked_offer(offer: str, local: bool) -> str:
    """The offer with only those candidates that we are willing to send to. Raises LineError.

    Names (`….local`, multicast DNS) are left out: they would have to be looked up, and a page on this machine or
    behind no wall finds us first anyway. With `local`, so are all addresses but this machine's loopback: checks
    that come in from elsewhere on this machine are answered all the same.
    """
    if len(offer) > LONGEST_OFFER:
        raise LineError(f"The page's offer of sound is longer than {LONGEST_OFFER} characters.")
    lines = offer.replace("\r\n", "\n").split("\n")
    sections = [line for line in lines if line.startswith(_SECTION)]
    if len(sections) != 1 or not sections[0].startswith("m=audio "):
        raise LineError("The page's offer must be of one audio section, nothing else.")
    candidates = [line for line in lines if line.startswith("a=candidate:")]
    if len(candidates) > MOST_CANDIDATES:
        raise LineError(f"The page's offer has more than {MOST_CANDIDATES} candidates.")
    refused = {line for line in candidates if not _welcome(line, local)}
    kept = (line for line in lines if line not in refused and line != "a=end-of-candidates")
    return _joined(kept)


def _local(addresses: tuple[str, ...] | None) -> bool:
    return addresses is not None and all(ipaddress.ip_address(address).is_loopback for address in addresses)


def _joined(lines: Iterable[str]) -> str:
    return "\r\n".join(lines)


def _welcome(candidate: str, local: bool) -> bool:
    parts = candidate.split()
    if len(parts) < 8 or parts[2].lower() != "udp" or parts[7] != "host":
        return False
    try:
        address = ipaddress.ip_address(parts[4])
    except ValueError:
        return False
    if address.is_multicast or address.is_unspecified or address.is_reserved:
        return False
    return address.is_loopback if local else not address.is_loopback
