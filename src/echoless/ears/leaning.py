"""Command or nod? How likely the recogniser finds each of those that people say, of a short sound over the agent.

What is left of the echo bends a short word until no list knows it ("Thong" for "stop", "I have four" for "uh-huh").
The decoder that writes so has still weighed the right word against the others: it is asked for that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from echoless.ears.backchannel import Said
from echoless.ears.door import Recogniser, Weighing
from echoless.frames import Samples


def _listed(*lines: str) -> tuple[str, ...]:
    return tuple(phrase.strip() for line in lines for phrase in line.split(";"))


COMMANDS = _listed(
    "stop; wait; no; hold on; hang on; enough; wait a minute; one moment; excuse me; be quiet; never mind; shut up",
    "cancel; stop it; please stop; wait a second; no stop; no wait; just a moment; listen; sorry; hey; pause; not now",
)
NODS = _listed(
    "yeah; yes; yep; right; sure; okay; ok; uh-huh; mm-hmm; mhm; mm; hmm; uh; um; oh; ah; huh; wow; really; oh really",
    "I see; got it; great; good; nice; cool; of course; exactly; true; all right; alright; aha; oh I see; absolutely",
    "interesting; go on; oh no; no way; no problem; perfect; okay okay; yeah yeah; fine; indeed; definitely; I know",
    "that's right",
)
_EVEN = -0.9
"""Log odds of the two lists at which the one is as likely meant as the other: the nods are more."""
_KNOWN = -8.0
"""Log-probability under which a sound is none of a list: other short words said clearly mostly have less ("louder",
"next": -10 and under of both lists)."""


class Leaning(NamedTuple):
    """Log-probabilities that what was heard is one of the commands, and one of the nods; and the likeliest command."""

    command: float
    nod: float
    likeliest: str = COMMANDS[0]

    @property
    def odds(self) -> float:
        """Over 0: rather a command."""
        return self.command - self.nod - _EVEN

    @property
    def text(self) -> str:
        """The likeliest command, as it is written in a conversation."""
        return f"{self.likeliest.capitalize()}."


def leaning(recogniser: Recogniser, speech: Samples) -> Leaning | None:
    """What `speech` (float32, 16 kHz, a short word) leans to; None where the recogniser cannot be asked. Blocking.
    Raises RecogniserError."""
    likely = recogniser.likely(speech, (*COMMANDS, *NODS)) if isinstance(recogniser, Weighing) else None
    if likely is None:
        return None
    commands, nods = likely[: len(COMMANDS)], likely[len(COMMANDS) :]
    command, nod = np.logaddexp.reduce(commands), np.logaddexp.reduce(nods)
    return Leaning(float(command), float(nod), COMMANDS[int(np.argmax(commands))])


def settled(said: Said, leaning: Leaning) -> Said:
    """What a short word does: what its text `said`, unless it leans to the other side."""
    if said is Said.NOTHING:
        return said
    leans, likely = (Said.STOP, leaning.command) if leaning.odds > 0 else (Said.BACKCHANNEL, leaning.nod)
    return leans if likely > _KNOWN else said
