"""An open sound card: its streams, their callbacks and the buffers behind them. Lives until it is closed or gone.

The callbacks run in PortAudio's thread; they copy and count. Everything else is called from the call's own thread.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from echoless.frames import BLOCK, RATE, Samples
from echoless.lines import portaudio
from echoless.lines.align import ReferenceReader
from echoless.lines.door import LineError
from echoless.lines.monitor import Monitor
from echoless.lines.pulse import MonitorTap
from echoless.lines.resample import to_ears
from echoless.lines.rings import Capture, Playback

DEAD = 2.0
"""Seconds without a callback after which a sound card counts as gone."""
QUEUE = 0.032
"""Seconds of the agent's speech that wait in the queue, against the call's own unevenness."""

_WAIT = 0.05
"""Seconds that a block waits at most for what other programs play."""


class Card:
    """Finds the devices and starts both directions: blocks for as long as the sound system likes. Raises LineError."""

    def __init__(
        self,
        device_in: int | str | None,
        device_out: int | str | None,
        rate: int | None,
        latency: float,
        monitor: bool = False,
    ) -> None:
        sd = portaudio.library()
        devices = portaudio.list_devices()
        microphone = portaudio.find(device_in, "microphone", devices)
        loudspeaker = portaudio.find(device_out, "loudspeaker", devices)
        self.rate, outputs = portaudio.settings(loudspeaker, "loudspeaker", rate)
        self.rate, inputs = portaudio.settings(microphone, "microphone", self.rate)
        self.block = self.rate * BLOCK // RATE
        together = portaudio.duplex(microphone, loudspeaker)
        self._prepare(together)
        self._longest = 4 * latency
        common = {"samplerate": self.rate, "dtype": "float32", "latency": latency}
        self._streams: list[Any] = []
        try:
            with portaudio.quiet():
                if together:
                    pair = {"device": (microphone.index, loudspeaker.index), "channels": (inputs, outputs)}
                    streams = [sd.Stream(**pair, callback=self._both, **common)]
                else:
                    streams = [
                        sd.InputStream(device=microphone.index, channels=inputs, callback=self._heard, **common),
                        sd.OutputStream(device=loudspeaker.index, channels=outputs, callback=self._play, **common),
                    ]
            for stream in streams:
                self._streams.append(portaudio.started(stream))
        except (sd.PortAudioError, ValueError) as e:
            self.close()
            why = portaudio.one_line(e)
            raise LineError(f"The sound card cannot be opened: {why}. Close what else uses it, or pick another.") from e
        delay = self._streams[-1].latency
        self.latency: float = (delay[1] if isinstance(delay, tuple) else delay) + QUEUE
        """Seconds from `push` to the loudspeaker, as PortAudio believes."""
        if monitor and portaudio.shared(loudspeaker) and not together:
            self._listen_to_others()

    def _prepare(self, together: bool) -> None:
        self.capture = Capture(self.rate)
        self.playback = Playback(self.rate, self.block, round(QUEUE * self.rate))
        self.reader = ReferenceReader(self.rate, same_clock=together)
        self._to_ears = to_ears(self.rate), to_ears(self.rate)  # alike: their latency is the same
        self._seen_in = self._seen_out = time.monotonic()
        self._waiter: tuple[int, Callable[[], None]] | None = None
        self._tap: MonitorTap | None = None
        self._monitor: Monitor | None = None

    def _listen_to_others(self) -> None:
        """Where the loudspeaker has a monitor source, other sound of this machine joins the reference."""
        with contextlib.suppress(OSError):  # none here: the agent's own sound is the reference
            offset = self._streams[-1].time - time.monotonic()  # a closed stream must not be asked
            self._tap = MonitorTap(self.rate, lambda: time.monotonic() + offset)
            self._monitor = Monitor(self.rate, self._tap)

    def _heard(self, data: Samples, frames: int, times: Any, status: Any) -> None:
        self._seen_in = time.monotonic()
        mono = data[:, 0] if data.shape[1] == 1 else data.mean(axis=1)
        self.capture.put(mono, times.inputBufferAdcTime, bool(status.input_overflow))
        waiter = self._waiter
        if waiter is not None and self.capture.ready >= waiter[0]:
            self._waiter = None
            waiter[1]()

    def _play(self, data: Samples, frames: int, times: Any, status: Any) -> None:
        self._seen_out = time.monotonic()
        data[:] = self.playback.pull(frames, times.outputBufferDacTime)[:, None]

    def _both(self, heard: Samples, data: Samples, frames: int, times: Any, status: Any) -> None:
        self._play(data, frames, times, status)
        self._heard(heard, frames, times, status)

    @property
    def seen(self) -> float:
        """`time.monotonic()` of the last callback of the direction that was silent for longer."""
        return min(self._seen_in, self._seen_out)

    @property
    def alive(self) -> bool:
        return all(stream.active for stream in self._streams) and time.monotonic() - self.seen < DEAD

    @property
    def ready(self) -> bool:
        """Whether a whole block of the microphone is there, and what other programs played with it."""
        spare = self.capture.ready - self.block
        reader, monitor = self.reader, self._monitor
        if monitor is None or reader.position is None or not monitor.present or spare > _WAIT * self.rate:
            return spare >= 0
        return spare >= 0 and monitor.covers(reader.position + self.block, reader.played)

    def when_ready(self, wake: Callable[[], None] | None) -> None:
        """Call `wake` once, from any thread, when a whole block is there. None: nobody waits any more."""
        self._waiter = None if wake is None else (self.block, wake)

    def push(self, block: Samples) -> None:
        self.playback.push(block, self.capture.ready - self.block)

    def take(self) -> tuple[Samples, Samples, int]:
        """The next microphone block, its reference (both float32 (256,) at 16 kHz), and samples lost before it."""
        start, heard, lost = self.capture.take(self.block)
        if self.capture.mark is not None:
            self.reader.heard.observe(self.capture.mark)
        if self.playback.mark is not None:
            self.reader.played.observe(self.playback.mark)
        others = self._monitor is not None and self._monitor.present
        played = self.reader.read(self.playback.history, start, self.block, others)
        if self._monitor is not None and self.reader.position is not None:
            begin = self.reader.position - self.block
            played = self._monitor.join(played, begin, self.playback.history, self.reader.played)
        heard = np.clip(np.nan_to_num(heard), -1.0, 1.0)
        return self._to_ears[0](heard), self._to_ears[1](played), -(-lost * RATE // self.rate)

    def flush(self) -> int:
        """Silence at once: the queue is dropped and, where the loudspeaker has its own stream, its buffer too.

        A sound server drops some tens of milliseconds more than its time stamps tell: by so much the reference and
        the number returned say that sound was heard that was not.
        """
        dropped = self.playback.flush()
        if self._monitor is not None:
            self._monitor.lost_its_place()
        stream = self._streams[-1]
        fresh = time.monotonic() - self._seen_out < 0.5 and stream.active  # a hanging card would hang us
        if len(self._streams) < 2 or not fresh:
            return dropped
        sd = portaudio.library()
        try:
            unheard = self._ahead(stream.time)
            with portaudio.quiet():
                stream.abort()
                dropped += self.playback.history.take_back(unheard)
                stream.start()
        except sd.PortAudioError:
            pass  # the stream is not active now: whoever looks finds the card gone
        return dropped

    def _ahead(self, now: float) -> int:
        """Samples that the loudspeaker's device holds and has not played at `now`."""
        mark = self.playback.mark
        if mark is None:
            return 0
        end = mark.time + (self.playback.history.written - mark.position) / self.rate
        return round(min(max(end - now, 0.0), self._longest) * self.rate)

    def close(self) -> None:
        """Silence, and let go of the device. May block when the device hangs."""
        if self._tap is not None:
            self._tap.close()
        streams, self._streams = self._streams, []
        for stream in streams:
            portaudio.closed(stream)
