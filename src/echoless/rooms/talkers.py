"""Recorded people (and televisions) made ready for a room: cut, trimmed, levelled, heard from where they stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import oaconvolve

from echoless.frames import BLOCK, RATE, Samples
from echoless.rooms.acoustics import Places, impulse, moved
from echoless.rooms.bursts import FRAME, Burst, BurstFinder, frame_levels
from echoless.rooms.levels import USER_DBFS, active_level, factor, read_wav
from echoless.rooms.script import Script, ScriptError, Talker

_BELOW = 35.0
"""dB under the active level at which speech counts as over."""
_PAD = 3
"""Frames kept around the speech, faded."""
_MARGIN, _RUN = 15.9, 5
"""dB under the active level (the margin of P.56), and frames of which all but one are over that where speech begins."""
_CONSONANT = 12
"""Frames that a soft beginning (the s of "stop") may have."""


@dataclass(frozen=True, slots=True)
class Voice:
    """One talker, float32 at 16 kHz: `dry` as it goes into user.wav, `wet` as the microphone hears it.

    Both begin with the first sound and have the same active level; `wet` is longer by the reverberation.
    """

    talker: Talker
    dry: Samples
    wet: Samples

    @property
    def seconds(self) -> float:
        return len(self.dry) / RATE


def trim(x: Samples) -> Samples:
    """Cut what lies before and after the speech. Raises ValueError where there is none.

    It begins within the margin of ITU-T P.56 under the active level, or with a consonant of at most 120 ms before
    that: a breath before the first word is no speech, and would be counted as time that the agent took to notice it.
    """
    level = active_level(x)
    over = frame_levels(x) - level if np.isfinite(level) else np.full(0, -np.inf)
    run = np.convolve(over > max(-_MARGIN, -75.0 - level), np.ones(_RUN), "valid") if len(over) >= _RUN else np.zeros(0)
    begins = np.flatnonzero(run >= _RUN - 1)
    if not len(begins):
        raise ValueError("holds no speech")
    audible = over > max(-_BELOW, -75.0 - level)
    first = int(begins[0])
    while first > max(0, begins[0] - _CONSONANT) and audible[first - 1]:
        first -= 1
    on = np.array([first, np.flatnonzero(audible)[-1]])
    x = x[max(0, on[0] - _PAD) * FRAME : (on[-1] + 1 + _PAD) * FRAME].copy()
    fade = min(FRAME, len(x) // 2)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    x[:fade] *= ramp
    x[-fade:] *= ramp[::-1]
    return x


def dry_voice(talker: Talker, script: Script) -> Samples:
    """What the talker says, alone, at its level. Raises ScriptError."""
    path = script.path(talker.wav)
    try:
        x = trim(read_wav(path, begin=talker.begin, end=talker.end))
    except ValueError as wrong:
        text = str(wrong)
        raise ScriptError(text if str(path) in text else f"{path}: {text}") from None
    if talker.loop is not None:
        x = np.resize(x, int(talker.loop * RATE))
    return (x * factor(USER_DBFS + talker.gain_db - active_level(x))).astype(np.float32)


def prepare(talker: Talker, index: int, script: Script, where: Places, seed: int) -> Voice:
    """A talker as heard in the room. The user stands at `where.user`, everybody else somewhere of their own."""
    dry = dry_voice(talker, script)
    place = where.user
    if talker.who != "user":
        distance = float(np.random.default_rng([seed, 7, index]).uniform(1.2, 2.5))
        place = moved(where.microphone, distance, where.size, [seed, 8, index])
    wet = _heard(dry, place, script, where)
    if talker.move > 0:
        there = moved(place, talker.move, where.size, [seed, 9, index])
        share = np.linspace(0, 1, len(wet), dtype=np.float32)
        wet = wet * (1 - share) + _heard(dry, there, script, where) * share
    wet = wet * factor(USER_DBFS + talker.gain_db - active_level(wet))
    return Voice(talker, dry, wet.astype(np.float32))


def _heard(dry: Samples, place: tuple[float, float, float], script: Script, where: Places) -> Samples:
    response = impulse(script.room.size, script.room.rt60, place, where.microphone)
    direct = max(0, int(np.argmax(np.abs(response))) - 4)
    # the way through the air is left out, so that user.wav and the microphone begin together; all are equally long
    response = np.pad(response[direct:], (0, int(0.6 * RATE) - len(response) + direct))
    return oaconvolve(dry, response, mode="full")


def fire_times(script: Script, speaker: Samples) -> list[int | None]:
    """The sample at which each talker began, from what the agent played: block by block, just as the room did it."""
    finder = BurstFinder()
    fired: list[int | None] = [None] * len(script.talkers)
    for at in range(0, len(speaker) - BLOCK + 1, BLOCK):
        for number, talker in enumerate(script.talkers):
            if fired[number] is None:
                start = due(talker, finder.bursts)
                if start is not None and (talker.after is None or start < at + BLOCK):
                    fired[number] = start if talker.after is None else max(start, at)
        finder.feed(speaker[at : at + BLOCK])
    return fired


def due(talker: Talker, bursts: list[Burst]) -> int | None:
    """The sample at which a talker begins, as far as the agent's bursts so far say; None: not yet."""
    if talker.after is None:
        return round(talker.second * RATE)
    if len(bursts) < talker.nth:
        return None
    burst = bursts[talker.nth - 1]
    frame = burst.begin if talker.after == "agent.started" else burst.end
    return None if frame is None else frame * FRAME + round(talker.plus * RATE)
