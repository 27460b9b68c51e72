"""The conversation as a prompt: messages for a template, a plain transcript without one, and how much of it fits."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence

from echoless.frames import Turn
from echoless.mind.door import MindError

SYSTEM = (
    "You are a friendly companion in a spoken conversation. Answer in one to three short sentences, the way people "
    "talk: no lists, no markup, no emoji. Answer in the language that the user speaks."
)
TRANSCRIPT_STOPS = ("\nUser:", "\nAssistant:", "\nUSER:", "\nHuman:")
_MARKS = re.compile(r"<\|[^<>|]{0,40}\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|</?think(?:ing)?>", re.I)

Message = dict[str, str]
Count = Callable[[Sequence[Turn]], Awaitable[int]]


def defuse(text: str) -> str:
    """`text` without the marks of chat templates: nobody may speak, type or play a system message."""
    while (cleaned := _MARKS.sub("", text)) != text:
        text = cleaned
    return text


def messages(system: str, turns: Sequence[Turn], *, strict: bool = False) -> list[Message]:
    """The turns as chat messages, neighbours of one role joined. `strict` is for templates that know no system role
    and want the user first: the system text and what the agent said before any user go into the first user message."""
    found: list[Message] = []
    for turn in turns:
        role = "assistant" if turn.role == "agent" else "user"
        text = defuse(turn.text).strip()
        if text and found and found[-1]["role"] == role:
            found[-1]["content"] += f" {text}"
        elif text:
            found.append({"role": role, "content": text})
    if not strict:
        return ([{"role": "system", "content": system}] if system else []) + found
    greeting = found.pop(0)["content"] if found and found[0]["role"] == "assistant" else ""
    opening = "\n\n".join(filter(None, [system, greeting and f"(You began with: {greeting})"]))
    if found and opening:
        found[0]["content"] = f"{opening}\n\n{found[0]['content']}"
    return found


def transcript(system: str, turns: Sequence[Turn]) -> str:
    """The plain form, for models without a chat template: stop at `TRANSCRIPT_STOPS`."""
    names = {"user": "User", "assistant": "Assistant"}
    lines = [f"{names[m['role']]}: {' '.join(m['content'].split())}" for m in messages("", turns)]
    return "\n".join(filter(None, [f"{system}\n" if system else "", *lines, "Assistant:"]))


def estimate(text: str) -> int:
    """Tokens of `text` where no tokeniser can be asked, rather too many than too few: Latin script has about four
    characters a token, other scripts up to two tokens a character in small vocabularies."""
    plain = sum(character.isascii() for character in text)
    return (plain * 2 + 4) // 5 + 2 * (len(text) - plain) + 4


class Window:
    """Which turns go into a prompt of `room` tokens: the newest.

    When the oldest have to go, half goes at once, and the first turn that was kept is remembered: the prompts of
    the following turns begin alike, so that the server's prompt cache keeps working.
    """

    def __init__(self) -> None:
        self._first: tuple[Turn, ...] = ()

    async def fit(self, turns: Sequence[Turn], room: int, count: Count) -> list[Turn]:
        """The newest of `turns` for which `count` is at most `room`. A last turn that is too long by itself loses its
        beginning. Raises MindError where not even that helps."""
        kept = list(turns[self._start(turns) :])
        size = await count(kept)
        goal = room
        for _ in range(32):
            if size <= room:
                self._first = tuple(kept[:2])
                return kept
            goal = min(goal, room // 2)
            kept = _shorter(kept, goal / size)
            goal = goal * 9 // 10
            size = await count(kept)
        raise MindError(f"the system text alone is too long for a context of {room} tokens: shorten it")

    def _start(self, turns: Sequence[Turn]) -> int:
        if len(self._first) == 2:
            for at in range(len(turns) - 1):
                if tuple(turns[at : at + 2]) == self._first:
                    return at
        return 0


def _shorter(turns: list[Turn], share: float) -> list[Turn]:
    """About the newest `share` of the turns by length, at least one fewer; of a single turn the end of its text."""
    if len(turns) == 1:
        text = turns[0].text
        return [Turn(turns[0].role, text[len(text) - int(len(text) * min(share, 0.8)) :])]
    goal = sum(estimate(turn.text) for turn in turns) * share
    kept = turns[1:]
    while len(kept) > 1 and (kept[0].role == "agent" or sum(estimate(turn.text) for turn in kept) > goal):
        kept = kept[1:]
    return kept
