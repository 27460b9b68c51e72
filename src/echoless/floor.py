"""Whose turn it is: state x event -> state + actions. Pure: no clock, no I/O, no await.

In the manner of h11's connection state: the table below is the whole of it. An event that the table does not
allow raises `IllegalEvent`; an event of an older generation is dropped at the door (`Floor.feed`), the one place
where that is done. A *generation* is one attempt at a reply; a *turn* is one contribution of the user.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class State(StrEnum):
    """Who has the floor."""

    LISTENING = "listening"
    """Nobody speaks."""
    HEARING = "hearing"
    """The user speaks, the agent is silent."""
    PAUSED = "paused"
    """The user fell silent; the turn may go on."""
    GUESSING = "guessing"
    """As PAUSED, with a revocable reply being made that nobody hears yet."""
    THINKING = "thinking"
    """The turn has ended; the reply is not audible yet."""
    SPEAKING = "speaking"
    """The agent is audible."""
    DUCKED = "ducked"
    """The agent holds its breath: somebody may be cutting in."""
    CLOSED = "closed"


class IllegalEvent(Exception):
    """The table has no entry for this event in this state: a defect in whoever sent it."""


# --- events ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UserStarted:
    """Near-end speech began."""


@dataclass(frozen=True, slots=True)
class UserPaused:
    """Near-end speech stopped for now."""


@dataclass(frozen=True, slots=True)
class LikelyEnd:
    """The turn has probably ended with these words: worth a reply that can still be taken back."""

    text: str


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn has ended with these words."""

    text: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """It is an interruption."""


@dataclass(frozen=True, slots=True)
class Dismissed:
    """What was heard is nobody's turn: `echo`, `backchannel`, `noise` or `stranger`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Typed:
    """The user wrote instead of speaking."""

    text: str


@dataclass(frozen=True, slots=True)
class StopPressed:
    """The user pressed stop."""


@dataclass(frozen=True, slots=True)
class Announced:
    """The agent is to say a given text by itself (a greeting), if nobody speaks."""

    text: str


@dataclass(frozen=True, slots=True)
class ReplyAudible:
    """The first sample of the reply left for the loudspeaker."""

    generation: int


@dataclass(frozen=True, slots=True)
class ReplyFinished:
    """The last sample of the reply left, or there was nothing to say."""

    generation: int


@dataclass(frozen=True, slots=True)
class ReplyFailed:
    """The mind or the voice gave up on this reply."""

    generation: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The call ends."""


Event = (
    UserStarted
    | UserPaused
    | LikelyEnd
    | TurnEnded
    | Confirmed
    | Dismissed
    | Typed
    | StopPressed
    | Announced
    | ReplyAudible
    | ReplyFinished
    | ReplyFailed
    | Closed
)


# --- actions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartReply:
    """Make a reply to `text`. It stays unheard until the floor is THINKING."""

    generation: int
    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Say:
    """Say this text as it is."""

    generation: int
    text: str


@dataclass(frozen=True, slots=True)
class Revoke:
    """Take back a reply of which nothing was heard; its turn goes on."""

    generation: int


@dataclass(frozen=True, slots=True)
class Duck:
    generation: int


@dataclass(frozen=True, slots=True)
class Resume:
    generation: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Silence now; what was heard so far stays in the history. `reason`: `interrupted` or `closed`."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The reply was heard to its end."""

    generation: int


@dataclass(frozen=True, slots=True)
class Apologise:
    """Say that the reply failed, in its place."""

    generation: int


Action = StartReply | Say | Revoke | Duck | Resume | Stop | Finish | Apologise


# --- the table ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the floor remembers."""

    state: State = State.LISTENING
    generation: int = 0
    turn: int = 1
    guess: str = ""
    """The words that the reply in the making answers."""


Step = tuple[Situation, tuple[Action, ...]]
Rule = Callable[[Situation, "Event"], Step]


def _to(state: State, *kinds: type) -> Rule:
    """Go to `state`; act with each kind on the current generation."""

    def rule(now: Situation, event: Event) -> Step:
        return replace(now, state=state), tuple(kind(now.generation) for kind in kinds)

    return rule


def _revoking(state: State) -> Rule:
    """Take back the unheard reply: its generation is over, its turn is not."""

    def rule(now: Situation, event: Event) -> Step:
        return replace(now, state=state, generation=now.generation + 1, guess=""), (Revoke(now.generation),)

    return rule


def _stopping(state: State, reason: str = "interrupted") -> Rule:
    """End an audible reply early; what comes next is a new turn."""

    def rule(now: Situation, event: Event) -> Step:
        after = replace(now, state=state, generation=now.generation + 1, turn=now.turn + 1, guess="")
        return after, (Stop(now.generation, reason),)

    return rule


def _replying(state: State, before: Rule | None = None) -> Rule:
    """Start a reply to the event's text, after `before` has put an end to the last one."""

    def rule(now: Situation, event: Event) -> Step:
        actions: tuple[Action, ...] = ()
        if before:
            now, actions = before(now, event)
        text = event.text  # type: ignore[union-attr]
        after = replace(now, state=state, generation=now.generation + 1, guess=text)
        return after, (*actions, StartReply(after.generation, after.turn, text))

    return rule


def _announcing(now: Situation, event: Event) -> Step:
    after = replace(now, state=State.THINKING, generation=now.generation + 1)
    return after, (Say(after.generation, event.text),)  # type: ignore[union-attr]


def _guess_again(now: Situation, event: Event) -> Step:
    return (now, ()) if event.text == now.guess else _replying(State.GUESSING, _revoking(State.PAUSED))(now, event)  # type: ignore[union-attr]


def _guess_settled(now: Situation, event: Event) -> Step:
    if event.text == now.guess:  # type: ignore[union-attr]
        return replace(now, state=State.THINKING), ()
    return _replying(State.THINKING, _revoking(State.PAUSED))(now, event)


def _finishing(now: Situation, event: Event) -> Step:
    after = replace(now, state=State.LISTENING, generation=now.generation + 1, turn=now.turn + 1, guess="")
    return after, (Finish(now.generation),)


def _stay(now: Situation, event: Event) -> Step:
    return now, ()


S = State
TABLE: Mapping[tuple[State, type], Rule] = {
    (S.LISTENING, UserStarted): _to(S.HEARING),
    (S.LISTENING, Typed): _replying(S.THINKING),
    (S.LISTENING, Announced): _announcing,
    (S.LISTENING, StopPressed): _stay,
    (S.LISTENING, Closed): _to(S.CLOSED),
    (S.HEARING, UserPaused): _to(S.PAUSED),
    (S.HEARING, Dismissed): _to(S.LISTENING),
    (S.HEARING, Typed): _replying(S.THINKING),
    (S.HEARING, Announced): _stay,
    (S.HEARING, StopPressed): _stay,
    (S.HEARING, Closed): _to(S.CLOSED),
    (S.PAUSED, UserStarted): _to(S.HEARING),
    (S.PAUSED, LikelyEnd): _replying(S.GUESSING),
    (S.PAUSED, TurnEnded): _replying(S.THINKING),
    (S.PAUSED, Dismissed): _to(S.LISTENING),
    (S.PAUSED, Typed): _replying(S.THINKING),
    (S.PAUSED, Announced): _stay,
    (S.PAUSED, StopPressed): _stay,
    (S.PAUSED, Closed): _to(S.CLOSED),
    (S.GUESSING, UserStarted): _revoking(S.HEARING),
    (S.GUESSING, LikelyEnd): _guess_again,
    (S.GUESSING, TurnEnded): _guess_settled,
    (S.GUESSING, Dismissed): _revoking(S.LISTENING),
    (S.GUESSING, ReplyFinished): _stay,
    (S.GUESSING, ReplyFailed): _to(S.GUESSING, Apologise),
    (S.GUESSING, Typed): _replying(S.THINKING, _revoking(S.PAUSED)),
    (S.GUESSING, Announced): _stay,
    (S.GUESSING, StopPressed): _revoking(S.LISTENING),
    (S.GUESSING, Closed): _revoking(S.CLOSED),
    (S.THINKING, UserStarted): _revoking(S.HEARING),
    (S.THINKING, ReplyAudible): _to(S.SPEAKING),
    (S.THINKING, ReplyFinished): _finishing,
    (S.THINKING, ReplyFailed): _to(S.THINKING, Apologise),
    (S.THINKING, Typed): _replying(S.THINKING, _revoking(S.PAUSED)),
    (S.THINKING, Announced): _stay,
    (S.THINKING, StopPressed): _revoking(S.LISTENING),
    (S.THINKING, Closed): _revoking(S.CLOSED),
    (S.SPEAKING, UserStarted): _to(S.DUCKED, Duck),
    (S.SPEAKING, ReplyFinished): _finishing,
    (S.SPEAKING, ReplyFailed): _to(S.SPEAKING, Apologise),
    (S.SPEAKING, Typed): _replying(S.THINKING, _stopping(S.LISTENING)),
    (S.SPEAKING, Announced): _stay,
    (S.SPEAKING, StopPressed): _stopping(S.LISTENING),
    (S.SPEAKING, Closed): _stopping(S.CLOSED, "closed"),
    (S.DUCKED, Confirmed): _stopping(S.HEARING),
    (S.DUCKED, Dismissed): _to(S.SPEAKING, Resume),
    (S.DUCKED, ReplyFinished): _finishing,
    (S.DUCKED, ReplyFailed): _to(S.DUCKED, Apologise),
    (S.DUCKED, Typed): _replying(S.THINKING, _stopping(S.LISTENING)),
    (S.DUCKED, Announced): _stay,
    (S.DUCKED, StopPressed): _stopping(S.LISTENING),
    (S.DUCKED, Closed): _stopping(S.CLOSED, "closed"),
}


class Floor:
    """The table with its memory."""

    def __init__(self) -> None:
        self.now = Situation()

    @property
    def state(self) -> State:
        return self.now.state

    @property
    def open_to_speak(self) -> bool:
        """True while the reply of the current generation may be audible."""
        return self.now.state in (State.THINKING, State.SPEAKING)

    @property
    def agent_holds(self) -> bool:
        """True while the agent has the floor: audible, or holding its breath."""
        return self.now.state in (State.SPEAKING, State.DUCKED)

    def is_current(self, generation: int) -> bool:
        """Whether `generation` is the one reply that may still be heard."""
        return generation == self.now.generation

    def feed(self, event: Event) -> tuple[Action, ...]:
        """What is to be done about `event`. Raises IllegalEvent. After the end nothing matters any more."""
        if self.now.state is State.CLOSED:
            return ()
        generation = getattr(event, "generation", None)
        if generation is not None and not self.is_current(generation):
            return ()
        rule = TABLE.get((self.now.state, type(event)))
        if rule is None:
            raise IllegalEvent(f"{type(event).__name__} while {self.now.state}")
        self.now, actions = rule(self.now, event)
        return actions
