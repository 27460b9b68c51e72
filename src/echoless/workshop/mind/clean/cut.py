"""Cut a dialogue around messages that are left out: what is good of it stays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from echoless.workshop.mind.form import Message, Talk


def cut(talk: Talk, flags: list[str]) -> tuple[list[Talk], list[tuple[Talk, list[str]]]]:
    """The stretches without a flagged message, and what went with its reasons. An answer to a message that goes, goes
    with it; every stretch begins with the user and ends with the assistant."""
    flags = list(flags)
    for n in range(1, len(flags)):
        if talk.messages[n].role == "assistant" and flags[n - 1] and talk.messages[n - 1].role == "user":
            flags[n] = flags[n] or flags[n - 1]
    system = [m for m, flag in zip(talk.messages, flags, strict=True) if m.role == "system" and not flag]
    stretches = list[list[Message]]([[]])
    for message, flag in zip(talk.messages, flags, strict=True):
        if flag:
            stretches.append([])
        elif message.role != "system":
            stretches[-1].append(message)
    kept, stay = list[Talk](), {id(message) for message in system}
    for number, stretch in enumerate(stretches):
        good = trimmed(stretch)
        stay |= {id(message) for message in good}
        if good:
            key = talk.key if len(stretches) == 1 else f"{talk.key}-{number}"
            kept.append(replace(talk, messages=(*system, *good), id=key))
    went = [n for n, message in enumerate(talk.messages) if id(message) not in stay]
    reasons = list(dict.fromkeys(flags[n] for n in went if flags[n])) or ["one-sided"]
    gone = [(replace(talk, messages=tuple(talk.messages[n] for n in went)), reasons)] if went else []
    return kept, gone


def trimmed(stretch: list[Message]) -> list[Message]:
    """From the first user's message to the last of the assistant; nothing where one of them is missing."""
    roles = [message.role for message in stretch]
    if "user" not in roles or "assistant" not in roles[roles.index("user") :]:
        return []
    first, last = roles.index("user"), len(roles) - 1 - roles[::-1].index("assistant")
    return stretch[first : last + 1]


def said(talk: Talk) -> str:
    """Everything that is said in it."""
    return "\n".join(message.text for message in talk.messages if message.role != "system")


def replies(talk: Talk) -> Iterator[tuple[tuple[Message, ...], Message]]:
    """Each reply of the assistant, and what was said before it."""
    for n, message in enumerate(talk.messages):
        if message.role == "assistant" and n and re.search(r"\w", message.text):
            yield talk.messages[:n], message
