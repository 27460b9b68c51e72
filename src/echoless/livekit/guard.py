"""One echo guard for each person in a room, and whose microphone the ears get.

The agent's voice comes back from every open loudspeaker by a way of its own, 50 ms from one and 400 ms from another:
one canceller on the mixed microphones would have to learn all those ways at once, so each track has its own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from echoless.ears.guard import EchoGuard, Heard
from echoless.frames import BLOCK, BLOCK_SECONDS, Samples
from echoless.lines.livekit import LiveKitLine, Voice

KEEP = 0.35
"""Probability of near-end speech from which on somebody counts as speaking."""
HOLD = round(1.2 / BLOCK_SECONDS)
"""Blocks of silence for which whoever spoke last keeps the ears: pauses inside a turn are shorter, as a rule."""
SPEAKS, STANDS_OUT = 0.005, 6.0
"""RMS from which on the agent speaks in a block, and dB over the noise from which on its echo counts."""
SHARE = round(4.0 / BLOCK_SECONDS)
"""Blocks of the agent's speech over which is counted in how many something stood out. Where it was under half, nothing
comes back: somebody who talks over the agent for two seconds does not change that."""
TAIL = 2.0
"""Seconds for which a late echo may still come in, where the line is strained."""
IDLE = round(1.0 / BLOCK_SECONDS)
"""Blocks of digital silence after which a muted microphone costs nothing any more."""
_SILENCE = np.zeros(BLOCK, np.float32)


class _Ear:
    """One person's guard."""

    def __init__(self, cancels_echo: bool) -> None:
        self.guard = EchoGuard(cancels_echo)
        self.near = 0.0
        self._silent = 0
        self._last: Heard | None = None
        self._stood_out = 1.0

    def hear(self, voice: Voice, latency: float = 0.0) -> Heard:
        self.guard.latency = latency
        self._silent = 0 if voice.microphone.any() else self._silent + 1
        if self._silent > IDLE and self._last is not None:
            self.near = 0.0
            return replace(self._last, clean=_SILENCE, voice=0.0, near=0.0, echo=False)
        self._last = self.guard.hear(voice.microphone, voice.reference)
        self.near = self._last.near
        if np.sqrt(np.mean(voice.reference**2)) > SPEAKS:
            stands_out = self.guard.weigh.level - self.guard.weigh.noise > STANDS_OUT
            self._stood_out += (stands_out - self._stood_out) / SHARE
        return self._last

    @property
    def echoes(self) -> bool:
        """Whether the agent comes back from there, as far as is known: until it was heard for a while, yes."""
        return not self.guard.cancels_echo and self._stood_out > 0.5


class RoomGuard:
    """`ears.ears.Guard` for a room. `speaker` is whom the ears hear now, None while everybody is silent.

    While nobody speaks the ears get everybody's sound, so that a first syllable is whole; from then on the speaker's
    alone, until they were silent for `HOLD`. Who joins in meanwhile is heard after that.
    """

    def __init__(self, line: LiveKitLine) -> None:
        self._line = line
        self._ears: dict[str, _Ear] = {}
        self._nobody = EchoGuard()
        self._quiet = 0
        self.cancels_echo = False
        """Nothing here: each person's is known by their track."""
        self.latency = 0.0
        """Seconds that sound takes to the farthest loudspeaker."""
        self.sounding = False
        """Nothing here: what is sent to a room is its reference, and is never lost."""
        self.speaker: str | None = None

    def hear(self, microphone: Samples, reference: Samples) -> Heard:
        """Take one block; what came in is the line's, person by person."""
        people = {voice.who: self._ear(voice).hear(voice, self.latency) for voice in self._line.heard}
        for who in self._ears.keys() - set(self._line.people):
            del self._ears[who]
        if not people:
            return self._nobody.hear(microphone, reference)
        loudest = max(people, key=lambda who: people[who].near)
        if self.speaker not in people or self._silent(people[self.speaker]):
            self.speaker = loudest if people[loudest].near > KEEP else None
            self._quiet = 0
        if self.speaker is not None:
            return self._careful(self.speaker, people[self.speaker])
        if len(people) == 1:
            return self._careful(loudest, people[loudest])
        clean = np.sum([heard.clean for heard in people.values()], axis=0, dtype=np.float32)
        echo = any(heard.echo for heard in people.values())
        return self._careful(loudest, replace(people[loudest], clean=np.clip(clean, -1.0, 1.0), echo=echo))

    def _careful(self, who: str, heard: Heard) -> Heard:
        """Half duplex while sound travels so unevenly that no delay can be followed: better deaf than self-answering.

        Only for people whose loudspeaker is known or feared to come back; everybody else may always interrupt.
        """
        if not (self._line.strained and self._ears[who].echoes):
            return heard
        near = 0.0 if self._line.silent_for < TAIL else heard.near
        return replace(heard, near=near, mode="half")

    def _ear(self, voice: Voice) -> _Ear:
        ear = self._ears.get(voice.who)
        if ear is None or ear.guard.cancels_echo != voice.cancels_echo:
            ear = self._ears[voice.who] = _Ear(voice.cancels_echo)
        return ear

    def _silent(self, heard: Heard) -> bool:
        self._quiet = 0 if heard.near > KEEP else self._quiet + 1
        return self._quiet > HOLD
