"""The way from the loudspeaker to the microphone: devices, room, delay, drift and their changes, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from pathlib import Path

import numpy as np
import pyroomacoustics as pra
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, oaconvolve, resample_poly

from echoless.frames import BLOCK, RATE, Samples
from echoless.rooms.levels import AGENT_DBFS, USER_DBFS, active_level, factor, read_wav, speech_like
from echoless.rooms.script import RoomSettings

MARGIN = 0.2
"""Metres that devices and people keep from the walls."""
RIR_SECONDS = 0.6
MAX_ORDER = 30
SLIP = int(0.02 * RATE)
"""Once drift has walked this many samples, the device's buffer gives way and slips back."""
_FADE = int(0.2 * RATE) // BLOCK
_HISTORY = 1 << 17
_AT_ONCE = 64
"""Blocks of noise made at once."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where things stand, in metres from a corner of the room."""

    size: tuple[float, float, float]
    microphone: tuple[float, float, float]
    loudspeaker: tuple[float, float, float]
    user: tuple[float, float, float]


def _inside(point: NDArray[np.float64], size: tuple[float, float, float]) -> tuple[float, float, float]:
    wall = np.array(size)
    x, y, z = np.clip(point, np.minimum(MARGIN, wall / 3), np.maximum(wall - MARGIN, wall * 2 / 3))
    return float(x), float(y), float(z)


def _towards(start: NDArray[np.float64], metres: float, rng: np.random.Generator, rise: float = 0.0) -> NDArray:
    angle = rng.uniform(0, 2 * np.pi)
    return start + np.array([metres * np.cos(angle), metres * np.sin(angle), rise])


def places(room: RoomSettings, seed: int) -> Places:
    """Draws where microphone, loudspeaker and user are."""
    rng = np.random.default_rng([seed, 1])
    size = room.size
    middle = np.array([size[0] * rng.uniform(0.35, 0.65), size[1] * rng.uniform(0.35, 0.65), rng.uniform(0.7, 1.0)])
    microphone = np.array(_inside(middle, size))
    return Places(
        size,
        _inside(microphone, size),
        _inside(_towards(microphone, room.speaker_distance, rng, 0.05), size),
        _inside(_towards(microphone, room.user_distance, rng, 0.3), size),
    )


def moved(place: tuple[float, float, float], metres: float, size: tuple[float, float, float], seed: list[int]):
    """A place `metres` away from `place`, in a drawn direction, inside the room."""
    return _inside(_towards(np.array(place), metres, np.random.default_rng(seed)), size)


@lru_cache(maxsize=64)
def impulse(
    size: tuple[float, float, float],
    rt60: float,
    source: tuple[float, float, float],
    microphone: tuple[float, float, float],
) -> Samples:
    """Room impulse response at 16 kHz by image sources (Allen and Berkley 1979), at most 0.6 s.

    Sample 0 is the moment at which the source sounds. `rt60` 0 leaves the direct path; one that the room cannot
    have is the nearest that it can.
    """
    if rt60 <= 0:
        absorption, order = 1.0, 0
    else:
        try:
            absorption, order = pra.inverse_sabine(rt60, list(size))
        except ValueError:
            absorption, order = 0.999, 3
    shoebox = pra.ShoeBox(list(size), fs=RATE, materials=pra.Material(absorption), max_order=min(order, MAX_ORDER))
    shoebox.add_source(list(source))
    shoebox.add_microphone(list(microphone))
    shoebox.compute_rir()
    filter_delay = pra.constants.get("frac_delay_length") // 2
    return np.asarray(shoebox.rir[0][0][filter_delay:], np.float32)[: int(RIR_SECONDS * RATE)]


class Loudspeaker:
    """A small loudspeaker: no bass below 120 Hz, force that depends on the cone's displacement (memory), soft clipping.

    `nonlinear` 0 is linear; 0.3 leaves a linear canceller about 20 dB, 1.0 about 10 dB (speech at -20 dBFS).
    """

    def __init__(self, nonlinear: float) -> None:
        self._bass_cut = butter(2, 120, "highpass", fs=RATE)
        self._cone = butter(1, [90, 400], "bandpass", fs=RATE)
        self._cut_state, self._cone_state = np.zeros(2), np.zeros(2)
        self._strength = nonlinear
        self._knee = factor(AGENT_DBFS) * factor(4.0) / max(nonlinear, 1e-6)

    def __call__(self, x: Samples) -> Samples:
        y, self._cut_state = lfilter(*self._bass_cut, x, zi=self._cut_state)
        if self._strength > 0:
            cone, self._cone_state = lfilter(*self._cone, x, zi=self._cone_state)
            cone = np.tanh(cone / factor(AGENT_DBFS)) * self._strength
            y = y * (1.0 - 0.35 * cone - 0.25 * cone * cone)
            y = self._knee * np.tanh(y / self._knee)
        return y.astype(np.float32)


class Convolver:
    """Uniformly partitioned overlap-save convolution, 256 samples a block, with filters that can be changed."""

    def __init__(self, response: Samples, longest: int = int(RIR_SECONDS * RATE)) -> None:
        self._parts = -(-longest // BLOCK)
        self._now = self._spectra(response)
        self._next: NDArray[np.complex64] | None = None
        self._left = self._span = 0
        # newest spectrum first; the window walks down a longer array, so that nothing is moved each block
        self._line = np.zeros((5 * self._parts, BLOCK + 1), np.complex64)
        self._top = 4 * self._parts
        self._old = np.zeros(BLOCK, np.float32)
        self._silent = 2 * self._parts
        """Blocks of silence in a row that came in; after so many as the filter has parts, silence comes out."""

    def _spectra(self, response: Samples) -> NDArray[np.complex64]:
        padded = np.zeros(self._parts * BLOCK, np.float32)
        padded[: len(response)] = response[: len(padded)]
        return np.fft.rfft(padded.reshape(self._parts, BLOCK), 2 * BLOCK, axis=1).astype(np.complex64)

    def change(self, response: Samples, blocks: int) -> None:
        """Cross-fade to another response in so many blocks."""
        if self._next is not None:
            self._now = self._next
        self._next, self._left, self._span = self._spectra(response), blocks, blocks

    def __call__(self, x: Samples) -> Samples:
        if self._top == 0:
            self._line[4 * self._parts :] = self._line[: self._parts]
            self._top = 4 * self._parts
        self._top -= 1
        self._silent = 0 if x.any() else self._silent + 1
        if self._silent > 1:  # nothing in this block or the one before
            self._line[self._top] = 0
        else:
            self._line[self._top] = np.fft.rfft(np.concatenate([self._old, x]))
        self._old = x
        if self._silent > self._parts + 1:
            self._advance()
            return np.zeros(BLOCK, np.float32)
        y = self._filtered(self._now)
        if self._next is not None:
            share = (self._span - self._left + np.arange(1, BLOCK + 1) / BLOCK) / self._span
            y = y * (1 - share) + self._filtered(self._next) * share
        self._advance()
        return y.astype(np.float32)

    def _advance(self) -> None:
        """One more block of a change of responses."""
        if self._next is not None:
            self._left -= 1
            if self._left == 0:
                self._now, self._next = self._next, None

    def _filtered(self, spectra: NDArray[np.complex64]) -> NDArray:
        return np.fft.irfft(np.einsum("ij,ij->j", self._line[self._top : self._top + self._parts], spectra))[BLOCK:]


class Downsampler:
    """16 ms blocks at any multiple of 1000 Hz made blocks of 256 at 16 kHz, 4 ms late (not at all at 16 kHz)."""

    delay = 64

    def __init__(self, rate: int) -> None:
        shared = gcd(rate, RATE)
        self._up, self._down = RATE // shared, rate // shared
        self._old = np.zeros(rate * BLOCK // RATE, np.float32)
        if rate == RATE:
            self.delay = 0

    def __call__(self, x: Samples) -> Samples:
        if self._up == self._down:
            return x
        y = resample_poly(np.concatenate([self._old, x]), self._up, self._down)
        self._old = x
        return y[BLOCK - self.delay : 2 * BLOCK - self.delay].astype(np.float32)


class DelayLine:
    """A delay in samples that may be fractional, walk, and jump; reads by a 32-tap windowed sinc."""

    TAPS, PHASES = 32, 512

    def __init__(self) -> None:
        self._past = np.zeros(2 * _HISTORY, np.float32)
        self._end = _HISTORY
        phase = np.arange(self.PHASES + 1)[:, None] / self.PHASES
        at = np.arange(self.TAPS)[None, :] - (self.TAPS // 2 - 1) - phase
        window = np.cos(np.pi * at / (self.TAPS + 1)) ** 2
        table = np.sinc(at) * window
        self._table = (table / table.sum(axis=1, keepdims=True)).astype(np.float32)

    def __call__(self, x: Samples, delay: NDArray[np.float64] | float) -> Samples:
        """Takes one block and gives one block as it was `delay` samples (a number, or one a sample) before."""
        if self._end + BLOCK > len(self._past):
            self._past[:_HISTORY] = self._past[self._end - _HISTORY : self._end]
            self._end = _HISTORY
        self._past[self._end : self._end + BLOCK] = x
        start = self._end
        self._end += BLOCK
        if np.ndim(delay) == 0 and float(delay).is_integer():
            return self._past[start - int(delay) : start - int(delay) + BLOCK].copy()
        position = start + np.arange(BLOCK) - np.maximum(delay, self.TAPS // 2)
        whole = np.floor(position).astype(np.int64)
        phase = np.rint((position - whole) * self.PHASES).astype(np.int64)
        taps = whole[:, None] + (np.arange(self.TAPS) - (self.TAPS // 2 - 1))[None, :]
        return np.einsum("ij,ij->i", self._past[taps], self._table[phase])


class EchoPath:
    """What the microphone hears of what the loudspeaker plays. All that can go wrong on the way is in `room`.

    The gain is fixed here, before anything is played, from `echo_db` (`speech_like` at -20 dBFS sent through the
    same devices and room) and never follows what is played later.
    """

    def __init__(self, room: RoomSettings, seed: int = 0, rate: int = RATE, folder: Path = Path()) -> None:
        self.room, self.seed, self.places = room, seed, places(room, seed)
        self.played = np.zeros(BLOCK, np.float32)
        """The last block as played, at 16 kHz: what a perfect reference would be."""
        self._down = Downsampler(rate)
        self._speaker = Loudspeaker(room.nonlinear)
        self._delay = DelayLine()
        self._block = 0
        self._jumps = sorted(room.delay_jumps)
        self._volumes = sorted(room.volume_changes)
        self._moves = sorted(room.path_changes)
        self._volume = 1.0
        self._here = self.places.loudspeaker
        measured = None if room.echo_rir is None else read_wav(folder / room.echo_rir)
        response = self._response(self._here) if measured is None else measured[: int(RIR_SECONDS * RATE)]
        self.gain = self._calibrate(response)
        self._room = Convolver(response * np.float32(self.gain))

    def _response(self, loudspeaker: tuple[float, float, float]) -> Samples:
        return impulse(self.room.size, self.room.rt60, loudspeaker, self.places.microphone)

    def _calibrate(self, response: Samples) -> float:
        echo = oaconvolve(Loudspeaker(self.room.nonlinear)(speech_like()), response)
        return factor(USER_DBFS + self.room.echo_db - active_level(echo.astype(np.float32)))

    @property
    def seconds(self) -> float:
        """Audio time at the beginning of the next block."""
        return self._block * BLOCK / RATE

    def play(self, block: Samples) -> Samples:
        """Plays 16 ms (float32, at the loudspeaker's rate) and gives the echo of that time: float32 (256,), 16 kHz."""
        self._change_path()
        self.played = self._down(np.asarray(block, np.float32))
        sound = self._speaker(np.clip(self.played, -1, 1) * self._volume_ramp())
        late = self._delay(sound, self._delay_now())
        self._block += 1
        return self._room(late)

    def _volume_ramp(self) -> Samples | np.float32:
        before = self._volume
        while self._volumes and self._volumes[0][0] <= self.seconds:
            self._volume = factor(self._volumes.pop(0)[1])
        if self._volume == before:
            return np.float32(before)
        return np.linspace(before, self._volume, BLOCK, dtype=np.float32)

    def delay_at(self, second: float) -> float:
        """Bulk delay in samples at that time, drift and its slips counted in."""
        delay = self.room.delay_ms
        for when, milliseconds in self._jumps:
            if when <= second:
                delay = max(0.0, delay + milliseconds)
        walked = self.room.drift_ppm * 1e-6 * second * RATE
        return max(0.0, delay * RATE / 1000 - self._down.delay - float(np.fmod(walked, SLIP)))

    def _delay_now(self) -> NDArray[np.float64] | float:
        first = self.delay_at(self.seconds)
        if self.room.drift_ppm == 0:
            return float(round(first))
        step = -self.room.drift_ppm * 1e-6
        return np.maximum(first + step * np.arange(BLOCK), 0.0)

    def _change_path(self) -> None:
        size, now = self.room.size, self.seconds
        while self._moves and self._moves[0][0] <= now:
            metres = self._moves.pop(0)[1]
            self._here = moved(self._here, metres, size, [self.seed, 2, self._block])
            self._room.change(self._response(self._here) * np.float32(self.gain), _FADE)
        wander = RATE // BLOCK
        if self.room.restless > 0 and self._block % wander == 0:
            # a small set of places, so that an hour needs no more impulse responses than a minute
            which = int(np.random.default_rng([self.seed, 3, self._block]).integers(16))
            place = moved(self._here, self.room.restless, size, [self.seed, 4, which])
            self._room.change(self._response(place) * np.float32(self.gain), wander)


class Noise:
    """Room noise in blocks of 256: white, pink (Kellet's filter), or a recording, at `noise_db` dBFS RMS."""

    def __init__(self, room: RoomSettings, seed: int = 0, folder: Path = Path()) -> None:
        self._level = factor(room.noise_db)
        self._rng = np.random.default_rng([seed, 5])
        self._pink = room.noise == "pink"
        self._loop: Samples | None = None
        if room.noise_wav is not None:
            x = read_wav(folder / room.noise_wav)
            rms = float(np.sqrt(np.mean(np.square(x)))) if len(x) else 0.0
            if rms <= 0:
                raise ValueError(f"{folder / room.noise_wav}: holds no sound")
            self._loop = x * np.float32(self._level / rms)
            self._at = int(self._rng.integers(len(x)))
        self._b = np.array([0.049922035, -0.095993537, 0.050612699, -0.004408786])
        self._a = np.array([1, -2.494956002, 2.017265875, -0.522189400])
        self._state = np.zeros(3)
        self._made, self._next = np.zeros((0, BLOCK), np.float32), 0
        self._pink_gain = 1.0 / float(
            np.std(lfilter(self._b, self._a, np.random.default_rng(0).standard_normal(1 << 16)))
        )

    def block(self) -> Samples:
        if self._loop is not None:
            at = (self._at + np.arange(BLOCK)) % len(self._loop)
            self._at = int(at[-1] + 1)
            return self._loop[at]
        if self._next == len(self._made):
            self._made, self._next = self._more(), 0
        self._next += 1
        return self._made[self._next - 1]

    def _more(self) -> Samples:
        """A second of it: float32 (blocks, 256)."""
        x = self._rng.standard_normal(_AT_ONCE * BLOCK)
        if self._pink:
            x, self._state = lfilter(self._b, self._a, x, zi=self._state)
            x = x * self._pink_gain
        return (x * self._level).astype(np.float32).reshape(_AT_ONCE, BLOCK)
