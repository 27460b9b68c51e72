"""What a stage of training reads: every step's rows, drawn from (seed, stage, step) alone, made by worker processes."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from tokenizers import Tokenizer
from torch.utils.data import DataLoader, Dataset

from echoless.workshop.mind.pocket.dialogue import Dialogue
from echoless.workshop.mind.pocket.recipe import Recipe, Stage, draw
from echoless.workshop.mind.pocket.vocab import encode

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Encode = Callable[[Tokenizer, Dialogue, float, random.Random | None], tuple[list[int], list[float]]]
"""How a dialogue becomes pieces: see vocab.encode."""


def pack(
    found: dict[str, Any], stage: Stage, vocab: Tokenizer, rng: random.Random, encoded: Encode = encode
) -> tuple[list[int], list[float], list[int]]:
    """One row of `stage.length` tokens: ids, loss weights, and which dialogue each token belongs to."""
    ids: list[int] = []
    weights: list[float] = []
    owner: list[int] = []
    while len(ids) < stage.length:
        new, weight = encoded(vocab, draw(found, stage, rng), stage.user_weight, rng)
        owner += [owner[-1] + 1 if owner else 0] * len(new)
        ids, weights = ids + new, weights + weight
    return ids[: stage.length], weights[: stage.length], owner[: stage.length]


def batch(
    recipe: Recipe, stage: Stage, step: int, found: dict[str, Any], vocab: Tokenizer, encoded: Encode = encode
) -> Batch:
    """Tokens (rows, length) int32, weights float16, and the dialogue each token belongs to, int16."""
    rng = random.Random(f"{recipe.seed} {stage.name} {step}")
    rows = [pack(found, stage, vocab, rng, encoded) for _ in range(stage.rows)]
    tokens, weights, owner = zip(*rows, strict=True)
    return (
        torch.tensor(tokens, dtype=torch.int32),
        torch.tensor(weights, dtype=torch.float16),
        torch.tensor(owner, dtype=torch.int16),
    )


def misheard(tokens: torch.Tensor, weights: torch.Tensor, user_weight: float, share: float) -> torch.Tensor:
    """`tokens` with `share` of what users say replaced by pieces from elsewhere in the batch."""
    said = (weights - user_weight).abs() < 1e-3
    hit = said & (torch.rand(tokens.shape, device=tokens.device) < share)
    other = tokens.flatten()[torch.randint(0, tokens.numel(), tokens.shape, device=tokens.device)]
    return torch.where(hit, other, tokens)


def mask_of(owner: torch.Tensor) -> torch.Tensor:
    """(rows, length) → (rows, 1, length, length): True where a token may look, at its own dialogue's earlier ones."""
    length = owner.shape[1]
    earlier = torch.ones(length, length, dtype=torch.bool, device=owner.device).tril()
    return ((owner[:, :, None] == owner[:, None, :]) & earlier)[:, None]


class Steps(Dataset[Batch]):
    """The batches of a stage by their step."""

    def __init__(self, *drawn_from: Any) -> None:
        self.recipe, self.stage, self.found, self.vocab, self.encoded = drawn_from

    def __getitem__(self, step: int) -> Batch:
        return batch(self.recipe, self.stage, step, self.found, self.vocab, self.encoded)


def step_back(worker: int) -> None:
    """Let the training itself, and whatever else the machine does, go before the drawing of rows."""
    os.nice(10)


def stream(
    recipe: Recipe,
    stage: Stage,
    found: dict[str, Any],
    vocab: Tokenizer,
    first: int,
    workers: int,
    encoded: Encode = encode,
) -> Iterator[Batch]:
    """The batches of the steps from `first` on, made ahead of time by `workers` processes (0: by this one), which are
    forked, so that lines and corpora are read once."""
    steps = Steps(recipe, stage, found, vocab, encoded)
    ahead: dict[str, Any] = {}
    if workers:
        ahead = {"prefetch_factor": 3, "multiprocessing_context": "fork", "worker_init_fn": step_back}
    return iter(DataLoader(steps, None, sampler=range(first, stage.steps), num_workers=workers, **ahead))


class Pool:
    """Batches met again: for a device that is faster than the processes that draw the rows. Every new batch is given
    once as soon as it is there; while there is no new one, old ones come again, in random order. `most` are kept. What
    is given then depends on the machine's speed, so a run with pools cannot be repeated to the last bit."""

    def __init__(self, batches: Iterator[Batch], seed: int, most: int = 1_000_000) -> None:
        self.kept: list[Batch] = []
        self.given, self.most = 0, most
        self.rng = random.Random(seed)
        self.closed = False
        self.thread = threading.Thread(target=self._fill, args=(batches,), daemon=True)
        self.thread.start()

    def _fill(self, batches: Iterator[Batch]) -> None:
        try:
            for one in batches:
                self.kept.append(tuple(part.clone() for part in one))  # type: ignore[arg-type]
                if self.closed or len(self.kept) >= self.most:
                    return
        except (OSError, EOFError, RuntimeError):
            if not self.closed:  # at the end of all, workers go while the next batch is waited for
                raise

    def __iter__(self) -> Iterator[Batch]:
        while not self.kept and self.thread.is_alive():
            time.sleep(0.01)
        while self.kept and not self.closed:
            if self.given < len(self.kept):
                self.given += 1
                yield self.kept[self.given - 1]
            else:
                yield self.rng.choice(self.kept)

    def close(self) -> None:
        """Stop filling. The worker processes end with their iterator."""
        self.closed = True
