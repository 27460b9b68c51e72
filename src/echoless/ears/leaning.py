"""Command or nod? How likely the recogniser finds each of those that people say, of a short sound over the agent.

What is left of the echo bends a short word until no list knows it ("Thong" for "stop", "I have four" for "uh-huh").
The decoder that writes so has still weighed the right word against the others: it is asked for that. So is, where there
is one, what sorts short sounds without writing them (`recognisers/short_words.py`): it is the surer of the two.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from echoless.ears.backchannel import Said
from echoless.ears.door import Recogniser, Sorted, Sorting, Weighing
from echoless.frames import Samples


def listed(*lines: str) -> tuple[str, ...]:
    """What is listed in `lines`, parted by semicolons."""
    return tuple(phrase.strip() for line in lines for phrase in line.split(";"))


COMMANDS = listed(
    "stop; wait; no; hold on; hang on; enough; wait a minute; one moment; excuse me; be quiet; never mind; shut up",
    "cancel; stop it; please stop; wait a second; no stop; no wait; just a moment; listen; sorry; hey; pause; not now",
)
NODS = listed(
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
_NEXT_TO_NONE = -11.0
"""The same where its sound, too, was sorted."""
_WRITTEN = 0.2
"""What the decoder's log odds count for beside the sound's."""
_RATHER = 0.2
"""Log odds that a command is given ahead: who says "stop" in vain is worse off than who stops the agent with a nod."""
_NEITHER, _CLEAR = float(np.log(0.5)), float(np.log(0.7))
"""Log-probability from which on a sound is neither, whatever of the two it is likelier; and from which on it is one of
them, whatever is written."""


class Leaning(NamedTuple):
    """Log-probabilities that what was heard is written as one of the commands, and one of the nods; the likeliest
    command; and what the sound was sorted to."""

    command: float
    nod: float
    likeliest: str = COMMANDS[0]
    sound: Sorted | None = None

    @property
    def odds(self) -> float:
        """Over 0: rather a command."""
        written = self.command - self.nod - _EVEN
        return self.sound.command - self.sound.nod + _RATHER + _WRITTEN * written if self.sound else written

    @property
    def likely(self) -> bool:
        """Whether it is one of the two at all."""
        command = self.odds > 0
        written = self.command if command else self.nod
        if self.sound is None:
            return written > _KNOWN
        clear = (self.sound.command if command else self.sound.nod) > _CLEAR
        return self.sound.other < _NEITHER and (written > _NEXT_TO_NONE or clear)

    def read(self, written: str) -> str:
        """The likeliest command as it is written in a conversation; as it was `written`, where none is likely."""
        return f"{self.likeliest.capitalize()}." if self.command > _KNOWN else written


def leaning(recogniser: Recogniser, speech: Samples) -> Leaning | None:
    """What `speech` (float32, 16 kHz, a short word) leans to; None where the recogniser cannot be asked. Blocking.
    Raises RecogniserError."""
    likely = recogniser.likely(speech, (*COMMANDS, *NODS)) if isinstance(recogniser, Weighing) else None
    if likely is None:
        return None
    commands, nods = likely[: len(COMMANDS)], likely[len(COMMANDS) :]
    command, nod = np.logaddexp.reduce(commands), np.logaddexp.reduce(nods)
    sound = recogniser.sort(speech) if isinstance(recogniser, Sorting) else None
    return Leaning(float(command), float(nod), COMMANDS[int(np.argmax(commands))], sound)


def settled(said: Said, leaning: Leaning) -> Said:
    """What a short word does: what its text `said`, unless it leans to the other side."""
    if said is Said.NOTHING or not leaning.likely:
        return said
    return Said.STOP if leaning.odds > 0 else Said.BACKCHANNEL
