"""How a voice sounds across a room, for whoever enrols: the recording is heard in some simulated rooms as well.

The mean of all of it is nearer to what a call's microphone hears than the recording alone (docs/log/voiceprints.md).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import fftconvolve

from echoless.ears.voiceprint import Embedding, mean
from echoless.frames import Samples
from echoless.rooms.acoustics import impulse, places
from echoless.rooms.script import RoomSettings

ROOMS = (
    (0.20, 0.5, (3.2, 2.6, 2.4)),
    (0.27, 1.1, (4.0, 3.4, 2.5)),
    (0.34, 0.7, (4.4, 3.0, 2.6)),
    (0.41, 0.9, (5.2, 4.2, 2.7)),
    (0.48, 0.6, (5.0, 3.8, 2.5)),
    (0.55, 1.0, (6.5, 4.8, 2.9)),
)
"""Reverberation time in seconds, metres to the microphone, metres from wall to wall."""
LONGEST = 12
"""Seconds that are heard in each room."""
_SNR = 34.0


def across(speech: Samples, embed: Callable[[Samples], Embedding]) -> Embedding:
    """The voice in `speech` (float32 at 16 kHz, silence cut out), as it is and in each of `ROOMS`: their mean."""
    heard = [in_room(speech[: LONGEST * 16_000], number) for number in range(len(ROOMS))]
    return mean([embed(speech), *(embed(each) for each in heard)])


def in_room(speech: Samples, number: int) -> Samples:
    """What a microphone hears of `speech` in a room of `ROOMS`, some noise in it."""
    rt60, metres, size = ROOMS[number]
    where = places(RoomSettings(rt60=rt60, user_distance=metres, size=size), 700 + number)
    wet = fftconvolve(speech, impulse(where.size, rt60, where.user, where.microphone))[: len(speech)]
    level = float(np.sqrt(np.mean(wet**2)))
    noise = np.random.default_rng(number).normal(0, level * 10 ** (-_SNR / 20), len(wet))
    return (wet + noise).astype(np.float32)
