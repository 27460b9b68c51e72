"""Two models side by side, judged by a person who does not know which is which."""

from __future__ import annotations

import hashlib
import json
import random
import re
from dataclasses import dataclass
from math import comb
from pathlib import Path

from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.judge.measures import Judged
from echoless.workshop.mind.judge.minds import Reply

_HEAD = """# Which reply is better?

Write A, B or = after each `better:` (fluent, to the point, fit to be spoken). The key lies in {key}: do not look.
Then: echoless mind judge --read {sheet}
"""
_MARK = re.compile(r"^(\d+)\. better:[ \t]*(.*?)[ \t]*$", re.MULTILINE)


def write_sheet(sheet: Path, left: Judged, right: Judged, seed: int) -> Path:
    """Write the sheet and its key; replies that are the same on both sides are left out. Raises MindError."""
    rng = random.Random(seed)
    pairs = list(zip(left.replies, right.replies, strict=True))
    rng.shuffle(pairs)
    parts: list[str] = []
    key: list[list[str]] = []
    key_path = sheet.with_name(sheet.name + ".key.json")
    for one, other in pairs:
        if one.text == other.text:
            continue
        swapped = rng.random() < 0.5
        first, second = (other, one) if swapped else (one, other)
        number = len(key) + 1
        asked = "\n".join(f"> {role}: {text}" for role, text in one.asked if role != "system")
        parts.append(f"## {number}\n\n{asked}\n\n**A** {_said(first)}\n\n**B** {_said(second)}\n")
        parts.append(f"{number}. better:\n")
        key.append([right.name, left.name] if swapped else [left.name, right.name])
    if not key:
        raise MindError("both models say the same to every prompt: there is nothing to choose between")
    text = "\n".join([_HEAD.format(key=key_path.name, sheet=sheet), *parts])
    sheet.write_text(text, encoding="utf-8")
    told = {"names": [left.name, right.name], "sides": key, "numbers": _numbers(text)}
    key_path.write_text(json.dumps(told) + "\n", encoding="utf-8")
    return key_path


def _said(reply: Reply) -> str:
    return reply.text or "(nothing)"


def _numbers(text: str) -> str:
    """A fingerprint of what was to be judged, marks left out."""
    return hashlib.sha256(_MARK.sub(r"\1", text).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Verdict:
    """How often each was better, and how likely so clear a choice is by chance (two-sided sign test)."""

    wins: dict[str, int]
    even: int
    left: int
    chance: float

    def text(self) -> str:
        """For people."""
        said = ", ".join(f"{name} better {count} times" for name, count in self.wins.items())
        return f"{said}, even {self.even}, not judged {self.left}; by chance alone: p = {self.chance:.3f}"


def read_sheet(sheet: Path) -> Verdict:
    """Count the marks of a judged sheet. Raises MindError where it is not as it was written."""
    try:
        text = sheet.read_text("utf-8")
        key = json.loads(sheet.with_name(sheet.name + ".key.json").read_text("utf-8"))
    except (OSError, ValueError) as why:
        raise MindError(f"cannot read {sheet} and its key: {why}") from None
    if _numbers(text) != key["numbers"]:
        raise MindError(f"{sheet}: something else than the marks was changed; write it anew with --blind")
    wins, even, left = dict.fromkeys(key["names"], 0), 0, 0
    for number, mark in _MARK.findall(text):
        sides = key["sides"][int(number) - 1]
        choice = mark.upper()
        if choice in ("A", "B"):
            wins[sides[choice == "B"]] += 1
        elif choice == "=":
            even += 1
        elif not choice:
            left += 1
        else:
            raise MindError(f"{sheet}, number {number}: {mark!r} is none of A, B and =")
    counts = list(wins.values())
    total, least = sum(counts), min(counts)
    chance = min(1.0, 2 * sum(comb(total, k) for k in range(least + 1)) / 2**total) if total else 1.0
    return Verdict(wins, even, left, chance)
