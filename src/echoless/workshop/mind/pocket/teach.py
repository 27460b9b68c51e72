"""Make a bigger model that knows English teach the pocket one: it learns the written lines, then talks with itself.

    python -m echoless.workshop.mind.pocket.teach RECIPE.toml --teacher SmolLM2-135M-Instruct.Q4_1.gguf \\
        --out out/mind/teacher --minutes 4 --device cuda --workers 4
    python -m echoless.workshop.mind.pocket.train RECIPE.toml --out out/mind/pocket --given \\
        taught-en=out/mind/teacher/taught-en.jsonl.gz

The teacher is a llama-shaped GGUF that chats in ChatML. All its weights learn the `teaching` stage of the recipe; then
it holds dialogues with itself about words that the lines may not have (Hinton et al. 2015, by samples instead of
probabilities, as Kim and Rush 2016, since the pieces of the two differ). The sieve keeps short spoken sentences and
bars the judged openings. On a CPU give `--rows 1 --at-once 8 --talks 20`. What is done is kept in OUT: a second call
goes on from there; talking starts anew. Ctrl-C while it talks ends that, and the file is written.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import torch
from tokenizers import Tokenizer

from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.pocket import chatml
from echoless.workshop.mind.pocket.chatml import About, Words
from echoless.workshop.mind.pocket.corpora import CorpusError
from echoless.workshop.mind.pocket.lines import LinesError
from echoless.workshop.mind.pocket.model import Llama
from echoless.workshop.mind.pocket.nearness import Nearness, read_openings
from echoless.workshop.mind.pocket.recipe import Recipe, RecipeError, Stage, is_own, load_recipe, openings_of, sources
from echoless.workshop.mind.pocket.selftalk import Harvest, Openings, hold
from echoless.workshop.mind.pocket.sieve import Sieve
from echoless.workshop.mind.pocket.start import load_gguf
from echoless.workshop.mind.pocket.stream import Pool
from echoless.workshop.mind.pocket.taught import save_taught
from echoless.workshop.mind.pocket.tongue import TONGUES
from echoless.workshop.mind.pocket.train import How, Run, halves_pay, rows_of, run_stage, shrunk
from echoless.workshop.mind.tune.unpack import tokenizer_of

LEARNING = 0.4
"""Of the time: the rest is for talking."""
WRITING = 4.0
"""Seconds at the end for the file."""


@dataclass(frozen=True, slots=True)
class Amount:
    """How much: `minutes` in all (0: no limit), `talks` to keep, `at_once` dialogues at a time, `rows` a step at most
    (0: the recipe's)."""

    minutes: float = 0.0
    talks: int = 80_000
    at_once: int = 64
    rows: int = 0


def teaching_of(recipe: Recipe) -> tuple[Stage, str]:
    """The stage that the teacher learns, and its language. Raises RecipeError."""
    if recipe.teaching is None:
        raise RecipeError("the recipe has no [teaching]: see recipes/pocket-taught.toml")
    own = [name for name in recipe.teaching.mix if is_own(name)]
    if len(own) != 1 or own[0].count("-") != 1:
        raise RecipeError("the mix of [teaching] must have the written lines of one language, as own-en")
    return recipe.teaching, own[0].removeprefix("own-")


def open_teacher(file: Path) -> Tokenizer:
    """The teacher's pieces. Raises MindError where it cannot teach."""
    try:
        vocab = tokenizer_of(gguf.GGUFReader(file))
    except (OSError, ValueError, KeyError, IndexError) as why:
        raise MindError(f"cannot read the teacher {file}: {' '.join(str(why).split())[:150]}") from None
    chatml.marks(vocab)
    return vocab


def learnt(recipe: Recipe, stage: Stage, file: Path, out: Path, batches: Any, how: How, seconds: float) -> Llama:
    """The teacher with the stage behind it, `seconds` of it at most (0: all steps)."""
    model = load_gguf(file)[0].to(how.device).train()
    run_stage(Run(recipe, model, out, how, halves_pay(how.device)), stage, batches, seconds)
    return model.eval()


def teach(recipe_path: Path, teacher: Path, out: Path, amount: Amount, how: How) -> Path:
    """Write OUT/taught-LANGUAGE.jsonl.gz; returns its path. Raises RecipeError, CorpusError, LinesError, MindError."""
    began = time.monotonic()
    recipe, _ = load_recipe(recipe_path)
    stage, language = teaching_of(recipe)
    vocab = open_teacher(teacher)
    out.mkdir(parents=True, exist_ok=True)
    stage = shrunk(stage, amount.rows)
    found = sources(recipe.model_copy(update={"stages": [stage]}), {})
    heard = [text for name in found if not is_own(name) for talk in found[name].dialogues for text in talk]
    words = Words(heard)
    own = f"own-{language}"
    found[own] = About(found[own], words, language)
    batches: Any = rows_of(recipe, stage, found, vocab, out, how, chatml.encode)
    if how.device != "cpu":  # the workers are forked before the device is touched
        batches = Pool(batches, recipe.seed)
    torch.manual_seed(recipe.seed)
    torch.set_float32_matmul_precision("high")
    left = 60 * amount.minutes
    seconds = max(1.0, LEARNING * (left - (time.monotonic() - began))) if left else 0.0
    model = learnt(recipe, stage, teacher, out, batches, how, seconds)
    if isinstance(batches, Pool):
        batches.close()
    openings = Openings(vocab, words, heard, TONGUES[language], recipe.seed)
    harvest = Harvest(vocab, Sieve(Nearness(read_openings(openings_of(language)))))
    seconds = max(1.0, left - WRITING - (time.monotonic() - began)) if left else float("inf")
    with suppress(KeyboardInterrupt):  # what was held is kept
        hold(model, vocab, openings, harvest, amount.at_once, seconds, amount.talks)
    if not (best := harvest.best()):
        raise MindError(f"none of {harvest.held} dialogues was fit to learn from: the teacher has learnt too little")
    path = out / f"taught-{language}.jsonl.gz"
    save_taught(path, language, best)
    print(f"{path}: {len(best)} of {harvest.held} dialogues, {sum(len(turns) // 2 for turns, _ in best)} exchanges")
    return path


def main() -> None:
    """The command line of this module."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("recipe", type=Path, help="one with a [teaching], as recipes/pocket-taught.toml")
    ask.add_argument("--teacher", type=Path, required=True, metavar="FILE.gguf")
    ask.add_argument("--out", type=Path, required=True)
    ask.add_argument("--minutes", type=float, default=0.0, help=f"for all; {LEARNING:.0%} of it to learn the lines")
    ask.add_argument("--talks", type=int, default=80_000, help="dialogues to keep before the least sure go")
    ask.add_argument("--at-once", type=int, default=0, help="dialogues at a time (default: 4096 on a GPU, else 64)")
    ask.add_argument("--rows", type=int, default=0, help="rows a step at most; 1 for a CPU")
    ask.add_argument("--device", default="cpu", choices=["cpu", "cuda", "mps"])
    ask.add_argument("--workers", type=int, default=0, help="processes that draw the lines")
    ask.add_argument("--threads", type=int, default=1)
    given = ask.parse_args()
    torch.set_num_threads(given.threads)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a time limit's end is treated as Ctrl-C is
    amount = Amount(given.minutes, given.talks, given.at_once or (4096 if given.device == "cuda" else 64), given.rows)
    try:
        teach(given.recipe, given.teacher, given.out, amount, How(given.device, given.workers))
    except (RecipeError, CorpusError, LinesError, MindError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(f"stopped before anything was said; the same command goes on from what {given.out} holds")


if __name__ == "__main__":
    main()
