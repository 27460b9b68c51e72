"""A packet network between the call and the room: delay, jitter, loss, and the jitter buffer at its far end.

Sound travels in packets of 20 ms. The receiver plays them 10 ms at a time and keeps as much waiting as the jitter of
the last seconds asks for: it leaves a pitch period out where too much waits and repeats one where too little does,
and fills what never came with the last pitch period, ever softer (the ways of WebRTC's NetEq; ITU-T G.711 appendix I
for the concealment). So the delay walks, and what is heard is never quite what was sent.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from echoless.frames import BLOCK, RATE, Samples
from echoless.rooms.script import ScriptError

PACKET, FRAME = RATE // 50, RATE // 100
_SHORTEST, _LONGEST = RATE // 400, RATE // 66
"""Pitch periods that are looked for, in samples: 2.5 to 15 ms."""
_ROOM = FRAME + 2 * _LONGEST
_LATE_OF, _MEMORY = 95, 150
"""The percentile of the last packets' lateness that the buffer provides for, and of how many packets (3 s)."""
_LOST_AGAIN = 0.5
"""Losses come in bursts: the probability that the packet after a lost one is lost, too."""
_SOFTER = 0.7
"""Factor of each 10 ms of concealment to the one before."""


class Network:
    """One direction. Blocks of 256 samples at 16 kHz in, as many out: what the far end plays meanwhile."""

    def __init__(self, delay_ms: float, jitter_ms: float, loss: float, rng: np.random.Generator) -> None:
        """`jitter_ms` is the mean lateness (exponential) of packets behind `delay_ms`; `loss` their share lost."""
        self._delay, self._jitter, self._loss = delay_ms * RATE / 1000, jitter_ms * RATE / 1000, loss
        self._rng = rng
        self._sent = np.zeros(0, np.float32)
        self._packets: deque[tuple[float, Samples | None]] = deque()
        """On the way: when each arrives, in samples of the sender's clock; None for a lost one."""
        self._clock = 0
        self._lost = False
        self._lateness: deque[float] = deque([0.0], maxlen=_MEMORY)
        self._waiting = np.zeros(0, np.float32)
        self._heard = np.zeros(4 * _LONGEST, np.float32)
        self._filled = 0
        """Frames of concealment in a row."""
        self._changed = 0
        """Frames since sound was left out or repeated."""
        self._out = np.zeros(0, np.float32)
        self._started = False

    def __call__(self, block: Samples) -> Samples:
        self._send(block)
        self._clock += BLOCK
        while len(self._out) < BLOCK:
            self._arrive()
            self._out = np.concatenate([self._out, self._frame()])
        out, self._out = self._out[:BLOCK], self._out[BLOCK:]
        return out

    @property
    def delay(self) -> float:
        """Seconds that sound takes now: on the way, and in the receiver's buffer."""
        return (self._delay + len(self._waiting) + len(self._out)) / RATE

    def _send(self, block: Samples) -> None:
        self._sent = np.concatenate([self._sent, block])
        while len(self._sent) >= PACKET:
            late = float(self._rng.exponential(self._jitter)) if self._jitter > 0 else 0.0
            again = _LOST_AGAIN if self._lost else self._loss * (1 - _LOST_AGAIN) / max(1 - self._loss, 1e-6)
            self._lost = bool(self._loss > 0 and self._rng.random() < again)
            arrives = self._clock + self._delay + late
            self._packets.append((arrives, None if self._lost else self._sent[:PACKET]))
            self._lateness.append(late)
            self._sent = self._sent[PACKET:]

    # --- the receiver -------------------------------------------------------------------------------------------

    def _arrive(self) -> None:
        """Take what has come, in order. A lost packet is passed over once the next one is there."""
        while self._packets and self._packets[0][0] <= self._clock:
            packet = self._packets[0][1]
            if packet is None:
                if len(self._packets) < 2 or self._packets[1][0] > self._clock:
                    return
                packet = self._conceal(PACKET)
            self._packets.popleft()
            self._waiting = np.concatenate([self._waiting, packet])
            self._started = True

    def _frame(self) -> Samples:
        """The next 10 ms of sound."""
        self._changed += 1
        if not self._started:
            return np.zeros(FRAME, np.float32)
        wanted = float(np.percentile(self._lateness, _LATE_OF)) + PACKET
        if self._changed > 3 and len(self._waiting) > _ROOM:
            if len(self._waiting) > 1.25 * wanted + PACKET:
                self._shorten()
            elif len(self._waiting) < 0.6 * wanted and self._filled == 0:
                self._lengthen()
        if len(self._waiting) < FRAME:
            self._filled += 1
            out = self._conceal(FRAME)
        else:
            out, self._waiting = self._waiting[:FRAME], self._waiting[FRAME:]
            if self._filled:
                out = self._joined(out)
            self._filled = 0
        self._heard = np.concatenate([self._heard[len(out) :], out])
        return out

    def _shorten(self) -> None:
        """Leave one pitch period out, cross-faded."""
        period = _period(self._waiting[:_ROOM])
        ramp = np.linspace(0, 1, period, dtype=np.float32)
        mixed = self._waiting[:period] * (1 - ramp) + self._waiting[period : 2 * period] * ramp
        self._waiting = np.concatenate([mixed, self._waiting[2 * period :]])
        self._changed = 0

    def _lengthen(self) -> None:
        """Play one pitch period twice, cross-faded."""
        period = _period(self._waiting[:_ROOM])
        ramp = np.linspace(0, 1, period, dtype=np.float32)
        again = self._waiting[period : 2 * period] * (1 - ramp) + self._waiting[:period] * ramp
        self._waiting = np.concatenate([self._waiting[:period], again, self._waiting[period:]])
        self._changed = 0

    def _conceal(self, length: int) -> Samples:
        """The last pitch period, over and over, softer with each frame."""
        last = self._heard[-_period(self._heard) :]
        steps = np.maximum(1, self._filled) + np.arange(length) // FRAME
        return (np.resize(last, length) * _SOFTER**steps).astype(np.float32)

    def _joined(self, out: Samples) -> Samples:
        """What came after all, cross-faded with what was made up for it."""
        made_up = self._conceal(FRAME)
        ramp = np.linspace(0, 1, FRAME, dtype=np.float32)
        return made_up * (1 - ramp) + out * ramp


class FarCanceller:
    """WebRTC's AEC3 and noise suppression as a browser runs them (`livekit.rtc.apm`); its frames of 10 ms are not ours,
    so sound is 10 ms later. Raises ScriptError where it is not installed."""

    def __init__(self, noise_suppression: bool = True) -> None:
        try:
            from livekit.rtc.apm import AudioProcessingModule
        except ImportError as missing:
            raise ScriptError(f"room.cancels_echo needs the package livekit ({missing})") from None
        self._apm = AudioProcessingModule(
            echo_cancellation=True, noise_suppression=noise_suppression, high_pass_filter=True, auto_gain_control=False
        )
        self._near, self._far = np.zeros(0, np.float32), np.zeros(0, np.float32)
        self._out = np.zeros(FRAME, np.float32)

    def __call__(self, microphone: Samples, played: Samples) -> Samples:
        self._near, self._far = np.concatenate([self._near, microphone]), np.concatenate([self._far, played])
        while len(self._near) >= FRAME:
            self._apm.process_reverse_stream(_framed(self._far[:FRAME]))
            cleaned = _framed(self._near[:FRAME])
            self._apm.process_stream(cleaned)
            made = np.frombuffer(cleaned.data, np.int16).astype(np.float32) / np.float32(32768)
            self._out = np.concatenate([self._out, made])
            self._near, self._far = self._near[FRAME:], self._far[FRAME:]
        out, self._out = self._out[:BLOCK], self._out[BLOCK:]
        return np.pad(out, (0, BLOCK - len(out)))


def _framed(x: Samples) -> Any:
    """10 ms for `livekit.rtc`: frames of another length end the process."""
    from livekit import rtc

    whole = np.rint(np.clip(x, -1, 32767 / 32768) * 32768).astype(np.int16)
    return rtc.AudioFrame(bytearray(whole.tobytes()), RATE, 1, FRAME)


def _period(x: Samples) -> int:
    """The lag, 2.5 to 15 ms, at which the end of `x` is most like what came before it."""
    piece = x[-_LONGEST:]
    lags = range(_SHORTEST, min(_LONGEST, len(x) - _LONGEST) + 1)
    before = np.lib.stride_tricks.sliding_window_view(x, _LONGEST)[len(x) - _LONGEST - np.array(lags)]
    alike = before @ piece / np.sqrt(np.einsum("ij,ij->i", before, before) + 1e-9)
    return int(lags[int(np.argmax(alike))])
