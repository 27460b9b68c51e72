"""Whole conversations out of the hand-written lines: chained, cut off, misheard, written as a recogniser writes."""

from __future__ import annotations

import random
import re
from pathlib import Path

from echoless.workshop.mind.pocket.dialogue import Dialogue
from echoless.workshop.mind.pocket.lines import SLOT, Lines, Node
from echoless.workshop.mind.pocket.nearness import SHORT, Nearness, read_openings

FILLERS = (
    "um",
    "uh",
    "well",
    "so",
    "oh",
    "okay",
    "hey",
    "hm",
    "and",
    "actually",
    "you know",
    "please",
    "echoless",
    "now",
)
TAILS = ("please", "then", "now", "you know", "though", "today", "my friend", "or something", "I guess")
PREFACES = (
    "Hello.",
    "Hi.",
    "Hey there.",
    "Thanks.",
    "Okay.",
    "I see.",
    "Nice.",
    "Good.",
    "All right.",
    "Sorry.",
    "Yes.",
    "No.",
)
ASKING = frozenset(
    re.findall(
        r"[\w']+",
        "what what's who who's how how's where when why which whose is are am do does did can could will would should "
        "may have has shall was were any",
    )
)
DAYS = re.compile(r"\b(monday|tuesday|wednesday|thursday|friday|saturday|sunday|christmas|easter|english|god)\b")
NAMED = re.compile(r"\b(I'm|My name is|You can call me) Echoless\b")


def as_written(text: str, rng: random.Random) -> str:
    """A user's line as recognisers write it: capitals and stops, or small and bare; sometimes not quite clean."""
    words = text.split()
    if rng.random() < 0.15:
        words = " ".join(SHORT.get(word, word) for word in words).split()
    if len(words) > 3 and rng.random() < 0.04:
        del words[rng.randrange(len(words))]
    if rng.random() < 0.03:
        place = rng.randrange(len(words))
        words.insert(place, words[place])
    if rng.random() < 0.12:
        words.insert(0, rng.choice(FILLERS))
    if len(words) > 2 and rng.random() < 0.06:
        words.append(rng.choice(TAILS))
    text = " ".join(words)
    if rng.random() < 0.5:
        return re.sub(r"[^\w' -]", "", text.lower())
    asked = words[0].lower() in ASKING or (len(words) > 1 and words[1] in ASKING and words[0] in FILLERS)
    text = re.sub(r"\bi\b", "I", DAYS.sub(lambda day: day[0].capitalize(), text))
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?" else text + ("?" if asked else "!" if rng.random() < 0.08 else ".")


def cut_off(text: str, rng: random.Random) -> str:
    """What was heard of a reply that the user broke into: its first words."""
    words = text.split()
    return " ".join(words[: rng.randint(1, max(1, len(words) - 1))])


class OwnTalks:
    """Draws dialogues from the lines in `folder`; a user's line near one of `openings` is never drawn."""

    def __init__(self, folder: Path, openings: Path | None = None) -> None:
        self.lines = Lines(folder)
        self.near = Nearness(read_openings(openings or folder.parents[1] / "openings" / f"{folder.name}.txt"))
        self.weights = [node.weight for node in self.lines.nodes]
        self.greetings = [n for n in self.lines.nodes if n.topic in ("meeting: greetings", "meeting: how are you")]
        self.plain_users = [
            text for node in self.lines.nodes for text in node.users if "{" not in text and "[" not in text
        ]

    def sample(self, rng: random.Random, most_turns: int, copying: float = 1.0) -> Dialogue:
        """One dialogue of at most about `most_turns` turns, ending with the agent's. With two there is no system line
        either: the plainest thing to learn listening from. `copying` is how often a reply may take up the user's own
        word where there is one that does not: a model too small to copy puts in a wrong word."""
        turns: list[tuple[str, str]] = []
        muted: set[int] = set()
        name = "Echoless"
        if most_turns > 2 and rng.random() < 0.4:
            bound: dict[str, str] = {}
            system = self.lines.systems[0] if rng.random() < 0.5 else rng.choice(self.lines.systems)
            turns.append(("system", self.lines.expand(system, rng, bound)))
            name = bound.get("agentname", name)
        if most_turns > 2 and rng.random() < 0.12:  # the agent has greeted first
            turns.append(
                ("assistant", self._ask(rng, rng.choice(["Hello! ?talk", "Hi! I'm listening. ?day", "Hello!"]))[0])
            )
        count = min(1 + int(rng.expovariate(0.45)), max(1, most_turns // 2))
        if most_turns > 20:  # to get used to a long history: any length alike
            count = rng.randint(1, most_turns // 2)
        after: list[Node] = []
        context: dict[str, str] = {}
        for exchange in range(count):
            follows = bool(after) and rng.random() < 0.75
            pool = after if follows else self.greetings if exchange == 0 and rng.random() < 0.12 else None
            node = self._choose(rng, pool)
            user, bound = self._user(rng, node, context if follows else {})
            said, after = self._ask(rng, self._reply(rng, node, bound, copying))
            said = NAMED.sub(rf"\1 {name}", self.lines.expand(said, rng, bound))
            after, context = [*node.after, *after], bound
            if not follows and rng.random() < 0.05:
                user = f"{rng.choice(PREFACES)} {user}"
            turns.append(("user", user if node.garbled else as_written(user, rng)))
            if rng.random() < 0.04 and exchange < count - 1:
                said, after = cut_off(said, rng), []
                muted.add(len(turns))
            turns.append(("assistant", said))
        return Dialogue(tuple(turns), muted=frozenset(muted))

    def _choose(self, rng: random.Random, pool: list[Node] | None) -> Node:
        if pool is None:
            return rng.choices(self.lines.nodes, self.weights)[0]
        return rng.choices(pool, [node.weight for node in pool])[0]

    def _user(self, rng: random.Random, node: Node, context: dict[str, str]) -> tuple[str, dict[str, str]]:
        """A line of the node that is near no opening, and what its fillers are bound to (its own over `context`'s)."""
        for _ in range(200):
            own: dict[str, str] = {}
            if node.garbled:
                text = self._garble(rng)
            else:
                text = self.lines.expand(rng.choices(node.users, node.user_weights)[0], rng, own)
            if not self.near(text):
                return text, context | own
        raise ValueError(f"every line of {node.topic!r} is near an opening: {node.users[:2]}")

    def _reply(self, rng: random.Random, node: Node, bound: dict[str, str], copying: float) -> str:
        """A reply whose fillers the user's line has bound, or that no user's line of the node mentions."""
        mentioned = {name for text in node.users for name, _, _ in SLOT.findall(text)}
        fit = [
            reply
            for reply in node.replies
            if all(n.lower() in bound or n.lower() not in mentioned for n, _, _ in SLOT.findall(reply))
        ]
        if rng.random() >= copying:
            fit = [reply for reply in fit if not any(n.lower() in bound for n, _, _ in SLOT.findall(reply))] or fit
        return rng.choice(fit or [reply for reply in node.replies if "[" not in reply] or node.replies)

    def _ask(self, rng: random.Random, reply: str) -> tuple[str, list[Node]]:
        """Put a question in place of a final `?name`; the nodes of its answers come with it."""
        asked = re.search(r"\?(\w+)$", reply)
        if not asked:
            return reply, []
        question = self.lines.questions[asked[1]]
        return (reply[: asked.start()] + rng.choice(question.asks)).strip(), question.after

    def _garble(self, rng: random.Random) -> str:
        """Words that make no sense together, as a recogniser makes of noise."""
        words = " ".join(rng.choices(self.plain_users, k=4)).split()
        for _ in range(2):
            slot = rng.choice(["thing", "animal", "food", "place", "item", "topic", "hobby", "color"])
            words += rng.choice(self.lines.slots[slot]).split()
        rng.shuffle(words)
        return " ".join(words[: rng.randint(4, 9)]) + rng.choice(["", "", "", ".", "?"])
