"""Who may come in: names the speakers of turns and, where only known people shall be heard, turns others away."""

from __future__ import annotations

from typing import Protocol

from echoless.ears.voiceprint import ME, Spoken
from echoless.frames import BLOCK_SECONDS, RATE, Samples


class Who(Protocol):
    """Tells people by their voices (`ears.voiceprint.WhoSpeaks`). Blocking: a call runs it in a worker."""

    @property
    def only_enrolled(self) -> bool: ...

    def who(self, sound: Samples) -> Spoken: ...


SOONEST = 1.0
"""Seconds under which nobody is known for sure."""
AGAIN = 0.4
"""Seconds of further speech after which somebody who still speaks is looked at again: each look costs some 20 ms."""
CERTAIN = 3.0
"""Seconds of speech after which there is nothing more to wait for: a look errs far less often than after two."""
ALONE = round(0.8 / BLOCK_SECONDS)
"""Voiced blocks without any of the agent's voice from which on a speaker is known by those alone."""
LINGER = round(0.6 / BLOCK_SECONDS)
"""Blocks of silence after which whoever cuts in has said it all: a pause after a syllable is too early to judge."""
SHUT = round(4 / BLOCK_SECONDS)
"""Blocks for which speech of somebody who was turned away is not listened to as it goes on, so that the agent does not
hold its breath over and over; after them somebody else may have joined in."""
QUIET = round(0.4 / BLOCK_SECONDS)
"""Blocks of silence that end this sooner."""


class Doorstep:
    """Where a turn waits until its voice is known. `who` is None where nobody has enrolled: then all may come in."""

    def __init__(self, who: Who | None = None) -> None:
        self.who = who
        self._shut = 0
        self._quiet = 0
        self._looked = 0

    def wants(self, final: bool, samples: int) -> bool:
        """Whether a stretch of speech is to be looked at: its end always, before that where it can decide something."""
        if self.who is None or final:
            return self.who is not None
        fresh = samples - self._looked
        if not self.who.only_enrolled or samples < SOONEST * RATE or 0 <= fresh < AGAIN * RATE:
            return False
        self._looked = samples
        return True

    def admits(self, spoken: Spoken | None, final: bool) -> bool | None:
        """Whether this voice may have the floor; None: hear more of it first. `final`: there will not be more."""
        if self.who is None or not self.who.only_enrolled:
            return True
        heard = spoken.seconds if spoken else 0.0
        over = final or heard >= CERTAIN
        if spoken and spoken.name and spoken.name != ME and (over or spoken.sure):
            return True
        return False if over else None

    def turn_away(self) -> None:
        """Somebody is not let in: do not listen on to the same speech."""
        self._shut, self._quiet = SHUT, 0

    def shut(self, voiced: bool) -> bool:
        """Take one block; whether it belongs to somebody who was turned away."""
        self._quiet = 0 if voiced else self._quiet + 1
        self._shut = 0 if self._quiet >= QUIET else max(0, self._shut - 1)
        return self._shut > 0
