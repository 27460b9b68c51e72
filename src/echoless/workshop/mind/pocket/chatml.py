"""How a teacher with ChatML's two marks (SmolLM2 and its like) reads a dialogue, and what it is told beside it.

The system turn says what the conversation is `about`: a word of the user's first line, in half of the dialogues that
the teacher learns from. So it can be asked for talk about any word that it knows, where the lines have few. Talk
between people is marked by another system turn, so that its habits stay there.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

from tokenizers import Tokenizer

from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.pocket.dialogue import Dialogue

BEGIN, END = "<|im_start|>", "<|im_end|>"
PEOPLE = "two people"
OFTEN = 150
"""So many of the most frequent words say nothing of what is talked about."""


def marks(vocab: Tokenizer) -> tuple[int, int]:
    """The ids of ChatML's marks. Raises MindError where the teacher has none."""
    begin, end = vocab.token_to_id(BEGIN), vocab.token_to_id(END)
    if begin is None or end is None:
        raise MindError(
            f"this teacher has no {BEGIN} and {END}: take one that chats in ChatML, as SmolLM2-Instruct does"
        )
    return begin, end


@cache
def opened(vocab: Tokenizer, role: str) -> tuple[int, ...]:
    """What stands before a turn of `role`."""
    return (marks(vocab)[0], *vocab.encode(f"{role}\n", add_special_tokens=False).ids)


@cache
def closed(vocab: Tokenizer) -> tuple[int, ...]:
    """What stands after a turn."""
    return (marks(vocab)[1], *vocab.encode("\n", add_special_tokens=False).ids)


def encode(
    vocab: Tokenizer, dialogue: Dialogue, user_weight: float, rng: random.Random | None = None
) -> tuple[list[int], list[float]]:
    """As vocab.encode. The line break after a turn is not learnt."""
    ids: list[int] = []
    weights: list[float] = []
    turns = (("system", PEOPLE), *dialogue.turns) if dialogue.corpus else dialogue.turns
    for number, (role, text) in enumerate(turns):
        before, after = opened(vocab, role), closed(vocab)
        said = vocab.encode(text, add_special_tokens=False).ids
        weight = {"system": 0.0, "user": user_weight}.get(role, 0.0 if number in dialogue.muted else 1.0)
        ids += [*before, *said, *after]
        weights += [0.0] * len(before) + [weight] * (len(said) + 1) + [0.0] * (len(after) - 1)
    return ids, weights


class Words:
    """The words of people's talk, counted. `frequent` are those that say nothing; `rest` what talk can be about, with
    weights that let rare ones have their turn."""

    def __init__(self, texts: Iterable[str]) -> None:
        counts = Counter(word for text in texts for word in re.findall(r"\b[a-z]+(?:'[a-z]+)?\b", text))
        self.frequent = {word for word, _ in counts.most_common(OFTEN)}
        self.rest = [w for w, count in counts.items() if count > 3 and len(w) > 2 and w not in self.frequent]
        self.weights = [counts[word] ** 0.5 for word in self.rest]

    def draw(self, rng: random.Random, count: int) -> list[str]:
        """Words to talk about."""
        return rng.choices(self.rest, self.weights, k=count)

    def of(self, text: str, rng: random.Random) -> str:
        """A word of `text` that says what it is about, or an empty string."""
        found = [word for word in re.findall(r"[a-z']{3,}", text.lower()) if word not in self.frequent]
        return rng.choice(found) if found else ""


class About:
    """Dialogues of another source without system line or greeting; half of them with what they are about."""

    def __init__(self, talks: Any, words: Words, language: str) -> None:
        self.talks, self.words, self.language = talks, words, language

    def sample(self, rng: random.Random, most_turns: int, copying: float = 1.0) -> Dialogue:
        """One dialogue that begins with the user, or with a system turn and the user."""
        while (dialogue := self.talks.sample(rng, most_turns, copying)).turns[0][0] != "user":
            pass
        word = self.words.of(dialogue.turns[0][1], rng) if rng.random() < 0.5 else ""
        if not word:
            return dialogue
        turns = (("system", f"about {word}"), *dialogue.turns)
        return Dialogue(turns, muted=frozenset(number + 1 for number in dialogue.muted))
