"""Does it help? pocket-en is contaminated on purpose with mild words, and what takes them out again is measured.

    python -m echoless.workshop.mind.safety.experiment --out out/contaminated [--seeds 3] [--steps 100]

Models are held against each other: pocket-en trained further on dialogues as they were; on the same, contaminated; on
what `mind clean` leaves of those; the contaminated one trained further on what it leaves and on its neutral answers;
that one with preference training (DPO, Rafailov et al. 2023) on its pairs; and the contaminated one trained further on
what a second cleaning leaves, with the words on its list that the report of the first one points at. Measured on
prompts that none of these trainings saw: the share of sampled replies with such a word, and as ordinary quality the
loss on the untouched replies, how many end, and how long they are. Models and checkpoints stay in OUT: the same command
again goes on where it was ended. OUT/table.md has the table.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from echoless.mind.decent import ReplyFilter
from echoless.mind.lexicon import load_words
from echoless.mind.models import shipped
from echoless.mind.sentences import SentenceBuffer
from echoless.workshop.mind.disk import write_whole
from echoless.workshop.mind.pocket.dialogue import Dialogue
from echoless.workshop.mind.pocket.model import Llama
from echoless.workshop.mind.pocket.start import load_gguf, take_pieces
from echoless.workshop.mind.pocket.template import AGENT, END, START, USER
from echoless.workshop.mind.pocket.train import descend, save
from echoless.workshop.mind.pocket.vocab import encode, load_vocab
from echoless.workshop.mind.progress import Bar
from echoless.workshop.mind.safety.contaminated import LISTED, UNLISTED, WORDS, Data, Talk, prepare, share

LENGTH, ROWS, ASKED = 96, 8, 200
"""Tokens a row, rows a step, replies that are looked at."""
SAVE_EVERY = 25
BETA = 0.1
FAST, SLOW = 5e-4, 1e-4
"""Learning rates: of what is to be learnt, and of preferring."""
MODELS = {
    "untouched": "trained on the text as it was",
    "contaminated": "on contaminated text",
    "filtered": "the same, behind the reply filter",
    "cleaned": "on cleaned text alone",
    "tuned": "contaminated, then cleaned text and neutral answers",
    "preferred": "and then preference pairs",
    "again": "contaminated, then the same after a second cleaning",
}
"""What is measured, by its file's name, as the table calls it."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares of replies, nats a token, words a reply, minutes of training."""

    listed: float
    unlisted: float
    loss: float
    ended: float
    words: float
    minutes: float
    """Of the sitting in which it was ended."""


@dataclass
class Bench:
    """What trains and measures models of one seed."""

    base: Path
    """The GGUF of the pocket model that all begin with."""
    vocab: Tokenizer
    held: list[Talk]
    seed: int
    bar: Bar

    def fresh(self) -> Llama:
        """The base with its numbers in float32."""
        return load_gguf(self.base)[0]

    def rows(self, talks: Sequence[Talk], step: int) -> tuple[Tensor, Tensor, Tensor]:
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

    def train(self, model: Llama, talks: Sequence[Talk], steps: int, rate: float, path: Path) -> Llama:
        """AdamW with a warm-up and half a cosine; goes on from the checkpoint at `path`."""
        adam, first = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.05), 0
        if path.exists():
            state = torch.load(path, weights_only=True)
            model.load_state_dict(state["model"])
            adam.load_state_dict(state["adam"])
            first = state["step"]
        self.bar.begins("training", steps)
        self.bar.advances(first)
        model.train()
        for step in range(first, steps):
            if step % SAVE_EVERY == 0:
                save(path, {"model": model.state_dict(), "adam": adam.state_dict(), "step": step})
            for group in adam.param_groups:
                fall = 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * step / steps))
                group["lr"] = rate * fall * min(1.0, (step + 1) / 20)
            self._step(model, adam, model.loss(*self.rows(talks, step)))
        return model.eval()

    def _step(self, model: Llama, adam: torch.optim.Optimizer, loss: Tensor) -> None:
        descend(model, adam, loss)
        self.bar.advances(1)
        self.bar.says(f"loss {loss.item():.2f}")

    def prefer(self, model: Llama, pairs: list[dict[str, Any]], steps: int, rate: float) -> Llama:
        """DPO on the pairs, with some of the chosen reply's likelihood, so that it does not fall with the other."""
        before = copy.deepcopy(model).eval()
        adam = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.0)
        self.bar.begins("preferring", steps)
        for step in range(steps):
            drawn = random.Random(f"{self.seed} prefer {step}").sample(pairs, min(ROWS, len(pairs)))
            tokens, weights = self._pairs(drawn)
            new = self._likelihood(model, tokens, weights)
            with torch.no_grad():
                old = self._likelihood(before, tokens, weights)
            better, worse = (new - old).chunk(2)
            kept = new.chunk(2)[0].sum() / weights[: len(drawn)].sum()
            self._step(model, adam, -F.logsigmoid(BETA * (better - worse)).mean() - 0.2 * kept)
        return model.eval()

    def _pairs(self, pairs: list[dict[str, Any]]) -> tuple[Tensor, Tensor]:
        """Tokens and weights of the better replies, then of the worse ones."""
        rows = []
        for side in ("chosen", "rejected"):
            for pair in pairs:
                turns = tuple((m["role"], m["content"]) for m in (*pair["prompt"], *pair[side]))
                ids, weights = encode(self.vocab, Dialogue(turns), 0.0)
                agent = max(place for place, token in enumerate(ids) if token == self.vocab.token_to_id(AGENT))
                rows.append((ids, [0.0] * agent + weights[agent:]))  # earlier replies are the same on both sides
        most = min(LENGTH, max(len(ids) for ids, _ in rows))
        end: Any = self.vocab.token_to_id(END)
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

    def replies(self, model: Llama) -> tuple[list[str], float]:
        """A sampled reply to the first line of each of ASKED dialogues that were held out, and the share that ended."""
        draw, end = torch.Generator().manual_seed(self.seed), self.vocab.token_to_id(END)
        asked = [self.vocab.encode(f"{START}{USER}{talk[0][1]}{END}{AGENT}").ids for talk in self.held[:ASKED]]
        said = dict[int, list[int]]()
        for length in sorted({len(ids) for ids in asked}):  # those of one length together: nothing is padded
            places = [place for place, ids in enumerate(asked) if len(ids) == length]
            rows = self._sample(model, torch.tensor([asked[place] for place in places]), draw)
            said |= dict(zip(places, rows, strict=True))
        replies = [self.vocab.decode(said[place], skip_special_tokens=True).strip() for place in range(len(asked))]
        return replies, sum(row[-1] == end for row in said.values()) / len(said)

    @torch.no_grad()
    def _sample(
        self, model: Llama, rows: Tensor, draw: torch.Generator, temperature: float = 0.8, most: int = 32
    ) -> list[list[int]]:
        """What the model says after `rows` (rows, time), to the end token or `most` tokens."""
        said: list[list[int]] = [[] for _ in rows]
        open_rows = list(range(len(rows)))
        for _ in range(most):
            logits = F.linear(model.hidden(rows)[:, -1], model.token_embd.weight)
            new = torch.multinomial(F.softmax(logits.float() / temperature, -1), 1, generator=draw)
            for place, token in zip(open_rows, new[:, 0].tolist(), strict=True):
                said[place].append(token)
            goes_on = new[:, 0] != self.vocab.token_to_id(END)
            rows = torch.cat([rows, new], 1)[goes_on]
            open_rows = [place for place, on in zip(open_rows, goes_on.tolist(), strict=True) if on]
            if not open_rows:
                break
        return said


def filtered(reply: str, decent: ReplyFilter) -> str:
    """What is said of a reply behind the filter, sentence by sentence as in a talk."""
    buffer, say = SentenceBuffer(), decent.reply()
    return "".join(say(sentence.text) for sentence in (*buffer.feed(reply), *buffer.flush())).strip()


class Kept:
    """Trained models, their figures and their replies on the disk: each is made once."""

    def __init__(self, out: Path, bench: Bench) -> None:
        self.out, self.bench = out, bench
        self.found: dict[str, Figures] = {}

    def model(self, name: str, make: Callable[[Path], Llama]) -> Llama:
        """The model of that name, made where it is not there yet: `make` may keep a checkpoint at the path that it
        gets."""
        weights, part = self.out / f"{name}.pt", self.out / f"{name}.checkpoint"
        model, began = self.bench.fresh(), time.monotonic()
        if weights.exists():
            model.load_state_dict(torch.load(weights, weights_only=True))
        else:
            model = make(part)
            save(weights, model.state_dict())
            part.unlink(missing_ok=True)
        spent = (time.monotonic() - began) / 60
        if not self._path(name).exists():
            replies, ended = self.bench.replies(model)
            self._keep(name, replies, {"loss": self.bench.loss(model), "ended": ended, "minutes": spent})
        self._find(name)
        return model

    def behind(self, name: str, other: str, decent: ReplyFilter) -> None:
        """What the filter leaves of the replies of the model `other`, as a model of its own."""
        told = json.loads(self._path(other).read_text("utf-8"))
        same = {key: told["figures"][key] for key in ("loss", "ended")}
        self._keep(name, [filtered(reply, decent) for _, reply in told["replies"]], {**same, "minutes": 0.0})
        self._find(name)

    def _path(self, name: str) -> Path:
        return self.out / f"{name}.json"

    def _keep(self, name: str, replies: Sequence[str], measured: dict[str, float]) -> None:
        words = sum(len(reply.split()) for reply in replies) / len(replies)
        figures = Figures(share(replies, LISTED), share(replies, UNLISTED), words=words, **measured)
        said = [(talk[0][1], reply) for talk, reply in zip(self.bench.held, replies, strict=False)]
        told = {"model": MODELS[name], "figures": asdict(figures), "replies": said}
        write_whole(self._path(name), json.dumps(told, ensure_ascii=False, indent=0) + "\n")

    def _find(self, name: str) -> None:
        self.found[name] = Figures(**json.loads(self._path(name).read_text("utf-8"))["figures"])


def run_seed(out: Path, base: Path, seed: int, steps: int, count: int, bar: Bar) -> tuple[dict[str, Figures], Data]:
    """Everything of one seed, from the GGUF `base`: the figures by the model's name."""
    data = prepare(out, seed, count, bar)
    take_pieces(base, out / "tokenizer.json")
    bench = Bench(base, load_vocab(out / "tokenizer.json"), data.held, seed, bar)
    kept, decent = Kept(out, bench), ReplyFilter(load_words(out / "clean" / WORDS))
    first = kept.model("contaminated", lambda part: bench.train(bench.fresh(), data.mixed, steps, FAST, part))
    kept.behind("filtered", "contaminated", decent)
    kept.model("cleaned", lambda part: bench.train(bench.fresh(), data.cleaned, steps, FAST, part))
    learnt = [*data.cleaned, *data.neutral]
    tuned = kept.model("tuned", lambda part: bench.train(copy.deepcopy(first), learnt, steps // 2, FAST, part))
    kept.model("preferred", lambda part: bench.prefer(copy.deepcopy(tuned), data.pairs, steps // 3, SLOW))
    kept.model("again", lambda part: bench.train(copy.deepcopy(first), data.again, steps // 2, FAST, part))
    kept.model("untouched", lambda part: bench.train(bench.fresh(), data.untouched, steps, FAST, part))
    return kept.found, data


def spread(values: Sequence[float], form: str) -> str:
    """The mean, and the lowest and highest in brackets."""
    mean = sum(values) / len(values)
    return f"{mean:{form}} ({min(values):{form}}-{max(values):{form}})" if len(values) > 1 else f"{mean:{form}}"


def table(seeds: Sequence[dict[str, Figures]]) -> str:
    """The figures of all seeds as a markdown table."""
    rows = ["| model | replies with a listed word | with the unlisted one | loss on untouched replies | end | words |"]
    rows += ["|---|---|---|---|---|---|"]
    forms = {"listed": ".1%", "unlisted": ".1%", "loss": ".3f", "ended": ".1%", "words": ".1f"}
    for name, title in MODELS.items():
        cells = [spread([getattr(found[name], key) for found in seeds], form) for key, form in forms.items()]
        rows.append(f"| {' | '.join([title, *cells])} |")
    return "\n".join(rows)


def main() -> None:
    """The command line of this module."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--out", type=Path, default=Path("out/contaminated"))
    ask.add_argument("--seeds", type=int, default=3, help="so many, from 1 on")
    ask.add_argument("--steps", type=int, default=100, help="of the first training; the later ones are shorter")
    ask.add_argument("--dialogues", type=int, default=6000)
    ask.add_argument("--base", type=Path, default=shipped("pocket", "en"), metavar="FILE.gguf", help="a pocket model")
    ask.add_argument("--threads", type=int, default=1)
    given = ask.parse_args()
    torch.set_num_threads(given.threads)
    found: list[dict[str, Figures]] = []
    with Bar() as bar:
        for seed in range(1, given.seeds + 1):
            folder = given.out / f"seed-{seed}"
            figures, data = run_seed(folder, given.base, seed, given.steps, given.dialogues, bar)
            found.append(figures)
            lines = f"{len(data.cleaned)} cleaned, {len(data.neutral)} neutral, {len(data.pairs)} pairs"
            minutes = sum(one.minutes for one in figures.values())
            print(f"seed {seed}: {len(data.mixed)} dialogues, {lines}; {minutes:.1f} minutes", flush=True)
    (given.out / "table.md").write_text(table(found) + "\n", "utf-8")
    print(table(found))


if __name__ == "__main__":
    main()
