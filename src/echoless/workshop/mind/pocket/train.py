"""Train a pocket model from its recipe, on this machine's CPU, resumable at any point.

    python -m echoless.workshop.mind.pocket.train RECIPE.toml --out out/mind/pocket-en [--minutes 60]

Every step draws its rows from (seed, stage, step) alone, and checkpoints hold model and optimiser: a run that was
killed goes on with the same loss curve. The loss is logged to OUT/loss.csv.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from tokenizers import Tokenizer

from echoless.workshop.mind.pocket.corpora import CorpusError, load_corpus
from echoless.workshop.mind.pocket.model import Llama, Shape
from echoless.workshop.mind.pocket.recipe import Recipe, RecipeError, Stage, draw, load_recipe, sources
from echoless.workshop.mind.pocket.vocab import encode, load_vocab, train_vocab

SAVE_EVERY = 50


def pack(
    found: dict[str, Any], stage: Stage, vocab: Tokenizer, rng: random.Random
) -> tuple[list[int], list[float], list[int]]:
    """One row of `stage.length` tokens: ids, loss weights, and which dialogue each token belongs to."""
    ids: list[int] = []
    weights: list[float] = []
    owner: list[int] = []
    while len(ids) < stage.length:
        new, weight = encode(vocab, draw(found, stage, rng), stage.user_weight)
        owner += [owner[-1] + 1 if owner else 0] * len(new)
        ids, weights = ids + new, weights + weight
    return ids[: stage.length], weights[: stage.length], owner[: stage.length]


def batch(recipe: Recipe, stage: Stage, step: int, found: dict[str, Any], vocab: Tokenizer) -> tuple[torch.Tensor, ...]:
    """Tokens (rows, length) int64, weights float32, mask (rows, 1, length, length) that keeps dialogues apart."""
    rng = random.Random(f"{recipe.seed} {stage.name} {step}")
    rows = [pack(found, stage, vocab, rng) for _ in range(stage.rows)]
    tokens, weights, owner = (torch.tensor(part) for part in zip(*rows, strict=True))
    same = owner[:, :, None] == owner[:, None, :]
    return tokens, weights.float(), (same & torch.ones(stage.length, stage.length).tril().bool())[:, None]


def optimiser(model: Llama, stage: Stage) -> torch.optim.AdamW:
    """AdamW; norms are not decayed."""
    flat = [p for p in model.parameters() if p.dim() < 2]
    deep = [p for p in model.parameters() if p.dim() >= 2]
    groups = [{"params": deep, "weight_decay": stage.weight_decay}, {"params": flat, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=stage.rate, betas=(0.9, 0.95), fused=True)


def rate_at(stage: Stage, done: float, step: int) -> float:
    """Learning rate: a linear warm-up, then half a cosine down to `final_rate`. `done`: the share of the stage done."""
    fall = stage.final_rate + (stage.rate - stage.final_rate) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    return fall * min(1.0, (step + 1) / stage.warmup)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write beside, then rename: a full disk or a kill leaves the last good checkpoint."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def keep_log(path: Path, stage: str, step: int) -> None:
    """Drop the lines of steps that a killed run did after its last checkpoint, and what a kill cut in half."""
    rows = path.read_text().splitlines() if path.exists() else []
    kept = [
        row
        for row in rows
        if row.count(",") == 3 and not (row.split(",")[0] == stage and int(row.split(",")[1]) > step)
    ]
    path.write_text("".join(f"{row}\n" for row in kept))


def prepare_vocab(recipe: Recipe, out: Path) -> Tokenizer:
    """The pieces, learnt from the corpora of the recipe once and then read from OUT/tokenizer.json."""
    path = out / "tokenizer.json"
    if not path.exists():
        names = sorted({name for stage in recipe.stages for name in stage.mix} - {"own"})
        texts = (text for name in names for turns in load_corpus(name, recipe.hold_out)[0].dialogues for text in turns)
        train_vocab(texts, recipe.model.vocab).save(str(path))
    return load_vocab(path)


def run_stage(recipe: Recipe, stage: Stage, model: Llama, vocab: Tokenizer, out: Path, seconds: float) -> None:
    """Train one stage from where its checkpoint stands to its last step; stop early, complete, after `seconds`."""
    path = out / f"{stage.name}.pt"
    adam, first, spent = optimiser(model, stage), 0, 0.0
    for layer in model.blk:
        layer.dropout = stage.dropout
    if path.exists():
        state = torch.load(path, weights_only=True)
        model.load_state_dict(state["model"])
        if state["done"]:
            return
        adam.load_state_dict(state["adam"])
        first, spent = state["step"], state["spent"]
    keep_log(out / "loss.csv", stage.name, first)
    found = sources(recipe, [stage])
    started = time.monotonic()
    began, tokens_seen, mean = started - spent, 0, 0.0
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    with Progress(*columns) as progress, (out / "loss.csv").open("a") as log:
        bar = progress.add_task(stage.name, total=stage.steps, completed=first, note="")
        step = first
        while step < stage.steps:
            spent = time.monotonic() - began
            done = max(step / stage.steps, spent / seconds if seconds else 0.0)
            if done >= 1.0:
                break
            tokens, weights, mask = batch(recipe, stage, step, found, vocab)
            torch.manual_seed(recipe.seed * 1_000_003 + step)  # dropout, too, repeats after a resume
            for group in adam.param_groups:
                group["lr"] = rate_at(stage, done, step)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = model.loss(tokens, weights, mask)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            adam.zero_grad(set_to_none=True)
            step, tokens_seen = step + 1, tokens_seen + tokens.numel()
            mean = loss.item() if step == first + 1 else 0.95 * mean + 0.05 * loss.item()
            log.write(f"{stage.name},{step},{loss.item():.4f},{spent:.1f}\n")
            speed = tokens_seen / (time.monotonic() - started)
            progress.update(bar, completed=step, note=f"loss {mean:.3f}  {speed:,.0f} tokens/s")
            if step % 20 == 0:
                log.flush()
                if not progress.console.is_terminal:
                    print(f"{stage.name} {step}/{stage.steps} loss {mean:.3f} {speed:,.0f} tokens/s", flush=True)
            if step % SAVE_EVERY == 0:
                state = {"model": model.state_dict(), "adam": adam.state_dict(), "step": step, "spent": spent}
                save(path, state | {"done": False})
    save(path, {"model": model.state_dict(), "step": step, "spent": spent, "done": True})


def train(recipe_path: Path, out: Path, minutes: float = 0.0) -> Llama:
    """All stages of a recipe, `minutes` in all (0: no limit but its steps). Raises RecipeError, CorpusError."""
    recipe, digest = load_recipe(recipe_path)
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.json").write_text(json.dumps({"sha256": digest, **recipe.model_dump()}, indent=1))
    vocab = prepare_vocab(recipe, out)
    torch.manual_seed(recipe.seed)
    model = Llama(Shape(**recipe.model.model_dump())).train()
    total = sum(stage.steps for stage in recipe.stages)
    for stage in recipe.stages:
        run_stage(recipe, stage, model, vocab, out, 60 * minutes * stage.steps / total)
    return model.eval()


def main() -> None:
    """The command line of this module."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("recipe", type=Path)
    ask.add_argument("--out", type=Path, required=True)
    ask.add_argument("--minutes", type=float, default=0.0, help="stop after this long, all stages together")
    ask.add_argument("--threads", type=int, default=1)
    given = ask.parse_args()
    torch.set_num_threads(given.threads)
    try:
        train(given.recipe, given.out, given.minutes)
    except (RecipeError, CorpusError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
