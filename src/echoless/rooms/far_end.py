"""What a far end does to the sound on its way: browsers' own cancellers, and networks with their codecs and buffers.

A jitter buffer (NetEQ in browsers) keeps its delay by taking out or putting in single periods of the voice, and hides
lost packets behind repeated ones. So the echo that comes back is a warped copy of what was sent. Whole signals at
16 kHz; every draw follows from the generator that is given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.signal import istft, stft

from echoless.frames import RATE, Samples

PACKET = RATE // 50
_SHORTEST, _LONGEST = RATE // 400, RATE // 66
"""Samples of a voice's period: 66-400 Hz."""


def browser(microphone: Samples, played: Samples, rng: np.random.Generator) -> Samples:
    """What a browser sends: its own canceller (WebRTC's AEC3) and noise suppression have been over it."""
    from livekit import rtc
    from livekit.rtc.apm import AudioProcessingModule

    apm = AudioProcessingModule(
        echo_cancellation=True,
        noise_suppression=bool(rng.random() < 0.7),
        high_pass_filter=True,
        auto_gain_control=bool(rng.random() < 0.3),
    )
    frame = RATE // 100
    out = np.zeros_like(microphone)

    def framed(x: Samples) -> Any:
        whole = np.rint(np.clip(x, -1, 1) * 32767).astype(np.int16)
        return rtc.AudioFrame(bytearray(whole.tobytes()), RATE, 1, frame)

    for at in range(0, len(out) - frame + 1, frame):
        apm.process_reverse_stream(framed(played[at : at + frame]))
        cleaned = framed(microphone[at : at + frame])
        apm.process_stream(cleaned)
        out[at : at + frame] = np.frombuffer(cleaned.data, np.int16) / np.float32(32768)
    return out


def sent_down(x: Samples, rng: np.random.Generator) -> Samples:
    """Our sound as the far end's loudspeaker gets it: coded, lost packets concealed, stretched by a jitter buffer."""
    return jitter_buffer(concealed(coded(x, rng), rng), rng)


def sent_up(x: Samples, rng: np.random.Generator) -> Samples:
    """The far end's microphone as it comes in here: coded, now and then a packet missing."""
    x = coded(x, rng)
    if rng.random() < 0.4:
        for at in np.flatnonzero(rng.random(len(x) // PACKET) < 10 ** rng.uniform(-2.5, -1.5)):
            x[at * PACKET : (at + 1) * PACKET] = 0
    return x


def coded(x: Samples, rng: np.random.Generator) -> Samples:
    """Noise that follows the sound in time and frequency, as a voice codec's does: 8-26 dB under it."""
    _, _, spectrum = stft(x, RATE, nperseg=PACKET)
    noise = rng.standard_normal(spectrum.shape) + 1j * rng.standard_normal(spectrum.shape)
    _, out = istft(spectrum * (1 + 10 ** (rng.uniform(-26, -8) / 20) * noise / np.sqrt(2)), RATE, nperseg=PACKET)
    return out[: len(x)].astype(np.float32)


def concealed(x: Samples, rng: np.random.Generator) -> Samples:
    """Lost packets (up to 5 %, in bursts) filled with the last period of the voice, fading."""
    out = x.copy()
    if rng.random() < 0.4:
        return out
    lost = rng.random(len(x) // PACKET) < 10 ** rng.uniform(-2.5, -1.3)
    lost[1:] |= lost[:-1] & (rng.random(len(lost) - 1) < 0.4)
    for at in np.flatnonzero(lost) * PACKET:
        if at < 2 * _LONGEST + PACKET:
            continue
        period = _period(out, int(at))
        out[at : at + PACKET] = np.resize(out[at - period : at], PACKET) * np.linspace(0.9, 0.5, PACKET)
    return out


def jitter_buffer(x: Samples, rng: np.random.Generator) -> Samples:
    """`x` with whole periods of the voice put in and taken out while the buffer goes after a delay that wanders."""
    parts: list[Samples] = []
    at, made, late = 0, 0, 0
    wanted, until = 0, 0
    every = rng.uniform(0.3, 4.0)
    while made < len(x):
        if made >= until:
            wanted = int(rng.uniform(0, 0.12) * RATE)
            until = made + int(rng.exponential(every) * RATE) + RATE // 10
        step = int(rng.uniform(0.02, 0.12) * RATE)
        part = x[at : at + step]
        at += step
        if at + 2 * _LONGEST < len(x) and at > 2 * _LONGEST:
            period = _period(x, at)
            if late < wanted - period:
                part = np.concatenate((part, _faded(x[at : at + period], x[at - period : at])))
                late += period
            elif late > wanted + period:
                part = np.concatenate((part, _faded(x[at : at + period], x[at + period : at + 2 * period])))
                at, late = at + 2 * period, late - period
        if not len(part):
            part = np.zeros(step, np.float32)
        parts.append(part)
        made += len(part)
    return np.concatenate(parts)[: len(x)].astype(np.float32)


def _faded(old: Samples, new: Samples) -> Samples:
    rise = np.linspace(0, 1, len(old), dtype=np.float32)
    return old * (1 - rise) + new * rise


def _period(x: Samples, at: int) -> int:
    """Samples of the voice's period just before `at`: the best match of its last 15 ms with what came before."""
    last = x[at - _LONGEST : at].astype(np.float64)
    before = x[at - 2 * _LONGEST : at].astype(np.float64)
    alike = np.correlate(before, last, "valid")  # lag _LONGEST first, 0 last
    power = np.cumsum(np.concatenate(([0.0], before * before)))
    scale = np.sqrt(power[_LONGEST:] - power[: len(power) - _LONGEST]) + 1e-6
    lags = (alike / scale)[: _LONGEST - _SHORTEST + 1]
    return _LONGEST - int(np.argmax(lags))
