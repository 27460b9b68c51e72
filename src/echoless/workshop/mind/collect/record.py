"""Our own call records: what the user said and what was heard of the replies."""

from __future__ import annotations

from collections.abc import Iterator

from echoless.workshop.mind.collect.source import Item, Passed, Source, Wish
from echoless.workshop.mind.form import Message, Talk, loads

KIND = "call"


def matches(head: str) -> bool:
    """Whether a file begins with events."""
    try:
        first = loads(head.lstrip().partition("\n")[0])
    except ValueError:
        return False
    return isinstance(first, dict) and "event" in first and "t" in first


def read(source: Source, wish: Wish) -> Iterator[Item]:
    """One dialogue: what was said, and of each reply what left the loudspeaker. A reply nobody heard is not there."""
    turns: list[Message] = []
    language = ""
    for number, line in source.lines():
        try:
            event = loads(line) if line else None
        except ValueError as error:
            yield Passed(str(error), f"line {number}")
            continue
        if not isinstance(event, dict):
            continue
        role = {"user.said": "user", "agent.said": "assistant"}.get(str(event.get("event")))
        text = event.get("text")
        if role is None or not isinstance(text, str) or not text.strip():
            continue
        who = str(event.get("who") or "")
        language = language or str(event.get("language") or "")
        if turns and turns[-1].role == role:
            turns[-1] = Message(role, f"{turns[-1].text} {text.strip()}", turns[-1].speaker)
        else:
            turns.append(Message(role, text.strip(), who))
    if sum(turn.role == "assistant" for turn in turns) and sum(turn.role == "user" for turn in turns):
        yield Talk(tuple(turns), source.name, KIND, language, wish.licence)
    else:
        yield Passed("only one side speaks")
