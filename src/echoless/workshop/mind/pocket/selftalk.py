"""A teacher holds dialogues with itself: how they begin, and what of them is kept."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from rich.progress import BarColumn, Progress, TextColumn
from tokenizers import Tokenizer

from echoless.workshop.mind.pocket.chatml import Words, closed, marks, opened
from echoless.workshop.mind.pocket.decode import Decoder, Manner, Marks, Script, Talks
from echoless.workshop.mind.pocket.model import Llama
from echoless.workshop.mind.pocket.sieve import Sieve
from echoless.workshop.mind.pocket.tongue import Tongue

LENGTH = 160
"""Tokens of a dialogue at most, marks among them."""
ROUND = 16
"""Steps between two looks at what is done: a look waits for the device."""
EXCHANGES = {1: 0.4, 2: 0.3, 3: 0.2, 4: 0.1}
WAYS = {"about": 0.6, "free": 0.2, "heard": 0.2}
"""How dialogues begin: the user says something about a given word; anything; what a person said in a corpus."""
UNLIKELY, UNSURE = 0.1, 0.25
"""The shares of dialogues that go: those whose opening, and those whose replies the teacher finds the least likely."""

Turn = tuple[str, float]
"""A turn's text and its mean log probability a token, nats."""


class Openings:
    """The beginnings of dialogues. `heard` are texts from a corpus, of which turns of 3 to 12 words are used."""

    def __init__(self, vocab: Tokenizer, words: Words, heard: Iterable[str], tongue: Tongue, seed: int) -> None:
        self.vocab, self.words, self.tongue = vocab, words, tongue
        self.heard = [text for text in heard if 3 <= len(text.split()) <= 12]
        self.rng = random.Random(seed)

    def draw(self, count: int) -> list[Script]:
        """`count` beginnings."""
        rng = self.rng
        ways = rng.choices(list(WAYS), list(WAYS.values()), k=count)
        exchanges = rng.choices(list(EXCHANGES), list(EXCHANGES.values()), k=count)
        return [self._script(way, 2 * turns) for way, turns in zip(ways, exchanges, strict=True)]

    def _script(self, way: str, turns: int) -> Script:
        end = closed(self.vocab)[0]
        if way == "about" and self.words.rest:
            told = self.vocab.encode(f"about {self.words.draw(self.rng, 1)[0]}", add_special_tokens=False).ids
            return Script((*opened(self.vocab, "system"), *told, end), turns + 1, told=True)
        before = opened(self.vocab, "user")
        if way == "heard" and self.heard:
            text = self.tongue.as_written(self.rng.choice(self.heard), self.rng)
            said = self.vocab.encode(text, add_special_tokens=False).ids
            if len(said) < LENGTH // 4:
                return Script((*before, *said, end), turns)
        return Script(before, turns)


def read_turns(vocab: Tokenizer, ids: np.ndarray, sure: np.ndarray) -> list[Turn]:
    """The whole turns of a dialogue's `ids`, each with its mean `sure`, without a system turn."""
    begin, end = marks(vocab)
    users = opened(vocab, "user")
    found: list[tuple[list[int], float]] = []
    start = 0
    for stop in np.flatnonzero(ids == end):
        at = start + int(np.flatnonzero(ids[start:stop] == begin)[-1])
        role = tuple(ids[at : at + len(users)].tolist())
        if found or role == users:
            text = slice(at + len(opened(vocab, "assistant" if len(found) % 2 else "user")), stop)
            found.append((ids[text].tolist(), float(sure[text.start : stop + 1].mean())))
        start = int(stop) + 1
    texts = vocab.decode_batch([said for said, _ in found])
    return [(text.strip(), mean) for text, (_, mean) in zip(texts, found, strict=True)]


class Harvest:
    """The dialogues that went through the sieve: turns, the opening's likelihood, the least sure reply's."""

    def __init__(self, vocab: Tokenizer, sieve: Sieve) -> None:
        self.vocab, self.sieve = vocab, sieve
        self.kept: list[tuple[tuple[str, ...], float, float]] = []
        self.held = 0

    def adds(self, rows: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
        """Look at finished dialogues: ids and log probabilities of each."""
        for ids, sure in rows:
            self.held += 1
            turns = read_turns(self.vocab, ids, sure)
            if kept := self.sieve([text for text, _ in turns]):
                self.kept.append((kept, turns[0][1], min(mean for _, mean in turns[1 : len(kept) : 2])))

    def best(self) -> list[tuple[tuple[str, ...], float]]:
        """The dialogues without those that begin or answer least likely, and how sure their replies are."""
        if not self.kept:
            return []
        likely = float(np.quantile([opening for _, opening, _ in self.kept], UNLIKELY))
        certain = float(np.quantile([sure for _, _, sure in self.kept], UNSURE))
        return [(turns, sure) for turns, opening, sure in self.kept if opening >= likely and sure >= certain]


def taken(talks: Talks, rows: torch.Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    """Ids and log probabilities of the conversations in `rows`, on the CPU."""
    parts = (part[rows].cpu().numpy() for part in (talks.text, talks.sure, talks.place))
    return [(text[: last + 1], sure[: last + 1]) for text, sure, last in zip(*parts, strict=True)]


def hold(
    model: Llama, vocab: Tokenizer, openings: Openings, harvest: Harvest, rows: int, seconds: float, wanted: int,
    manner: Manner | None = None,
) -> None:  # fmt: skip
    """Let `model` talk with itself, `rows` dialogues at a time, until `harvest` keeps `wanted` or for `seconds`."""
    device = model.token_embd.weight.device
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    between = closed(vocab)[1:]
    after = Marks(closed(vocab)[0], (*between, *opened(vocab, "user")), (*between, *opened(vocab, "assistant")))
    talks = Talks(Decoder(model, rows, LENGTH, kind), rows, after, manner or Manner())
    talks.begin(talks.decoder.all, openings.draw(rows))
    pending: Sequence[tuple[np.ndarray, np.ndarray]] = []
    began, shown, steps = time.monotonic(), 0.0, 0
    with Progress(TextColumn("talk"), BarColumn(), TextColumn("{task.fields[note]}")) as progress:
        bar = progress.add_task("talk", total=wanted, note="")
        while len(harvest.kept) < wanted and (spent := time.monotonic() - began) < seconds:
            for _ in range(ROUND):
                talks.step()
            steps += ROUND
            harvest.adds(pending)  # while the device still works on the steps
            done = talks.done.nonzero()[:, 0]
            pending = taken(talks, done) if len(done) else []
            if len(done):
                talks.begin(done, openings.draw(len(done)))
            note = f"{len(harvest.kept)} of {harvest.held} kept  {steps * rows / max(spent, 1e-3):,.0f} tokens/s"
            progress.update(bar, completed=min(len(harvest.kept), wanted), note=note)
            if not progress.console.is_terminal and spent - shown > 5:
                shown = spent
                print(f"talk {spent:.0f} s {note}", flush=True)
    harvest.adds(pending)
