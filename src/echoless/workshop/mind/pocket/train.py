"""Train a pocket model from its recipe, on a CPU or a GPU, resumable at any point.

    python -m echoless.workshop.mind.pocket.train RECIPE.toml --out out/mind/pocket [--minutes 60 --rows 8]
    python -m echoless.workshop.mind.pocket.train RECIPE.toml --out out/mind/pocket --device cuda --workers 14 --fast
    python -m echoless.workshop.mind.pocket.train RECIPE.toml --out out/mind/more --base FILE.gguf  # goes on

A recipe is written for a GPU. On two CPU cores give `--rows 8`: smaller steps, at a lower rate, and more of them.
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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from tokenizers import Tokenizer

from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.pocket.corpora import CorpusError
from echoless.workshop.mind.pocket.lines import LinesError
from echoless.workshop.mind.pocket.model import Llama, Shape
from echoless.workshop.mind.pocket.recipe import Recipe, RecipeError, Stage, is_own, load_recipe, only, sources
from echoless.workshop.mind.pocket.start import take_pieces, take_weights
from echoless.workshop.mind.pocket.stream import Batch, Encode, Pool, mask_of, misheard, stream
from echoless.workshop.mind.pocket.taught import Taught, load_taught
from echoless.workshop.mind.pocket.vocab import encode, join_vocabs, load_vocab, train_vocab

SAVE_AFTER = 60.0  # seconds between two checkpoints
TOLD = 10.0  # seconds between two lines of progress
SAMPLED = 5_000  # dialogues of own lines that the pieces are learnt from
PIECE = {"zh": 12}
"""Bytes of a piece at most, as the byte-level alphabet writes them: two Chinese characters, or 18 Latin letters."""


@dataclass(frozen=True, slots=True)
class How:
    """Where and how to train: nothing of it changes what is learnt but for rounding."""

    device: str = "cpu"
    workers: int = 0
    fast: bool = False
    """Compile the model first, and meet rows again while the workers have no new ones: see stream.Pool."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of a recipe goes on with from stage to stage."""

    recipe: Recipe
    model: Llama
    out: Path
    how: How
    halves: bool = False
    """Reckon in bfloat16 where that loses nothing."""


def halves_pay(device: str) -> bool:
    """Whether bfloat16 is quicker than float32: a CPU that lacks it is thirty times slower with it."""
    if device != "cpu":
        return True
    took = {}
    for kind in (torch.float32, torch.bfloat16):
        square = torch.randn(256, 256).to(kind)
        began = time.perf_counter()
        for _ in range(3):
            square @ square
        took[kind] = time.perf_counter() - began
    return took[torch.bfloat16] < took[torch.float32]


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


def prepare_vocab(recipe: Recipe, found: dict[str, Any], out: Path) -> Tokenizer:
    """The pieces, learnt from the corpora and lines of the recipe once and then read from OUT/tokenizer.json. Each
    language gets its share, so that none crowds another out."""
    path = out / "tokenizer.json"
    if not path.exists():
        vocabs = []
        for language in recipe.languages:
            corpora = [found[name] for name in found if not is_own(name) and found[name].language == language]
            rng, own = random.Random(recipe.seed), found.get(f"own-{language}")
            lines = (own.sample(rng, 4).turns for _ in range(SAMPLED)) if own else ()
            texts = chain(
                (text for corpus in corpora for turns in corpus.dialogues for text in turns),
                (text for turns in lines for _, text in turns),
            )
            size = 262 + (recipe.model.vocab - 262) // len(recipe.languages)
            vocabs.append(train_vocab(texts, size, PIECE.get(language, 18)))
        join_vocabs(vocabs).save(str(path))
    return load_vocab(path)


def shrunk(stage: Stage, rows: int) -> Stage:
    """The stage in steps of at most `rows` rows (0: as it is): more steps, each at a rate lower by the square root."""
    part = stage.rows / rows if rows and rows < stage.rows else 1.0
    return stage.model_copy(
        update={
            "rows": round(stage.rows / part),
            "steps": round(stage.steps * part),
            "warmup": round(stage.warmup * part**0.5),
            "rate": stage.rate / part**0.5,
            "final_rate": stage.final_rate / part**0.5,
        }
    )


def rows_of(
    recipe: Recipe, stage: Stage, found: dict[str, Any], vocab: Tokenizer, out: Path, how: How, encoded: Encode = encode
) -> Iterable[Batch]:
    """What the stage reads, from where its checkpoint stands; nothing where it is done. `found`: the sources by name,
    `encoded`: how a dialogue becomes pieces."""
    path, first = out / f"{stage.name}.pt", 0
    if path.exists():
        state = torch.load(path, weights_only=True, map_location="cpu")
        if state["done"]:
            return []
        first = state["step"]
    batches = stream(recipe, stage, found, vocab, first, how.workers, encoded)
    return Pool(batches, recipe.seed, 1 + stage.steps // 6) if how.fast else batches


def descend(model: torch.nn.Module, adam: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """One step down `loss`, the norm of the gradient held to 1."""
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    adam.step()
    adam.zero_grad(set_to_none=True)


class Curve:
    """The loss of a stage: OUT/loss.csv, and a progress line with tokens a second and time left; where there is no
    terminal, a line every TOLD seconds."""

    def __init__(self, path: Path, stage: Stage, first: int, begun: float) -> None:
        """Goes on at step `first`, with a share `begun` of the stage done."""
        keep_log(path, stage.name, first)
        self.stage, self.first, self.begun = stage, first, begun
        self.started, self.tokens, self.mean, self.told = time.monotonic(), 0, 0.0, 0.0
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"))
        self.progress = Progress(*columns, TimeRemainingColumn())
        self.bar = self.progress.add_task(stage.name, total=stage.steps, completed=first, note="")
        self.log = path.open("a")

    def __enter__(self) -> Curve:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()
        self.log.close()

    def adds(self, step: int, loss: torch.Tensor, tokens: int, spent: float, done: float) -> None:
        """A step was done, `spent` seconds and a share `done` of the stage, by steps or by minutes. A GPU must not wait
        for every loss, so there it is one in ten that is looked at."""
        self.tokens += tokens
        if loss.device.type == "cpu" or step % 10 == 0 or step == self.first + 1:
            value = loss.item()
            self.mean = value if step == self.first + 1 else 0.9 * self.mean + 0.1 * value
            self.log.write(f"{self.stage.name},{step},{value:.4f},{spent:.1f}\n")
        note = f"loss {self.mean:.3f}  {self.tokens / (time.monotonic() - self.started):,.0f} tokens/s"
        self.progress.update(self.bar, completed=max(step, round(done * self.stage.steps)), note=note)
        if step % 20 == 0:
            self.log.flush()
        if not self.progress.console.is_terminal and time.monotonic() - self.told > TOLD:
            self.told = time.monotonic()
            left = (self.told - self.started) * (1 - done) / max(1e-6, done - self.begun)
            print(f"{self.stage.name} {step}/{self.stage.steps}  {note}  {left / 60:.0f} min left", flush=True)


def learn(run: Run, stage: Stage, adam: torch.optim.Optimizer, rows: Batch, step: int, rate: float) -> torch.Tensor:
    """One step; its loss."""
    device = run.how.device
    tokens, weights, owner = (part.to(device, non_blocking=True) for part in rows)
    torch.manual_seed(run.recipe.seed * 1_000_003 + step)  # dropout, too, repeats after a resume
    for group in adam.param_groups:
        group["lr"] = rate
    heard = misheard(tokens, weights, stage.user_weight, stage.noise) if stage.noise else tokens
    with torch.autocast(device, dtype=torch.bfloat16, enabled=run.halves):
        loss = run.model.loss(tokens.long(), weights.float(), mask_of(owner), heard.long())
    descend(run.model, adam, loss)
    return loss.detach()


def run_stage(run: Run, stage: Stage, batches: Iterable[Batch], left: float) -> None:
    """Train one stage from where its checkpoint stands to its last step; stop early, complete, after `left` seconds
    (0: never)."""
    path, adam, step, spent = run.out / f"{stage.name}.pt", optimiser(run.model, stage), 0, 0.0
    for layer in run.model.blk:
        layer.dropout = stage.dropout
    if path.exists():
        state = torch.load(path, weights_only=True, map_location=run.how.device)
        run.model.load_state_dict(state["model"])
        if state["done"]:
            return
        adam.load_state_dict(state["adam"])
        step, spent = state["step"], state["spent"]
    seconds = left + spent if left else math.inf
    saved = time.monotonic()
    began = saved - spent

    def done() -> float:
        return max(step / stage.steps, (time.monotonic() - began) / seconds)

    with Curve(run.out / "loss.csv", stage, step, done()) as curve:
        for rows in batches:
            if (share := done()) >= 1.0:
                break
            loss = learn(run, stage, adam, rows, step, rate_at(stage, share, step))
            step, spent = step + 1, time.monotonic() - began
            curve.adds(step, loss, rows[0].numel(), spent, done())
            if time.monotonic() - saved >= SAVE_AFTER:
                saved = time.monotonic()
                state = {"model": run.model.state_dict(), "adam": adam.state_dict(), "step": step, "spent": spent}
                save(path, state | {"done": False})
    save(path, {"model": run.model.state_dict(), "step": step, "spent": spent, "done": True})


def compiled(model: Llama, stage: Stage, halves: bool) -> Callable[..., torch.Tensor]:
    """The model's inner part compiled for the stage's shape, tried once, forwards and back."""
    for layer in model.blk:
        layer.dropout = stage.dropout
    quick = torch.compile(model.hidden)
    device = model.token_embd.weight.device
    tokens = torch.zeros(stage.rows, stage.length, dtype=torch.long, device=device)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=halves):
        quick(tokens, mask_of(tokens)).float().mean().backward()
    model.zero_grad(set_to_none=True)
    return quick


def train(
    recipe_path: Path, out: Path, minutes: float = 0.0, rows: int = 0, how: How | None = None, base: Path | None = None,
    stages: str = "", given: Mapping[str, Any] | None = None,
) -> Llama:  # fmt: skip
    """All stages of a recipe file, or those of the names in `stages`, parted by commas: see train_recipe."""
    recipe, digest = load_recipe(recipe_path)
    if stages:
        recipe = only(recipe, stages.split(","))
    return train_recipe(recipe, digest, out, minutes, rows, how or How(), base, given)


def given_sources(pairs: list[str]) -> dict[str, Taught]:
    """Sources by name from NAME=FILE. Raises RecipeError."""
    found = {}
    for pair in pairs:
        name, equals, file = pair.partition("=")
        if not (name and equals and file):
            raise RecipeError(f"--given {pair}: say NAME=FILE, as in taught-en=out/teacher/taught-en.jsonl.gz")
        found[name] = load_taught(Path(file))
    return found


def train_recipe(
    recipe: Recipe, digest: str, out: Path, minutes: float, rows: int, how: How, base: Path | None = None,
    given: Mapping[str, Any] | None = None,
) -> Llama:  # fmt: skip
    """All stages of a recipe, `minutes` in all (0: no limit but its steps), in steps of at most `rows` rows, going on
    from the GGUF `base` where there is one. `digest` is the sha256 of its file, `given` are sources by name. Raises
    RecipeError, CorpusError, LinesError, MindError."""
    began = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.json").write_text(json.dumps({"sha256": digest, **recipe.model_dump()}, indent=1))
    found = sources(recipe, given or {})
    if base and not (out / "tokenizer.json").exists():
        take_pieces(base, out / "tokenizer.json")
    vocab = prepare_vocab(recipe, found, out)
    if vocab.get_vocab_size() > recipe.model.vocab:
        raise RecipeError(f"{out}/tokenizer.json has {vocab.get_vocab_size()} pieces, the recipe {recipe.model.vocab}")
    stages = [shrunk(stage, rows) for stage in recipe.stages]
    # a GPU's workers are forked before it is touched, all at once
    ahead = [rows_of(recipe, stage, found, vocab, out, how) for stage in stages if how.fast]
    torch.manual_seed(recipe.seed)
    torch.set_float32_matmul_precision("high")
    model = Llama(Shape(**recipe.model.model_dump())).to(how.device).train()
    if base:
        take_weights(base, model)
    run = Run(recipe, model, out, how, halves_pay(how.device))
    plain, quick = model.hidden, compiled(model, stages[0], run.halves) if how.fast else model.hidden
    size = [stage.steps * stage.rows * stage.length for stage in stages]
    for number, stage in enumerate(stages):
        if not how.fast:
            ahead.append(rows_of(recipe, stage, found, vocab, out, how))
        same = (stage.length, stage.dropout) == (stages[0].length, stages[0].dropout)
        model.hidden = quick if same else plain  # type: ignore[method-assign]
        left = (60 * minutes - (time.monotonic() - began)) * size[number] / sum(size[number:]) if minutes else 0.0
        run_stage(run, stage, ahead[number], max(left, 1.0) if minutes else 0.0)
        if isinstance(pool := ahead[number], Pool):
            pool.close()
    return model.eval()


def main() -> None:
    """The command line of this module."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("recipe", type=Path)
    ask.add_argument("--out", type=Path, required=True)
    ask.add_argument("--base", type=Path, metavar="FILE.gguf", help="go on from this pocket model, not from nothing")
    ask.add_argument("--minutes", type=float, default=0.0, help="stop after this long, all stages together")
    ask.add_argument("--rows", type=int, default=0, help="rows a step at most; 8 for a CPU")
    ask.add_argument("--device", default="cpu", choices=["cpu", "cuda", "mps"])
    ask.add_argument("--workers", type=int, default=0, help="processes that draw the lines")
    ask.add_argument("--fast", action="store_true", help="compile the model first")
    ask.add_argument("--threads", type=int, default=1)
    ask.add_argument("--stages", default="", metavar="A,B", help="these alone; call again with the others, to go on")
    ask.add_argument("--given", action="append", default=[], metavar="NAME=FILE", help="a source of the mix (teach.py)")
    given = ask.parse_args()
    torch.set_num_threads(given.threads)
    try:
        how = How(given.device, given.workers, given.fast)
        named = given_sources(given.given)
        train(given.recipe, given.out, given.minutes, given.rows, how, given.base, given.stages, named)
    except (RecipeError, CorpusError, LinesError, MindError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
