"""The hand-written lines: their small grammar, read into trees and expanded.

A folder a language (`en`, `zh`): `slots.txt` holds the fillers, `systems.txt` system lines, `same.txt` words that mean
the same, the rest what is said.

    > a user's line | another way to say it       `>>` follows up on the `<` above it, and so on
    < a reply                                     several `<`: any of them
    ? day                                         a question the agent asks back, after replies ending in `?day`
    : How was your day?                           ways to ask it; the `>` below are what people answer
    ! garbled                                     the lines below it answer words that make no sense

`{a|b}` is one of several, `{a|}` may be left out, `[food]` is a filler from slots.txt (the same one in a line and its
answers), `[food2]` another one, `[Food]` capitalised, `[food]s` the plural. Fillers may go together: `land/capital:
France/Paris, Italy/Rome` binds `[capital]` with `[land]`. `[sum]` with `[result]` and `[hardsum]` come from
tongue.py. `@ask: do you like ~ | are you into ~` in slots.txt is a frame, used as
`> @ask(tea)`. `==` names a topic, `#` starts a remark.
"""

from __future__ import annotations

import math
import random
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from echoless.workshop.mind.pocket.tongue import TONGUES, hard_sums, sums

SLOT = re.compile(r"\[([A-Za-z_]+?)(2?)\](s?)")
FRAME = re.compile(r"@(\w+)\((.*)\)$")
WHOLE = re.compile(r"\{[^{}]*\}")
INNER = re.compile(r"\{([^{}]*)\}")


class LinesError(Exception):
    """A line file breaks the grammar. Says file and line."""


@dataclass(slots=True)
class Node:
    """What users say (`users`), what is answered (`replies`), and what may follow (`after`). `held` are ways to say it
    that training never sees."""

    topic: str
    users: list[str] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    after: list[Node] = field(default_factory=list)
    garbled: bool = False
    weight: float = 1.0
    user_weights: list[float] = field(default_factory=list)
    held: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Question:
    """A question the agent asks: ways to put it, and the answers people give."""

    asks: list[str] = field(default_factory=list)
    after: list[Node] = field(default_factory=list)


def alternatives(line: str) -> list[str]:
    """Split at bars that stand outside braces, and where braces hold the whole."""
    if WHOLE.fullmatch(line.strip()):
        line = line.strip()[1:-1]
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(line):
        depth += (sign == "{") - (sign == "}")
        if sign == "|" and depth == 0:
            parts.append(line[start:place])
            start = place + 1
    return [part.strip() for part in [*parts, line[start:]] if part.strip()]


def listed(text: str) -> list[str]:
    """The items of a list with commas, of either script."""
    return [item.strip() for item in re.split("[,、]", text) if item.strip()]


def read_rows(path: Path) -> list[str]:
    """The rows of a file that are neither empty nor remarks."""
    return [row for row in path.read_text("utf-8").splitlines() if row.strip() and row[0] != "#"]


class Lines:
    """All line files of a folder, parsed. Raises LinesError."""

    def __init__(self, folder: Path, hold_out: int = 0) -> None:
        self.tongue = TONGUES.get(folder.name, TONGUES["en"])
        self.slots: dict[str, list[str]] = {"hardsum": hard_sums(self.tongue)}
        self.together: dict[str, tuple[tuple[str, ...], list[tuple[str, ...]]]] = {}
        self._add_together(("sum", "result"), sums(self.tongue))
        self.frames: dict[str, list[str]] = {}
        for row in read_rows(folder / "slots.txt"):
            self._add_slot(*row.split(":", 1))
        self.systems = read_rows(folder / "systems.txt")
        self.same: dict[str, list[str]] = {}
        for row in read_rows(folder / "same.txt") if (folder / "same.txt").exists() else []:
            words = listed(row)
            self.same |= {word: [other for other in words if other != word] for word in words}
        self.nodes: list[Node] = []
        self.questions: dict[str, Question] = {}
        for path in sorted(folder.glob("*.txt")):
            if path.name not in ("slots.txt", "systems.txt", "same.txt"):
                self._read(path)
        self._check()
        for node in self.walk() if hold_out else []:
            self._hold_out(node, hold_out)

    def _hold_out(self, node: Node, every: int) -> None:
        """Keep about every `every`-th way to say something back, where there are many."""
        if len(node.users) >= 6:
            node.held = [text for text in node.users if zlib.crc32(text.encode()) % every == 0]
            kept = [pair for pair in zip(node.users, node.user_weights, strict=True) if pair[0] not in node.held]
            node.users, node.user_weights = [text for text, _ in kept], [weight for _, weight in kept]

    def _add_slot(self, names: str, words: str) -> None:
        if names[0] == "@":
            self.frames[names[1:]] = alternatives(words)
        elif "/" in names:
            rows = [tuple(part.strip() for part in row.split("/")) for row in listed(words)]
            self._add_together(tuple(name.strip() for name in names.split("/")), rows)
        else:
            self.slots.setdefault(names.strip(), []).extend(listed(words))

    def _add_together(self, names: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        if bad := [row for row in rows if len(row) != len(names)]:
            raise LinesError(f"{'/'.join(names)}: {bad[0]} has not {len(names)} parts")
        self.together |= {name: (names, list(rows)) for name in names}
        self.slots |= {name: [row[place] for row in rows] for place, name in enumerate(names)}

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
                stack[depth - 1].users += self._framed(alternatives(rest))
            elif set(mark) == {"<"} and depth <= len(stack):
                stack[depth - 1].replies.append(rest)
            else:
                raise LinesError(f"{path}:{number}: cannot read {row!r}")

    def _framed(self, texts: list[str]) -> list[str]:
        """The texts, with every `@ask(tea)` replaced by the lines of the frame @ask around `tea`."""
        found: list[str] = []
        for text in texts:
            frame = FRAME.match(text)
            if frame and frame[1] not in self.frames:
                raise LinesError(f"no frame @{frame[1]} in slots.txt: {text!r}")
            found += [each.replace("~", frame[2]) for each in self.frames[frame[1]]] if frame else [text]
        return found

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
            node.weight = 1 + math.log(sum(self.variants(text) for text in node.users) or 99)

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
        while "[" in text:  # fillers may hold fillers
            text = SLOT.sub(lambda found: self._fill(found, rng, bound), text)
        return self.tongue.finish(text)

    def _fill(self, found: re.Match[str], rng: random.Random, bound: dict[str, str]) -> str:
        name, key = found[1].lower(), found[1].lower() + found[2]
        if key not in bound and name in self.together:
            names, rows = self.together[name]
            taken = (bound.get(name), bound.get(name + "2"))
            row = rng.choice([row for row in rows if row[names.index(name)] not in taken])
            bound |= {each + found[2]: word for each, word in zip(names, row, strict=True)}
        elif key not in bound:
            others = [word for word in self.slots[name] if word not in (bound.get(name), bound.get(name + "2"))]
            bound[key] = rng.choice(others)
            while inner := INNER.search(bound[key]):
                bound[key] = bound[key].replace(inner[0], rng.choice(inner[1].split("|")))
            bound[key] = SLOT.sub(lambda deep: self._fill(deep, rng, bound), bound[key])
        word = self.tongue.plural(bound[key]) if found[3] else bound[key]
        return word[0].upper() + word[1:] if found[1][0].isupper() else word
