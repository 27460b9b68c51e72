"""Chats of people: lines with a time and a name become dialogues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from echoless.workshop.mind.collect.source import Item, Passed, Wish
from echoless.workshop.mind.form import Message, Talk

MOST = 200
"""Messages a dialogue; a longer one is cut there."""
MOST_UNTIMED = 40
LONGEST = 20_000
"""Characters a message; what a reader finds after that is left out."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one person wrote. `time` is None where the source does not say."""

    speaker: str
    text: str
    time: datetime | None = None


def dialogues(lines: Iterable[Line], wish: Wish, source: str, kind: str) -> Iterator[Item]:
    """Cut a chat at its pauses. The assistant is `wish.me`; where that is not given, whoever answers first."""
    people: Counter[str] = Counter()
    found = False
    for session in sessions(lines, wish.pause):
        people.update(line.speaker for line in session)
        me = _named(wish.me, session) if wish.me else _second(session)
        if not me:
            yield Passed("only one side speaks" if not wish.me else f"{wish.me} does not speak in it")
            continue
        found = True
        talk = Talk(tuple(_merged(session, me)), source, kind, licence=wish.licence)
        yield talk if len(talk.messages) > 1 else Passed("only one side speaks")
    if wish.me and people and not found:
        names = ", ".join(name for name, _ in people.most_common(6))
        yield Passed(f"nobody is called {wish.me!r}: --me takes one of {names}", source)


def sessions(lines: Iterable[Line], pause: float) -> Iterator[list[Line]]:
    """Stretches of a chat without a pause of more than `pause` seconds; bounded, in order."""
    session: list[Line] = []
    for line in lines:
        last = session[-1].time if session else None
        waited = line.time is not None and last is not None and _seconds(last, line.time) > pause
        full = len(session) >= (MOST if line.time else MOST_UNTIMED)
        if session and (waited or full):
            yield session
            session = []
        session.append(line)
    if session:
        yield session


def _seconds(earlier: datetime, later: datetime) -> float:
    if (earlier.tzinfo is None) != (later.tzinfo is None):
        earlier, later = earlier.replace(tzinfo=None), later.replace(tzinfo=None)
    return abs((later - earlier).total_seconds())


def _named(me: str, session: list[Line]) -> str:
    return next((line.speaker for line in session if line.speaker.casefold() == me.casefold()), "")


def _second(session: list[Line]) -> str:
    return next((line.speaker for line in session if line.speaker != session[0].speaker), "")


def _merged(session: list[Line], me: str) -> Iterator[Message]:
    """One message a turn: what a side wrote in several lines is one message of several lines."""
    turn: list[Line] = []
    for line in [*session, None]:
        if turn and (line is None or (line.speaker == me) != (turn[0].speaker == me)):
            names = dict.fromkeys(each.speaker for each in turn)
            time = turn[0].time.isoformat() if turn[0].time else ""
            role = "assistant" if turn[0].speaker == me else "user"
            yield Message(role, "\n".join(each.text for each in turn), " & ".join(names), time)
            turn = []
        if line is not None:
            turn.append(line)
