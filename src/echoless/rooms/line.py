"""A simulated room as a line: what the agent plays comes back as echo, people talk, the clock is the audio's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from echoless.frames import BLOCK, BLOCK_SECONDS, RATE, Block, Samples
from echoless.lines.door import LineError, LineTraits, checked
from echoless.rooms.acoustics import EchoPath, Noise
from echoless.rooms.bursts import BurstFinder
from echoless.rooms.faults import ReferenceFeed
from echoless.rooms.levels import active_level
from echoless.rooms.network import FarCanceller, Network
from echoless.rooms.script import Script, ScriptError
from echoless.rooms.talkers import Voice, due, prepare

_TAIL = 2 * RATE
LATE_SECONDS = 0.064
"""A call that comes for its block later than this would have been heard to stutter."""


class _Track:
    """16-bit samples of known length."""

    def __init__(self, length: int) -> None:
        self.samples: NDArray[np.int16] = np.full(length, 0, np.int16)

    def put(self, at: int, block: Samples) -> Samples:
        """Store; what was stored is returned as the WAV will give it back."""
        whole = np.rint(np.clip(block, -1.0, 32767 / 32768) * 32768).astype(np.int16)
        self.samples[at : at + len(whole)] = whole
        return _as_float(whole)


class RoomLine:
    """Both ends of a call in a simulated room, in lock step.

    `exchange` returns when the block is over on the running loop's clock: in virtual time at once, on an ordinary
    loop after 16 ms. Sample i of user.wav, speaker.wav and mic.wav is the same moment; over a network mic.wav is what
    came back of it, later. Raises ScriptError at once for what cannot be used.
    """

    def __init__(self, script: Script, seed: int = 0) -> None:
        try:
            self.path = EchoPath(script.room, seed, script.rate, script.folder)
            self._noise = Noise(script.room, seed, script.folder)
        except ValueError as wrong:
            raise ScriptError(str(wrong)) from None
        self.script, self.seed = script, seed
        self.voices = [prepare(t, i, script, self.path.places, seed) for i, t in enumerate(script.talkers)]
        self.fired: list[int | None] = [None] * len(self.voices)
        """The sample at which each talker began."""
        self.blocks = max(1, round(script.seconds / BLOCK_SECONDS))
        self.index = 0
        self.late_blocks = 0
        self.ended = False
        self.on_second: Callable[[float], None] | None = None
        """Told the audio time once a second."""
        self._traits = LineTraits("room", rate=script.rate, live=False, cancels_echo=script.room.cancels_echo)
        self._there: Network | None = None
        self._back: Network | None = None
        if script.room.network_ms is not None:
            if script.rate != RATE:
                raise ScriptError(f"room.network_ms: only at rate {RATE}")
            self._there, self._back = (self._network(way) for way in (0, 1))
        self._cancel = FarCanceller() if script.room.cancels_echo else None
        self._reference = ReferenceFeed(script.room, seed)
        self._bursts = BurstFinder()
        length = self.blocks * BLOCK
        self._user, self._speaker, self._mic, self._ears = (_Track(length) for _ in range(4))
        self._near = np.zeros(length + _TAIL, np.float32)
        self._people = np.zeros(length + _TAIL, np.float32)
        for track in (self._near, self._people):
            track.fill(0.0)  # all of it now, so that what a call takes later is its own
        self._begun: float | None = None
        self._open = False
        self._place_known()

    @property
    def traits(self) -> LineTraits:
        if self._there is None:
            return self._traits
        return replace(self._traits, latency=BLOCK_SECONDS + self._there.delay)  # as a page tells it of its buffers

    @property
    def seconds(self) -> float:
        return self.index * BLOCK_SECONDS

    async def open(self) -> None:
        if self.ended:
            raise LineError("the rehearsal is over: a room is used once")
        self._open = True

    async def exchange(self, loudspeaker: Samples) -> Block | None:
        out = checked(loudspeaker, self._traits)
        if not self._open or self.index >= self.blocks:
            self.ended = True
            return None
        await self._pace()
        at = self.index * BLOCK
        self._place_due(at)
        echo = self.path.play(self._there(out) if self._there else out)
        played = self._speaker.put(at, self.path.played)
        self._bursts.feed(played)
        reference = self._ears.put(at, self._reference(out if self._there else self.path.played))
        microphone = echo + self._near[at : at + BLOCK] + self._noise.block()
        if self._cancel:
            microphone = self._cancel(microphone, played)
        heard = self._mic.put(at, self._back(microphone) if self._back else microphone)
        self._user.put(at, self._people[at : at + BLOCK])
        block = Block(self.index, heard, reference)
        self.index += 1
        if self.on_second and int(self.seconds) > int(self.seconds - BLOCK_SECONDS):
            self.on_second(self.seconds)
        return block

    def _network(self, way: int) -> Network:
        room = self.script.room
        rng = np.random.default_rng([self.seed, 13, way])
        return Network((room.network_ms or 0.0) / 2, room.network_jitter_ms, room.network_loss, rng)

    async def _pace(self) -> None:
        """Wait for the end of the block. Who comes late catches up; the sound goes on without a gap, but it counts."""
        loop = asyncio.get_running_loop()
        if self._begun is None:
            self._begun = loop.time() - self.index * BLOCK_SECONDS
        left = self._begun + (self.index + 1) * BLOCK_SECONDS - loop.time()
        self.late_blocks += left < -LATE_SECONDS
        await asyncio.sleep(max(0.0, left))

    def _place_known(self) -> None:
        for number, voice in enumerate(self.voices):
            if voice.talker.after is None:
                self._place(number, voice, due(voice.talker, []) or 0)

    def _place_due(self, at: int) -> None:
        for number, voice in enumerate(self.voices):
            if self.fired[number] is None:
                start = due(voice.talker, self._bursts.bursts)
                if start is not None and start < at + BLOCK:
                    self._place(number, voice, max(start, at))

    def _place(self, number: int, voice: Voice, at: int) -> None:
        self.fired[number] = at
        _add(self._near, at, voice.wet)
        if voice.talker.who != "media":
            _add(self._people, at, voice.dry)

    def flush(self) -> int:
        return 0

    async def aclose(self) -> None:
        self._open = False
        self.ended = True

    def save(self, folder: Path) -> None:
        """Write user.wav, speaker.wav, mic.wav (16 kHz, 16 bit, as far as the call went), and reference.wav, what
        the ears were given in place of speaker.wav, where the two differ."""
        folder.mkdir(parents=True, exist_ok=True)
        end = self.index * BLOCK
        tracks = {"user": self._user, "speaker": self._speaker, "mic": self._mic}
        if not np.array_equal(self._ears.samples[:end], self._speaker.samples[:end]):
            tracks["reference"] = self._ears
        for name, track in tracks.items():
            soundfile.write(folder / f"{name}.wav", track.samples[:end], RATE, subtype="PCM_16")

    def report(self) -> dict[str, object]:
        """What happened in the room: when each talker began, how loud the agent was, whether the call kept up."""
        level = active_level(_as_float(self._speaker.samples[: self.index * BLOCK]))
        return {
            "seconds": round(self.seconds, 3),
            "began": [None if at is None else round(at / RATE, 4) for at in self.fired],
            "agent_dbfs": round(level, 1) if np.isfinite(level) else None,
            "late_blocks": self.late_blocks,
        }


def _add(track: Samples, at: int, sound: Samples) -> None:
    piece = sound[: max(0, len(track) - at)]
    track[at : at + len(piece)] += piece


def _as_float(whole: NDArray[np.int16]) -> Samples:
    return whole.astype(np.float32) * np.float32(1 / 32768)
