"""The turn under way: what was asked about its sound, and what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from echoless.ears.evidence import Bands
from echoless.ears.leaning import Leaning
from echoless.ears.manner import Manner
from echoless.ears.voiceprint import Spoken
from echoless.ears.words import joined
from echoless.frames import Samples


@dataclass(slots=True)
class Wish:
    """A stretch of sound to be recognised. `pause` numbers the pause it belongs to, None within speech; `voice` is
    what of it the speaker is known by."""

    turn: int
    sound: Samples
    length: int
    voice: Samples
    pause: int | None = None
    left: Sequence[Bands | None] = ()
    """What of the echo is usually left in each block of the sound."""
    short: bool = False
    """Whether no more than a short word over the agent was heard."""
    word: int = 0
    """The sample of the sound at which that may begin."""
    again: Known | None = None
    """What is known of this pause already: only the voice is asked, now that the silence has grown."""


@dataclass(slots=True)
class Known:
    """What came of a wish. `finished` is the probability that the turn is complete, `spoken` who said it."""

    wish: Wish
    text: str = ""
    finished: float = 0.0
    spoken: Spoken | None = None
    looks: int = 0
    """How often the voice was asked again."""
    share: float | None = None
    """The part of the words that the agent was saying while they were heard; None until it was counted."""
    manner: Manner | None = None
    leaning: Leaning | None = None
    """Of a short word over the agent: whether it is rather a command or a nod, if that is known."""
    voiced: bool = True
    """Whether the voice was asked: without, `finished` is by the words alone, and no turn ends by it."""
    failed: bool = False
    """Whether the words are not known because the recogniser failed."""


@dataclass(slots=True)
class Open:
    """The turn under way."""

    number: int
    begun: int
    weighing: bool = False
    """Whether it began over the agent and is not confirmed yet."""
    certain: bool = False
    """Whether it began over the agent and was weighed, and a person was surely heard."""
    command: bool = False
    """Whether a command that sounds like one stopped the agent: its words are the user's, whatever the agent said."""
    doubtful: bool = False
    """Whether it was confirmed with nothing that no echo can have been, over an echo that is not known yet."""
    settled: list[str] = field(default_factory=list)
    """Words of sound that was let go."""
    known: Known | None = None
    sure: list[tuple[float, float]] = field(default_factory=list)
    """Of the pause that it is in: seconds of silence, and how likely the turn was complete as far as was known then."""
    pause: int = 0
    asked: int = 0
    """Length of sound last asked about."""
    early: bool = False
    """Whether the pause that may have begun was asked about already."""
    likely: str | None = None
    ended: bool = False
    """Its end was told; it may still go on until the reply is audible."""

    def text(self, latest: str) -> str:
        """All words of the turn, `latest` the last of them."""
        return joined([*self.settled, latest])
