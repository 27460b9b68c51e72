"""Whole conversations out of the hand-written lines: chained, cut off, misheard, written as a recogniser writes."""

from __future__ import annotations

import random
import re
from functools import cache
from itertools import accumulate
from pathlib import Path

from echoless.workshop.mind.pocket.dialogue import Dialogue
from echoless.workshop.mind.pocket.lines import SLOT, Lines, Node
from echoless.workshop.mind.pocket.nearness import Nearness, read_openings

ASKS = re.compile(r"\?(\w+)$")
GREETINGS = ("meeting: greetings", "meeting: how are you")
KEPT = ("myname",)
"""Fillers that are remembered to the end of a conversation."""


@cache
def fillers(text: str) -> frozenset[str]:
    """The names of the fillers in `text`."""
    return frozenset(name.lower() for name, _, _ in SLOT.findall(text)) if "[" in text else frozenset()


class OwnTalks:
    """Draws dialogues from the lines in `folder`; a user's line near one of `openings` is never drawn."""

    def __init__(self, folder: Path, openings: Path | None = None, hold_out: int = 0) -> None:
        self.lines = Lines(folder, hold_out)
        self.tongue = self.lines.tongue
        self.near = Nearness(read_openings(openings or folder.parents[1] / "openings" / f"{folder.name}.txt"))
        self.weights = list(accumulate(node.weight for node in self.lines.nodes))
        nodes = self.lines.walk()
        self.mentioned = {id(node): frozenset(KEPT).union(*map(fillers, node.users)) for node in nodes}
        self.user_weights = {id(node): list(accumulate(node.user_weights)) for node in nodes}
        self.greetings = [node for node in self.lines.nodes if node.topic in GREETINGS]
        self.plain_users = [
            text for node in self.lines.nodes for text in node.users if "{" not in text and "[" not in text
        ]

    def sample(self, rng: random.Random, most_turns: int, copying: float = 1.0) -> Dialogue:
        """One dialogue of at most about `most_turns` turns, ending with the agent's. With two there is no system line
        either: the plainest thing to learn listening from. `copying` is how often a reply may take up the user's own
        word where there is one that does not: a model too small to copy puts in a wrong word."""
        turns, name = self._begin(rng, most_turns)
        muted: set[int] = set()
        count = min(1 + int(rng.expovariate(0.45)), max(1, most_turns // 2))
        if most_turns > 20:  # to get used to a long history: any length alike
            count = rng.randint(1, most_turns // 2)
        after: list[Node] = []
        context: dict[str, str] = {}
        kept: dict[str, str] = {}
        for exchange in range(count):
            follows = bool(after) and rng.random() < 0.75
            pool = after if follows else self.greetings or None if exchange == 0 and rng.random() < 0.12 else None
            node = self._choose(rng, pool)
            user, bound = self._user(rng, node, kept | (context if follows else {}))
            said, after = self._ask(rng, self._reply(rng, node, bound, copying))
            said = self.tongue.named.sub(rf"\1{self.tongue.space}{name}", self.lines.expand(said, rng, bound))
            after, context = [*node.after, *after], bound
            kept |= {name: bound[name] for name in KEPT if name in bound}
            if not follows and rng.random() < 0.05:
                user = rng.choice(self.tongue.prefaces) + self.tongue.space + user
            turns.append(("user", user))
            if rng.random() < 0.04 and exchange < count - 1:
                said, after = self.tongue.cut_off(said, rng), []
                muted.add(len(turns))
            turns.append(("assistant", said))
        return Dialogue(tuple(turns), muted=frozenset(muted))

    def _begin(self, rng: random.Random, most_turns: int) -> tuple[list[tuple[str, str]], str]:
        """The turns before the user's first one, a system line or a greeting as a rule not, and the agent's name."""
        turns: list[tuple[str, str]] = []
        name = "Echoless"
        if most_turns > 2 and rng.random() < 0.4:
            bound: dict[str, str] = {}
            system = self.lines.systems[0] if rng.random() < 0.5 else rng.choice(self.lines.systems)
            turns.append(("system", self.lines.expand(system, rng, bound)))
            name = bound.get("agentname", name)
        if most_turns > 2 and rng.random() < 0.12:  # the agent has greeted first
            turns.append(("assistant", self._ask(rng, rng.choice(self.tongue.greetings))[0]))
        return turns, name

    def _choose(self, rng: random.Random, pool: list[Node] | None) -> Node:
        if pool is None:
            return rng.choices(self.lines.nodes, cum_weights=self.weights)[0]
        return rng.choices(pool, [node.weight for node in pool])[0]

    def _user(self, rng: random.Random, node: Node, context: dict[str, str]) -> tuple[str, dict[str, str]]:
        """A line of the node as it is heard, near no opening, and what its fillers are bound to (its own over
        `context`'s)."""
        weights = self.user_weights[id(node)]
        for _ in range(200):
            own: dict[str, str] = {}
            if node.garbled:
                text = self._garble(rng)
            else:
                text = self.lines.expand(rng.choices(node.users, cum_weights=weights)[0], rng, own)
                if rng.random() < 0.25:
                    other = self.tongue.swap(text, self.lines.same, rng)
                    text = other if all(value in other for value in own.values() if value in text) else text
                text = self.tongue.as_written(text, rng, own.values())
            if not self.near(text):
                return text, context | own
        raise ValueError(f"every line of {node.topic!r} is near an opening: {node.users[:2]}")

    def _reply(self, rng: random.Random, node: Node, bound: dict[str, str], copying: float) -> str:
        """A reply whose fillers the user's line has bound, or that no user's line of the node mentions."""
        mentioned = self.mentioned[id(node)]
        fit = [reply for reply in node.replies if not (fillers(reply) & mentioned) - bound.keys()]
        if remembered := [reply for reply in fit if fillers(reply).intersection(KEPT) and not reply.endswith("?talk")]:
            fit = remembered if rng.random() < 0.9 else fit
        if rng.random() >= copying:
            fit = [reply for reply in fit if not fillers(reply) & bound.keys()] or fit
        return rng.choice(fit or [reply for reply in node.replies if "[" not in reply] or node.replies)

    def _ask(self, rng: random.Random, reply: str) -> tuple[str, list[Node]]:
        """Put a question in place of a final `?name`; the nodes of its answers come with it."""
        asked = ASKS.search(reply)
        if not asked:
            return reply, []
        question = self.lines.questions[asked[1]]
        return (reply[: asked.start()] + rng.choice(question.asks)).strip(), question.after

    def _garble(self, rng: random.Random) -> str:
        """Words that make no sense together, as a recogniser makes of noise."""
        words = [word for text in rng.choices(self.plain_users, k=4) for word in self.tongue.pieces(text)]
        for _ in range(2):
            words += self.tongue.pieces(rng.choice(self.lines.slots[rng.choice(self.tongue.jumble)]))
        rng.shuffle(words)
        ends = ("", "", "", ".", "?") if self.tongue.space else ("", "", "", "。", "？")
        return self.tongue.space.join(words[: rng.randint(4, 9)]) + rng.choice(ends)


class Switching:
    """Conversations that go from one language to another and back; with one language, that language's."""

    def __init__(self, *talks: OwnTalks) -> None:
        self.talks = talks

    def sample(self, rng: random.Random, most_turns: int, copying: float = 1.0) -> Dialogue:
        """A dialogue of each language, in any order, one after the other; the first one's system line holds."""
        parts = [
            talk.sample(rng, most_turns if len(self.talks) == 1 else most_turns // 2, copying) for talk in self.talks
        ]
        rng.shuffle(parts)
        turns, muted = list(parts[0].turns), set(parts[0].muted)
        for part in parts[1:]:
            said = [(number, turn) for number, turn in enumerate(part.turns) if turn[0] != "system"]
            said = said[1:] if said[0][1][0] == "assistant" else said
            muted |= {len(turns) + place for place, (number, _) in enumerate(said) if number in part.muted}
            turns += [turn for _, turn in said]
        return Dialogue(tuple(turns), muted=frozenset(muted))
