"""The hand-written lines: their small grammar, read into trees and expanded.

    > a user's line | another way to say it       `>>` follows up on the `<` above it, and so on
    < a reply                                     several `<`: any of them
    ? day                                         a question the agent asks back, after replies ending in `?day`
    : How was your day?                           ways to ask it; the `>` below are what people answer
    ! garbled                                     the lines below it answer words that make no sense

`{a|b}` is one of several, `{a|}` may be left out, `[food]` is a filler from slots.txt (the same one in a line and its
answers), `[food2]` another one, `[Food]` capitalised. `==` names a topic, `#` starts a remark.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass, field
from pathlib import Path

SLOT = re.compile(r"\[([A-Za-z_]+?)(2?)\](s?)")
INNER = re.compile(r"\{([^{}]*)\}")
ODD_PLURALS = {
    "mouse": "mice",
    "sheep": "sheep",
    "deer": "deer",
    "goldfish": "goldfish",
    "wolf": "wolves",
    "fish": "fish",
}


class LinesError(Exception):
    """A line file breaks the grammar. Says file and line."""


@dataclass(slots=True)
class Node:
    """What users say (`users`), what is answered (`replies`), and what may follow (`after`)."""

    topic: str
    users: list[str] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    after: list[Node] = field(default_factory=list)
    garbled: bool = False
    weight: float = 1.0
    user_weights: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Question:
    """A question the agent asks: ways to put it, and the answers people give."""

    asks: list[str] = field(default_factory=list)
    after: list[Node] = field(default_factory=list)


def alternatives(line: str) -> list[str]:
    """Split at bars that stand outside braces."""
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(line):
        depth += (sign == "{") - (sign == "}")
        if sign == "|" and depth == 0:
            parts.append(line[start:place])
            start = place + 1
    return [part.strip() for part in [*parts, line[start:]] if part.strip()]


def plural(word: str) -> str:
    """The plural of an English noun, well enough for the fillers in use."""
    if word in ODD_PLURALS:
        return ODD_PLURALS[word]
    if word.endswith(("s", "x", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def articles(text: str) -> str:
    """`a apple` → `an apple`, `an pear` → `a pear`."""
    text = re.sub(r"\b([Aa]) (?=[aeiou](?!ni|ne\b|u))", r"\1n ", text)
    return re.sub(r"\b([Aa])n (?=[bcdfgjklmnpqrstvwxyz][a-z])", r"\1 ", text)


class Lines:
    """All line files of a folder, parsed. Raises LinesError."""

    def __init__(self, folder: Path) -> None:
        self.slots = self._read_slots(folder / "slots.txt")
        self.systems = [s for s in (folder / "systems.txt").read_text("utf-8").splitlines() if s and s[0] != "#"]
        self.nodes: list[Node] = []
        self.questions: dict[str, Question] = {}
        for path in sorted(folder.glob("*.txt")):
            if path.name not in ("slots.txt", "systems.txt"):
                self._read(path)
        self._check()

    def _read_slots(self, path: Path) -> dict[str, list[str]]:
        rows = (row.split(":", 1) for row in path.read_text("utf-8").splitlines() if row and row[0] != "#")
        return {name.strip(): [word.strip() for word in words.split(",")] for name, words in rows}

    def _read(self, path: Path) -> None:
        topic, question, stack = path.stem, None, list[Node]()
        for number, row in enumerate(path.read_text("utf-8").splitlines(), 1):
            mark, _, rest = row.strip().partition(" ")
            rest, depth = rest.strip(), len(mark)
            if not mark or mark[0] == "#":
                continue
            if mark == "==":
                topic, question, stack = f"{path.stem}: {rest}", None, []
            elif mark == "?":
                topic, question, stack = f"question: {rest}", self.questions.setdefault(rest, Question()), []
            elif mark == ":" and question:
                question.asks.append(rest)
            elif mark == "!":
                stack = [Node(topic, garbled=True)]
                self.nodes.append(stack[0])
            elif set(mark) == {">"} and depth <= len(stack) + 1:
                if len(stack) < depth or stack[depth - 1].replies:
                    node = Node(topic)
                    top = question.after if question else self.nodes
                    (stack[depth - 2].after if depth > 1 else top).append(node)
                    stack = [*stack[: depth - 1], node]
                stack[depth - 1].users += alternatives(rest)
            elif set(mark) == {"<"} and depth <= len(stack):
                stack[depth - 1].replies.append(rest)
            else:
                raise LinesError(f"{path}:{number}: cannot read {row!r}")

    def walk(self) -> list[Node]:
        """Every node, follow-ups and answers to questions included."""
        found, todo = list[Node](), [*self.nodes, *(n for q in self.questions.values() for n in q.after)]
        while todo:
            found.append(todo.pop())
            todo += found[-1].after
        return found

    def _check(self) -> None:
        for node in self.walk():
            if not node.replies or not (node.users or node.garbled):
                raise LinesError(f"{node.topic}: a line without a reply, or a reply without a line: {node.users[:1]}")
            for text in node.users + node.replies:
                for name, _, _ in SLOT.findall(text):
                    if name not in self.slots and name.lower() not in self.slots:
                        raise LinesError(f"{node.topic}: no filler [{name}] in slots.txt: {text!r}")
            for reply in node.replies:
                asked = re.search(r"\?(\w+)$", reply)
                if asked and asked[1] not in self.questions:
                    raise LinesError(f"{node.topic}: no question ?{asked[1]}: {reply!r}")
            node.user_weights = [1 + math.log(self.variants(text)) for text in node.users]
            node.weight = 1 + math.log(sum(self.variants(text) for text in node.users) or 1)

    def variants(self, text: str) -> int:
        """How many different lines `text` stands for (counting fillers of fillers once)."""
        count = 1
        while found := INNER.search(text):
            best = sum(self.variants(part) for part in found[1].split("|"))
            text, count = text[: found.start()] + text[found.end() :], count * best
        for name, _, _ in SLOT.findall(text):
            count *= len(self.slots[name.lower()])
        return count

    def expand(self, text: str, rng: random.Random, bound: dict[str, str]) -> str:
        """One line that `text` stands for. Fillers it draws are added to `bound`; those bound already are used."""
        while found := INNER.search(text):
            text = text[: found.start()] + rng.choice(found[1].split("|")) + text[found.end() :]
        for _ in range(4):  # fillers may hold fillers
            text = SLOT.sub(lambda found: self._fill(found, rng, bound), text)
        return articles(" ".join(text.split()))

    def _fill(self, found: re.Match[str], rng: random.Random, bound: dict[str, str]) -> str:
        name, key = found[1].lower(), found[1].lower() + found[2]
        if key not in bound:
            others = [word for word in self.slots[name] if word not in (bound.get(name), bound.get(name + "2"))]
            bound[key] = rng.choice(others)
            while inner := INNER.search(bound[key]):
                bound[key] = bound[key].replace(inner[0], rng.choice(inner[1].split("|")))
            bound[key] = SLOT.sub(lambda deep: self._fill(deep, rng, bound), bound[key])
        word = plural(bound[key]) if found[3] else bound[key]
        return word[0].upper() + word[1:] if found[1][0].isupper() else word
