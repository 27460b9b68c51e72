"""Several people in one room: who speaks to the agent, and who to somebody else. Pure, but for the ears it listens to.

With one person there is no question. Among several, whoever names the agent means it, whoever names another person
means that one; who has just been talking with the agent goes on to, who cuts it short does anyhow; and whoever says
something while nobody else is talking speaks to whoever listens. What people say to each other gets no answer, but
the agent has heard it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from echoless.ears import heeded as h
from echoless.ears.ears import Ears
from echoless.frames import Block, Samples, seconds

CALLED = ("echoless", "agent", "assistant", "computer", "助手", "机器人")
"""What people call the agent."""
AFTER = 20.0
"""Seconds for which somebody who talked with the agent still does, unless somebody else has spoken meanwhile."""
ALONE = 8.0
"""Seconds without anybody else's words after which one speaks to the agent rather than to the others."""


class Company:
    """Remembers who spoke when. `called`: further names of the agent."""

    def __init__(self, called: Iterable[str] = ()) -> None:
        self._called = _pattern((*CALLED, *called))
        self._spoke: dict[str, float] = {}
        self._partner: tuple[str, float] | None = None

    def addressed(self, who: str, text: str, now: float, people: Mapping[str, str], cuts_in: bool) -> bool:
        """Whether `who` means the agent with `text`. `people`: identity → name of everybody present; `now` in seconds
        of audio time; `cuts_in`: the agent was speaking."""
        if len(people) <= 1 or cuts_in or self._called.search(text):
            return True
        names = [name for identity, name in people.items() if identity != who]
        if _pattern(names).search(text):
            return False
        others = max((at for each, at in self._spoke.items() if each != who), default=float("-inf"))
        if self._partner and self._partner[0] == who and now - self._partner[1] < AFTER:
            return others < self._partner[1]
        return now - others > ALONE

    def said(self, who: str, now: float, to_agent: bool) -> None:
        """Somebody has finished a turn."""
        self._spoke[who] = now
        if to_agent:
            self._partner = who, now


def _pattern(names: Iterable[str]) -> re.Pattern[str]:
    wanted = [re.escape(name) for name in names if len(name) > 1]
    spaced = [name for name in wanted if name.isascii()]
    others = [name for name in wanted if not name.isascii()]
    parts = ([rf"\b(?:{'|'.join(spaced)})\b"] if spaced else []) + others
    return re.compile("|".join(parts) or r"(?!)", re.IGNORECASE)


class CompanyEars:
    """The ears of a call in a room: turns that are not meant for the agent are dismissed as `aside`.

    `who` is the speaker now, `people` everybody present, `overheard` is told what was said to others.
    """

    def __init__(
        self,
        ears: Ears,
        company: Company,
        who: Callable[[], str],
        people: Callable[[], Mapping[str, str]],
        overheard: Callable[[str, str], None],
    ) -> None:
        self._ears, self._company, self._who, self._people, self._overheard = ears, company, who, people, overheard
        self._cuts_in = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ears, name)

    @property
    def muted(self) -> bool:
        return self._ears.muted

    @muted.setter
    def muted(self, on: bool) -> None:
        self._ears.muted = on

    def hear(self, block: Block, agent: h.Agent) -> tuple[Samples, list[h.Heeded]]:
        """As `Ears.hear`."""
        clean, heard = self._ears.hear(block, agent)
        return clean, [self._judged(each, seconds(block.index)) for each in heard if self._kept(each, block)]

    def _addressed(self, text: str, now: float) -> bool:
        return self._company.addressed(self._who(), text, now, self._people(), self._cuts_in)

    def _kept(self, what: h.Heeded, block: Block) -> bool:
        return not isinstance(what, h.LikelyEnd) or self._addressed(what.text, seconds(block.index))

    def _judged(self, what: h.Heeded, now: float) -> h.Heeded:
        match what:
            case h.Confirmed():
                self._cuts_in = True
            case h.TurnEnded(text, evidence):
                to_agent = self._addressed(text, now)
                self._company.said(self._who(), now, to_agent)
                self._cuts_in = False
                if not to_agent:
                    self._overheard(self._who(), text)
                    return h.Dismissed("aside", text, evidence)
                return replace(what, who=self._who() or what.who)
            case h.Dismissed():
                self._cuts_in = False
        return what
