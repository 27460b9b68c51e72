"""What a stage of training reads: every step's rows, drawn from (seed, stage, step) alone, made by worker processes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch.utils.data import DataLoader, Dataset

from echoless.workshop.mind.pocket.recipe import Recipe, Stage, draw, sources
from echoless.workshop.mind.pocket.vocab import encode, load_vocab

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def pack(
    found: dict[str, Any], stage: Stage, vocab: Tokenizer, rng: random.Random
) -> tuple[list[int], list[float], list[int]]:
    """One row of `stage.length` tokens: ids, loss weights, and which dialogue each token belongs to."""
    ids: list[int] = []
    weights: list[float] = []
    owner: list[int] = []
    while len(ids) < stage.length:
        new, weight = encode(vocab, draw(found, stage, rng), stage.user_weight, rng)
        owner += [owner[-1] + 1 if owner else 0] * len(new)
        ids, weights = ids + new, weights + weight
    return ids[: stage.length], weights[: stage.length], owner[: stage.length]


def batch(recipe: Recipe, stage: Stage, step: int, found: dict[str, Any], vocab: Tokenizer) -> Batch:
    """Tokens (rows, length) int32, weights float16, and the dialogue each token belongs to, int16."""
    rng = random.Random(f"{recipe.seed} {stage.name} {step}")
    rows = [pack(found, stage, vocab, rng) for _ in range(stage.rows)]
    tokens, weights, owner = zip(*rows, strict=True)
    return (
        torch.tensor(tokens, dtype=torch.int32),
        torch.tensor(weights, dtype=torch.float16),
        torch.tensor(owner, dtype=torch.int16),
    )


def mask_of(owner: torch.Tensor) -> torch.Tensor:
    """(rows, length) → (rows, 1, length, length): True where a token may look, at its own dialogue's earlier ones."""
    length = owner.shape[1]
    earlier = torch.ones(length, length, dtype=torch.bool, device=owner.device).tril()
    return ((owner[:, :, None] == owner[:, None, :]) & earlier)[:, None]


class Steps(Dataset[Batch]):
    """The batches of a stage by their step. Lines and corpora are read in the process that first asks."""

    def __init__(self, recipe: Recipe, stage: Stage, vocab: Path) -> None:
        self.recipe, self.stage, self.vocab = recipe, stage, vocab
        self.ready: tuple[dict[str, Any], Tokenizer] | None = None

    def __getitem__(self, step: int) -> Batch:
        if self.ready is None:
            self.ready = sources(self.recipe, [self.stage]), load_vocab(self.vocab)
        return batch(self.recipe, self.stage, step, *self.ready)


def stream(recipe: Recipe, stage: Stage, vocab: Path, first: int, workers: int) -> Iterator[Batch]:
    """The batches of the steps from `first` on, made ahead of time by `workers` processes (0: by this one)."""
    steps = Steps(recipe, stage, vocab)
    ahead = {"prefetch_factor": 8} if workers else {}
    return iter(DataLoader(steps, None, sampler=range(first, stage.steps), num_workers=workers, **ahead))  # type: ignore[arg-type]
