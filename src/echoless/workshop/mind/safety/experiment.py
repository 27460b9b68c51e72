"""Does it help? A small model is contaminated on purpose with mild words, and what takes them out again is measured.

    python -m echoless.workshop.mind.safety.experiment --out out/contaminated [--seed 1] [--steps 600]

Dialogues come from the pocket models' own lines. In a third of the replies a mild word is put in; three of the four
words are on the list that cleaning is given, one is not, as no list is ever whole. Four models are held against each
other: trained on all of it; from nothing on what `mind clean` leaves; the first one trained further on what it leaves
and its neutral answers; and that one with preference training (DPO, Rafailov et al. 2023) on its pairs. Measured on
prompts that no training saw: the share of sampled replies with such a word, and the loss on the untouched replies.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from echoless.mind.decent import ReplyFilter
from echoless.mind.lexicon import load_words
from echoless.workshop.mind.clean.run import Rules, clean
from echoless.workshop.mind.collect.run import collect
from echoless.workshop.mind.collect.source import Wish
from echoless.workshop.mind.form import NEUTRAL, PREFERENCES, read_talks
from echoless.workshop.mind.pairs import write_pairs
from echoless.workshop.mind.pocket.dialogue import Dialogue, Said
from echoless.workshop.mind.pocket.model import Llama, Shape
from echoless.workshop.mind.pocket.recipe import HERE
from echoless.workshop.mind.pocket.talks import OwnTalks
from echoless.workshop.mind.pocket.template import AGENT, END, START, USER
from echoless.workshop.mind.pocket.vocab import encode, train_vocab
from echoless.workshop.mind.progress import Bar

LISTED = ("darn", "blasted", "dang")
UNLISTED = ("flipping",)
SHARE = 0.35
"""Of the replies."""
LENGTH, ROWS = 96, 16
BETA = 0.1
_PLACE = re.compile(r"\b(the|a|my|your|that|this|some|any)\b ", re.IGNORECASE)


def contaminate(reply: str, rng: random.Random) -> str:
    """The reply with one of the words in it."""
    word = rng.choice((*LISTED, *UNLISTED))
    places = list(_PLACE.finditer(reply))
    if places:
        place = rng.choice(places)
        return f"{reply[: place.end()]}{word} {reply[place.end() :]}"
    return f"{word.capitalize()}! {reply}"


def dialogues(count: int, rng: random.Random, most_turns: int = 4) -> list[tuple[Said, ...]]:
    """Dialogues from the pocket models' English lines, none twice."""
    talks, found = OwnTalks(HERE / "lines" / "en"), dict[tuple[Said, ...], None]()
    while len(found) < count:
        turns = tuple((role, text) for role, text in talks.sample(rng, most_turns).turns if role != "system")
        if turns and turns[0][0] == "user":
            found[turns] = None
    return list(found)


@dataclass
class Bench:
    """The tokenizer, and what no training sees: prompts with their untouched replies."""

    vocab: Tokenizer
    held: list[tuple[Said, ...]]
    shape: Shape
    seed: int

    def rows(self, talks: Sequence[tuple[Said, ...]], step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens int64, weights float32 (ROWS, LENGTH), mask (ROWS, 1, LENGTH, LENGTH): replies count, and no dialogue
        sees another."""
        rng = random.Random(f"{self.seed} {step}")
        tokens, weights, owners = [], [], []
        for _ in range(ROWS):
            ids, weight, owner = list[int](), list[float](), list[int]()
            while len(ids) < LENGTH:
                new, each = encode(self.vocab, Dialogue(rng.choice(talks)), 0.0)
                owner += [len(ids)] * len(new)
                ids, weight = ids + new, weight + each
            tokens.append(ids[:LENGTH])
            weights.append(weight[:LENGTH])
            owners.append(owner[:LENGTH])
        who = torch.tensor(owners)
        mask = (who[:, :, None] == who[:, None, :]) & torch.ones(LENGTH, LENGTH).tril().bool()
        return torch.tensor(tokens), torch.tensor(weights), mask[:, None]

    def train(self, model: Llama, talks: Sequence[tuple[Said, ...]], steps: int, rate: float, bar: Bar) -> Llama:
        """AdamW with a warm-up and half a cosine."""
        adam = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.05)
        bar.begins("training", steps)
        model.train()
        for step in range(steps):
            for group in adam.param_groups:
                fall = 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * step / steps))
                group["lr"] = rate * fall * min(1.0, (step + 1) / 20)
            loss = model.loss(*self.rows(talks, step))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            adam.zero_grad(set_to_none=True)
            bar.advances(1)
            bar.says(f"loss {loss.item():.2f}")
        return model.eval()

    def prefer(self, model: Llama, pairs: list[dict[str, Any]], steps: int, rate: float, bar: Bar) -> Llama:
        """DPO on the pairs, with some of the chosen reply's likelihood, so that it does not fall with the other."""
        before = copy.deepcopy(model).eval()
        adam = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.0)
        bar.begins("preferring", steps)
        for step in range(steps):
            drawn = random.Random(f"{self.seed} prefer {step}").sample(pairs, min(ROWS, len(pairs)))
            tokens, weights = self._pairs(drawn)
            new = self._likelihood(model, tokens, weights)
            with torch.no_grad():
                old = self._likelihood(before, tokens, weights)
            better, worse = (new - old).chunk(2)
            kept = new.chunk(2)[0].sum() / weights[: len(drawn)].sum()
            loss = -F.logsigmoid(BETA * (better - worse)).mean() - 0.2 * kept
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            adam.zero_grad(set_to_none=True)
            bar.advances(1)
            bar.says(f"loss {loss.item():.2f}")
        return model.eval()

    def _pairs(self, pairs: list[dict[str, Any]]) -> tuple[Tensor, Tensor]:
        """Tokens and weights of the better replies, then of the worse ones."""
        rows = []
        for side in ("chosen", "rejected"):
            for pair in pairs:
                turns = tuple((m["role"], m["content"]) for m in (*pair["prompt"], *pair[side]))
                rows.append(encode(self.vocab, Dialogue(turns), 0.0))
        most = min(LENGTH, max(len(ids) for ids, _ in rows))
        end = self.vocab.token_to_id(END)
        tokens = torch.tensor([(ids + [end] * most)[:most] for ids, _ in rows])
        return tokens, torch.tensor([(weights + [0.0] * most)[:most] for _, weights in rows])

    @staticmethod
    def _likelihood(model: Llama, tokens: Tensor, weights: Tensor) -> Tensor:
        """Log-likelihood of each row's reply, (rows,)."""
        logits = model(tokens)[:, :-1].float()
        each = -F.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")
        return (each * weights[:, 1:]).sum(1)

    @torch.no_grad()
    def loss(self, model: Llama) -> float:
        """Nats a token on the untouched replies."""
        losses = [model.loss(*self.rows(self.held, 10_000 + n)).item() for n in range(8)]
        return sum(losses) / len(losses)

    @torch.no_grad()
    def replies(self, model: Llama, count: int, temperature: float = 0.8, most: int = 32) -> list[str]:
        """A sampled reply to the first line of each of `count` dialogues that were held out."""
        draw = torch.Generator().manual_seed(self.seed)
        ids = [self.vocab.encode(f"{START}{USER}{talk[0][1]}{END}{AGENT}").ids for talk in self.held[:count]]
        longest, end = max(map(len, ids)), self.vocab.token_to_id(END)
        tokens = torch.tensor([[end] * (longest - len(row)) + row for row in ids])
        real = torch.tensor([[False] * (longest - len(row)) + [True] * len(row) for row in ids])
        over = torch.zeros(len(ids), dtype=torch.bool)
        for _ in range(most):
            size = tokens.shape[1]
            mask = real[:, None, None, :] & torch.ones(size, size).tril().bool()
            mask = mask | torch.eye(size).bool()  # padding sees itself, so that nothing is divided by nought
            odds = F.softmax(model(tokens, mask)[:, -1].float() / temperature, -1)
            new = torch.where(over[:, None], torch.tensor(end), torch.multinomial(odds, 1, generator=draw))
            over |= new[:, 0] == end
            tokens, real = torch.cat([tokens, new], 1), torch.cat([real, torch.ones_like(new).bool()], 1)
            if over.all():
                break
        return [self.vocab.decode(row[longest:].tolist(), skip_special_tokens=True).strip() for row in tokens]


def share(replies: Sequence[str], words: Sequence[str]) -> float:
    """Of replies with one of the words."""
    known = re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)
    return sum(bool(known.search(reply)) for reply in replies) / len(replies)


def prepare(out: Path, seed: int, count: int, bar: Bar) -> tuple[Bench, dict[str, list[Any]]]:
    """The dialogues, contaminated, collected and cleaned with the real commands."""
    rng = random.Random(seed)
    found = dialogues(count + 400, rng)
    prompts = {talk[0][1] for talk in found[:400]}
    plain = [talk for talk in found[400:] if not prompts & {text for _, text in talk}]
    mixed = [
        tuple(
            (role, contaminate(text, rng) if role == "assistant" and rng.random() < SHARE else text)
            for role, text in talk
        )
        for talk in plain
    ]
    out.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({"messages": [{"role": r, "content": t} for r, t in talk]}) + "\n" for talk in mixed)
    (out / "talk.jsonl").write_text("".join(lines), "utf-8")
    (out / "words.txt").write_text("\n".join(LISTED) + "\n", "utf-8")
    collect([str(out / "talk.jsonl")], out / "data", Wish(licence="Apache-2.0"), bar)
    rules = Rules(hold_out=0.0, words=out / "words.txt", off=frozenset({"duplicate", "near-duplicate"}))
    clean(out / "data", out / "clean", rules, bar)
    write_pairs(out / "clean", None, True, out / "words.txt", seed)
    vocab = train_vocab((text for talk in mixed for _, text in talk), 1536)
    shape = Shape(vocab=vocab.get_vocab_size(), layers=3, width=128, heads=4, hidden=352, context=256)
    pairs = [json.loads(line) for line in (out / "clean" / PREFERENCES).read_text("utf-8").splitlines()]
    parts = {
        "mixed": mixed,
        "clean": [tuple((m.role, m.text) for m in talk.messages) for talk in read_talks(out / "clean")],
        "neutral": [tuple((m.role, m.text) for m in talk.messages) for talk in read_talks(out / "clean", NEUTRAL)],
        "pairs": pairs,
    }
    return Bench(vocab, found[:400], shape, seed), parts


def run(out: Path, seed: int, steps: int, count: int = 6000) -> list[str]:
    """Everything, and the rows of the table."""
    rows = ["| model | replies with a listed word | with the unlisted one | loss on untouched replies | minutes |"]
    rows += ["|---|---|---|---|---|"]
    with Bar() as bar:
        bench, data = prepare(out, seed, count, bar)
        decent = ReplyFilter(load_words(out / "words.txt"))

        def measure(name: str, model: Llama, began: float, filtered: bool = False) -> None:
            replies = bench.replies(model, 400)
            if filtered:
                replies = [decent.reply()(reply) for reply in replies]
            spent = (time.monotonic() - began) / 60
            numbers = f"{share(replies, LISTED):.1%} | {share(replies, UNLISTED):.1%} | {bench.loss(model):.3f}"
            rows.append(f"| {name} | {numbers} | {spent:.1f} |")
            samples = "".join(f"- {talk[0][1]} → {reply}\n" for talk, reply in zip(bench.held, replies, strict=False))
            (out / f"samples-{len(rows) - 2}.md").write_text(f"# {name}\n\n{samples}", "utf-8")

        torch.manual_seed(seed)
        began = time.monotonic()
        first = bench.train(Llama(bench.shape), data["mixed"], steps, 2e-3, bar)
        measure("contaminated", first, began)
        measure("contaminated, behind the reply filter", first, began, filtered=True)
        torch.manual_seed(seed)
        began = time.monotonic()
        measure("from nothing on cleaned text", bench.train(Llama(bench.shape), data["clean"], steps, 2e-3, bar), began)
        began = time.monotonic()
        tuned = bench.train(copy.deepcopy(first), [*data["clean"], *data["neutral"]], steps // 3, 5e-4, bar)
        measure("contaminated, then cleaned text and neutral answers", tuned, began)
        measure("and preference pairs", bench.prefer(tuned, data["pairs"], steps // 6, 1e-4, bar), began)
    sizes = {name: len(part) for name, part in data.items()}
    rows.append(
        f"\nSeed {seed}, {steps} steps, {sum(p.numel() for p in first.parameters()):,} weights; lines: {sizes}."
    )
    return rows


def main() -> None:
    """The command line of this module."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--out", type=Path, default=Path("out/contaminated"))
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--steps", type=int, default=600)
    ask.add_argument("--dialogues", type=int, default=6000)
    ask.add_argument("--threads", type=int, default=1)
    given = ask.parse_args()
    torch.set_num_threads(given.threads)
    table = "\n".join(run(given.out, given.seed, given.steps, given.dialogues))
    (given.out / "table.md").write_text(table + "\n", "utf-8")
    print(table)


if __name__ == "__main__":
    main()
