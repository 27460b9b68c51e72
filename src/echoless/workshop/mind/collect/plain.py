"""Dialogues as people write them down: `A: ...`, `- ...`, or a line each, an empty line between two dialogues."""

from __future__ import annotations

import re
from collections.abc import Iterator

from echoless.workshop.mind.collect.source import Item, Passed, Source, Wish
from echoless.workshop.mind.form import Message, Talk

KIND = "text"
MOST = 400
"""Lines a dialogue, should there never be an empty one."""
_NAMED = re.compile(r"^(?P<who>[^\W\d_][^:：\n.!?。！？]{0,30}?)\s?[:：]\s?(?P<text>\S.*)$")
_DASH = re.compile(r"^[-‐–—•*]\s+(?P<text>\S.*)$")
_AGENTS = frozenset(re.findall(r"\S+", "assistant agent bot ai b answer gpt model 助手 机器人 智能助手 答 客服"))
_USERS = frozenset(re.findall(r"\S+", "user human me customer a question q you 用户 人类 问 顾客 我"))
_SYSTEM = frozenset(("system", "系统"))


def matches(head: str) -> bool:
    """Whether it looks like talk: names or dashes before most lines, or short lines in groups of two and more."""
    groups = [[line for line in group.splitlines() if line.strip()] for group in re.split(r"\n\s*\n", head[:20_000])]
    lines = [line for group in groups for line in group]
    if len(lines) < 2:
        return False
    marked = sum(bool(_NAMED.match(line.strip()) or _DASH.match(line.strip())) for line in lines)
    if marked >= 0.6 * len(lines):
        return True
    paired = sum(len(group) for group in groups if 2 <= len(group) <= MOST)
    return paired >= 0.8 * len(lines) and sum(map(len, lines)) / len(lines) < 160


def read(source: Source, wish: Wish) -> Iterator[Item]:
    """The dialogues of a text."""
    group: list[str] = []
    for number, raw in source.lines():
        if raw is None:
            yield Passed("a line too long", f"line {number}")
            continue
        if raw.strip():
            group.append(raw.strip())
        if group and (not raw.strip() or len(group) >= MOST):
            yield dialogue(group, source.name, wish)
            group = []
    if group:
        yield dialogue(group, source.name, wish)


def dialogue(lines: list[str], source: str, wish: Wish, kind: str = KIND) -> Item:
    """One dialogue out of its lines. A line without a name where others have one goes on with the one before."""
    said: list[tuple[str, str]] = []
    named = sum(bool(_NAMED.match(line)) for line in lines) > len(lines) / 2
    for number, line in enumerate(lines):
        found = _NAMED.match(line) if named else None
        if found:
            said.append((found["who"].strip(), found["text"].strip()))
        elif named and said:
            said[-1] = (said[-1][0], f"{said[-1][1]}\n{line}")
        else:
            dash = _DASH.match(line)
            said.append((str(number % 2), dash["text"] if dash else line))
    return from_names(said, source, wish, kind, named)


def from_names(said: list[tuple[str, str]], source: str, wish: Wish, kind: str, named: bool = True) -> Item:
    """A dialogue of (name, text), merged where one side goes on. The assistant is `wish.me`, else who is called so,
    else whoever speaks second."""
    names = list(dict.fromkeys(who for who, _ in said if who.casefold() not in _SYSTEM))
    me = next((who for who in names if wish.me and who.casefold() == wish.me.casefold()), "")
    if wish.me and named and not me:
        return Passed(f"{wish.me} does not speak in it")
    if not me and len(names) > 1:
        known = [who for who in names if who.casefold() in _AGENTS]
        others = [who for who in names if who.casefold() not in _USERS]
        me = known[0] if len(known) == 1 else others[0] if len(others) == 1 else names[1]
    messages: list[Message] = []
    for who, text in said:
        role = "system" if who.casefold() in _SYSTEM else "assistant" if who == me else "user"
        if messages and messages[-1].role == role:
            messages[-1] = Message(role, f"{messages[-1].text}\n{text}", messages[-1].speaker)
        else:
            messages.append(Message(role, text, who if named else ""))
    if not {"user", "assistant"} <= {message.role for message in messages}:
        return Passed("only one side speaks")
    return Talk(tuple(messages), source, kind, licence=wish.licence)
